// Drives the module `accelerator` (sim/accelerator/program.py): its parameters once, then token after token.

#include <cstdint>
#include <memory>
#include <stdexcept>

#include "Vdut.h"
#include "surroundings.hpp"

namespace {

// Beats that are sent in order, and from the first one again if they repeat.
struct Source {
    const std::uint8_t* beats;
    long count, size, position;

    const std::uint8_t* beat() const { return beats + position * size; }
};

class Accelerator {
  public:
    Accelerator() : dut_(std::make_unique<Vdut>(&context_)) {
        dut_->clk = 0;
        reset();
    }

    ~Accelerator() { dut_->final(); }

    void reset() {
        dut_->i_valid = dut_->weights_valid = dut_->scales_valid = dut_->parameters_valid = 0;
        weights_offered_ = scales_offered_ = false;
        dut_->rst = 1;
        for (int cycle = 0; cycle < 3; ++cycle) edge();
        dut_->rst = 0;
    }

    // Sends all beats of `words`; false if one is not accepted within `patience` cycles.
    bool load(Source words, long patience, Taps& taps) {
        dut_->parameters_valid = 1;
        for (long cycle = 0, waited = 0; words.position < words.count; ++cycle) {
            set(dut_->parameters, words.beat(), words.size);
            dut_->eval();
            taps.take(*dut_, cycle);
            const bool accepted = dut_->parameters_ready;
            edge();
            words.position += accepted;
            waited = accepted ? 0 : waited + 1;
            if (waited > patience) return false;
        }
        dut_->parameters_valid = 0;
        return true;
    }

    struct Token {
        Source input, weights, scales;        // weights and scales go on with the next token
        std::uint8_t* outputs;                // room for `output_count` beats of `output_size` bytes
        long output_count, output_size;
        Taps taps;
        long limit;                           // of cycles
        Pace pace;
        // results
        long cycles, received, weight_beats;
    };

    void run(Token& token) {
        token.cycles = token.received = token.taps.rows = token.weight_beats = 0;
        for (; token.received < token.output_count && token.cycles < token.limit; ++token.cycles) {
            // three draws in every cycle, so that they do not depend on what happens
            const bool weights_come = token.pace.goes(), scales_come = token.pace.goes(), taken = token.pace.goes();
            weights_offered_ = weights_offered_ || weights_come;
            scales_offered_ = scales_offered_ || scales_come;
            dut_->i_valid = token.input.position < token.input.count;
            if (dut_->i_valid) set(dut_->i, token.input.beat(), token.input.size);
            dut_->weights_valid = weights_offered_;
            set(dut_->weights, token.weights.beat(), token.weights.size);
            dut_->scales_valid = scales_offered_;
            set(dut_->scales, token.scales.beat(), token.scales.size);
            dut_->o_ready = taken;
            dut_->eval();
            if (dut_->i_valid && dut_->i_ready) ++token.input.position;
            if (weights_offered_ && dut_->weights_ready) {
                next(token.weights);
                weights_offered_ = false;
                ++token.weight_beats;
            }
            if (scales_offered_ && dut_->scales_ready) {
                next(token.scales);
                scales_offered_ = false;
            }
            token.taps.take(*dut_, token.cycles);
            if (dut_->o_valid && dut_->o_ready) {
                get(dut_->o, token.outputs + token.received * token.output_size, token.output_size);
                ++token.received;
            }
            edge();
        }
    }

  private:
    static void next(Source& source) {
        if (++source.position == source.count) source.position = 0;
    }

    void edge() {
        dut_->eval();
        dut_->clk = 1;
        dut_->eval();
        dut_->clk = 0;
    }

    bool weights_offered_ = false, scales_offered_ = false;  // and not accepted yet, from token to token
    VerilatedContext context_;
    std::unique_ptr<Vdut> dut_;
};

}  // namespace

EXPORT void* start() {
    try {
        return new Accelerator;
    } catch (const std::exception&) {
        return nullptr;
    }
}

EXPORT void reset(void* accelerator) { static_cast<Accelerator*>(accelerator)->reset(); }

EXPORT void stop(void* accelerator) { delete static_cast<Accelerator*>(accelerator); }

// Whether all `count` words of `size` bytes were accepted.
EXPORT int load(
    void* accelerator, const std::uint8_t* words, long count, long size, long patience, Taps* taps) {
    try {
        return static_cast<Accelerator*>(accelerator)->load({words, count, size, 0}, patience, *taps);
    } catch (const std::exception&) {
        return 0;
    }
}

// Whether the simulation went on to the end or the limit of cycles.
EXPORT int run(void* accelerator, Accelerator::Token* token) {
    try {
        static_cast<Accelerator*>(accelerator)->run(*token);
        return 1;
    } catch (const std::exception&) {
        return 0;
    }
}
