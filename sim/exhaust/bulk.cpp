// Sends beats through the module `bulk` (sim/exhaust/bulk.py) at full speed, and records its outputs.

#include <cstdint>
#include <memory>

#include "../simulators/ports.hpp"
#include "Vdut.h"

namespace {

constexpr long kStatus = 16;      // bytes
constexpr long kPatience = 1000;  // cycles without an output beat, or an accepted word, that end the simulation
constexpr long kAfterwards = 50;  // further cycles, in which no output beat may appear

}  // namespace

// First `words` of `load_size` bytes from `load`, then `beats` of `i_size` bytes from `i`; outputs to `o` and, after
// each one's clock edge, status to `status`, room for `beats` of each. Returns the number of output beats, extra ones
// included; -1 if the simulation failed or a word was not accepted.
EXPORT long bulk(
    const std::uint8_t* load, const std::uint8_t* i, std::uint8_t* o, std::uint8_t* status, long words, long beats,
    long load_size, long i_size, long o_size, std::uint32_t scale_m, std::uint32_t scale_k) {
    try {
        VerilatedContext context;
        auto dut = std::make_unique<Vdut>(&context);
        auto edge = [&] {
            dut->clk = 1;
            dut->eval();
            dut->clk = 0;
        };
        dut->clear = 1;  // so that the status is the last beat's alone
        dut->o_ready = 1;
        dut->scale_m = scale_m;
        dut->scale_k = scale_k;
        dut->rst = 1;
        dut->clk = 0;
        for (int cycle = 0; cycle < 3; ++cycle) {
            dut->eval();
            edge();
        }
        dut->rst = 0;
        dut->load_valid = 1;
        for (long loaded = 0, waited = 0; loaded < words; ++waited) {
            if (waited == kPatience) return -1;
            set(dut->load, load + loaded * load_size, load_size);
            dut->eval();
            if (dut->load_ready) ++loaded, waited = 0;
            edge();
        }
        dut->load_valid = 0;
        long sent = 0, received = 0, quiet = 0;
        while (quiet < (received < beats ? kPatience : kAfterwards)) {
            dut->i_valid = sent < beats;
            if (sent < beats) set(dut->i, i + sent * i_size, i_size);
            dut->eval();
            const bool passes = dut->o_valid;
            if (dut->i_valid && dut->i_ready) ++sent;
            if (passes && received < beats) get(dut->o, o + received * o_size, o_size);
            edge();
            if (passes && received < beats) get(dut->status, status + received * kStatus, kStatus);
            received += passes;
            quiet = passes ? 0 : quiet + 1;
            if (received > beats + kAfterwards) break;
        }
        dut->final();
        return received;
    } catch (const std::exception&) {
        return -1;
    }
}
