// The taps of a compiled module, and the pace of what is around it.

#pragma once

#include <cstdint>

#include "../simulators/ports.hpp"

namespace {

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
