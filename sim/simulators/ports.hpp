// Ports of a compiled module as bytes, and errors as exceptions.

#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>

#define EXPORT extern "C" __attribute__((visibility("default")))

// Verilator's runtime calls this instead of ending the process, which is Python's.
void vl_fatal(const char*, int, const char*, const char* message) { throw std::runtime_error(message); }

namespace {

// Little-endian: Verilator keeps ports in integers or arrays of 32-bit words, the low bits first.
template <typename Port>
void set(Port& port, const std::uint8_t* bytes, long size) {
    std::memcpy(&port, bytes, size);
}

template <typename Port>
void get(const Port& port, std::uint8_t* bytes, long size) {
    std::memcpy(bytes, &port, size);
}

}  // namespace
