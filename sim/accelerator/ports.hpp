// Ports of a compiled module as bytes, its taps, the pace of what is around it.

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

// What answers in `share` of 256 cycles only, at random.
struct Pace {
    std::uint32_t word, share;

    bool goes() {
        word ^= word << 13, word ^= word >> 17, word ^= word << 5;
        return (word & 255) < share;
    }
};

// The values that pass: a row for every cycle in which one does.
struct Taps {
    std::uint8_t* values;  // room for `room` rows of `size` bytes
    std::int64_t* cycles;  // and for the rows' cycles
    long room, size, rows;

    template <typename Dut>
    void take(const Dut& dut, long cycle) {
        if (!dut.taps_valid || rows >= room) return;
        get(dut.taps, values + rows * size, size);
        cycles[rows++] = cycle;
    }
};

}  // namespace
