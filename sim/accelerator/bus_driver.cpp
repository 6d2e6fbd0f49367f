// Drives the module `accelerator` (sim/accelerator/bus_program.py) as its host, and is its memory.

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>

#include "Vdut.h"
#include "surroundings.hpp"

namespace {

// What a burst must not do; the first fault is kept.
enum Fault : long { NONE, OUTSIDE, PAGE, KIND, LENGTH, MOVED, CLOSED };

constexpr std::uint64_t PAGE_BYTES = 4096;

struct Memory {
    const std::uint8_t* image;
    std::uint64_t size, base;
    long word_bytes, burst_beats;  // of the bus, of the longest burst
    long latency;                  // cycles from a burst's acceptance to its first word
    long failing;                  // number of the word that is answered with an error, from 1; 0: none
    long response;                 // that error
    // counted
    long bursts, words, fault;
};

// TID of both streams, which only an accelerator of several sequences has.
template <typename Dut>
auto set_sequence(Dut& dut, std::uint32_t sequence, int) -> decltype(dut.s_axis_tid = sequence, void()) {
    dut.s_axis_tid = sequence;
}

template <typename Dut>
void set_sequence(Dut&, std::uint32_t, long) {}

template <typename Dut>
auto sequence_of(const Dut& dut, int) -> decltype(static_cast<std::uint32_t>(dut.m_axis_tid)) {
    return dut.m_axis_tid;
}

template <typename Dut>
std::uint32_t sequence_of(const Dut&, long) {
    return 0;
}

class Accelerator {
  public:
    Accelerator(Memory* memory, Pace pace) : memory_(memory), pace_(pace), dut_(std::make_unique<Vdut>(&context_)) {
        dut_->clk = 0;
        reset();
    }

    ~Accelerator() { dut_->final(); }

    void reset() {
        due_.clear();
        offered_ = waiting_ = false;
        dut_->s_axis_tvalid = dut_->m_axis_tready = 0;
        dut_->s_axi_awvalid = dut_->s_axi_wvalid = dut_->s_axi_arvalid = dut_->s_axi_bready = dut_->s_axi_rready = 0;
        dut_->m_axi_arready = dut_->m_axi_rvalid = 0;
        dut_->rst = 1;
        for (int cycle = 0; cycle < 3; ++cycle) edge();
        dut_->rst = 0;
    }

    void wait(long cycles) {
        for (; cycles > 0; --cycles) {
            begin();
            end();
        }
    }

    // The response, or -1 if none comes.
    int write(std::uint32_t address, std::uint32_t data) {
        dut_->s_axi_awaddr = address, dut_->s_axi_wdata = data, dut_->s_axi_wstrb = 15;
        dut_->s_axi_awvalid = dut_->s_axi_wvalid = dut_->s_axi_bready = 1;
        int response = -1;
        for (int cycle = 0; cycle < PATIENCE && response < 0; ++cycle) {
            begin();
            const bool address_taken = dut_->s_axi_awready, data_taken = dut_->s_axi_wready;
            if (dut_->s_axi_bvalid) response = dut_->s_axi_bresp;
            end();
            if (address_taken) dut_->s_axi_awvalid = 0;
            if (data_taken) dut_->s_axi_wvalid = 0;
        }
        dut_->s_axi_bready = 0;
        return response;
    }

    int read(std::uint32_t address, std::uint32_t* data) {
        dut_->s_axi_araddr = address;
        dut_->s_axi_arvalid = dut_->s_axi_rready = 1;
        int response = -1;
        for (int cycle = 0; cycle < PATIENCE && response < 0; ++cycle) {
            begin();
            const bool taken = dut_->s_axi_arready;
            if (dut_->s_axi_rvalid) response = dut_->s_axi_rresp, *data = dut_->s_axi_rdata;
            end();
            if (taken) dut_->s_axi_arvalid = 0;
        }
        dut_->s_axi_rready = 0;
        return response;
    }

    struct Token {
        std::uint32_t id, last, sequence;
        std::uint32_t* outputs;  // room for `output_count` beats
        long output_count;
        Taps taps;
        long limit;  // of cycles
        // results
        long cycles, received, packets, strangers;  // outputs of another sequence
    };

    void run(Token& token) {
        dut_->s_axis_tdata = token.id, dut_->s_axis_tlast = token.last, dut_->s_axis_tkeep = 15;
        set_sequence(*dut_, token.sequence, 0);
        dut_->s_axis_tvalid = 1;
        token.cycles = token.received = token.packets = token.strangers = token.taps.rows = 0;
        bool ready = false;
        for (; token.packets < 1 && token.cycles < token.limit; ++token.cycles) {
            ready = pace_.goes();
            dut_->m_axis_tready = ready;
            begin();
            const bool taken = dut_->s_axis_tvalid && dut_->s_axis_tready;
            token.taps.take(*dut_, token.cycles);
            if (dut_->m_axis_tvalid && ready) {
                if (token.received < token.output_count) token.outputs[token.received] = dut_->m_axis_tdata;
                token.received += dut_->m_axis_tkeep != 0;
                token.strangers += sequence_of(*dut_, 0) != token.sequence;
                token.packets += dut_->m_axis_tlast;
            }
            end();
            if (taken) dut_->s_axis_tvalid = 0;
        }
        dut_->m_axis_tready = dut_->s_axis_tvalid = 0;
    }

  private:
    static constexpr int PATIENCE = 1000;

    struct Word {
        long cycle;
        std::uint64_t offset;
        std::uint32_t id;
        bool last;
    };

    // The first half of a cycle: the memory answers; then all outputs are valid.
    void begin() {
        offered_ = offered_ || (!due_.empty() && due_.front().cycle <= now_ && pace_.goes());
        dut_->m_axi_rvalid = offered_;
        if (offered_) {
            const Word& word = due_.front();
            const bool inside = word.offset <= memory_->size - memory_->word_bytes;
            const bool fails = !inside || memory_->words + 1 == memory_->failing;
            dut_->m_axi_rid = word.id;
            dut_->m_axi_rresp = fails ? memory_->response : 0;
            dut_->m_axi_rlast = word.last;
            if (inside) set(dut_->m_axi_rdata, memory_->image + word.offset, memory_->word_bytes);
        }
        dut_->m_axi_arready = pace_.goes();
        dut_->eval();
    }

    void end() {
        if (offered_ && dut_->m_axi_rready) {
            ++memory_->words;
            due_.pop_front();
            offered_ = false;
        } else if (offered_) {
            note(CLOSED);  // it has said that there is room
        }
        take_burst();
        ++now_;
        edge();
    }

    void take_burst() {
        const std::uint64_t address = dut_->m_axi_araddr;
        if (waiting_ && !(dut_->m_axi_arvalid && address == address_)) note(MOVED);
        waiting_ = dut_->m_axi_arvalid && !dut_->m_axi_arready;
        address_ = address;
        if (!dut_->m_axi_arvalid || waiting_) return;
        const std::uint64_t beats = dut_->m_axi_arlen + 1, bytes = beats * memory_->word_bytes;
        if (address < memory_->base || address + bytes > memory_->base + memory_->size) note(OUTSIDE);
        if (address / PAGE_BYTES != (address + bytes - 1) / PAGE_BYTES) note(PAGE);
        if (address % memory_->word_bytes || dut_->m_axi_arburst != 1 || 1 << dut_->m_axi_arsize != memory_->word_bytes)
            note(KIND);
        if (static_cast<long>(beats) > memory_->burst_beats) note(LENGTH);
        ++memory_->bursts;
        for (std::uint64_t beat = 0; beat < beats; ++beat)
            due_.push_back({now_ + memory_->latency, address - memory_->base + beat * memory_->word_bytes,
                            dut_->m_axi_arid, beat + 1 == beats});
    }

    void note(Fault fault) {
        if (memory_->fault == NONE) memory_->fault = fault;
    }

    void edge() {
        dut_->eval();
        dut_->clk = 1;
        dut_->eval();
        dut_->clk = 0;
    }

    VerilatedContext context_;
    Memory* memory_;
    Pace pace_;
    std::unique_ptr<Vdut> dut_;
    std::deque<Word> due_;  // in the order of the bursts
    long now_ = 0;
    bool offered_ = false, waiting_ = false;
    std::uint64_t address_ = 0;
};

Accelerator& of(void* accelerator) { return *static_cast<Accelerator*>(accelerator); }

}  // namespace

EXPORT void* start(Memory* memory, std::uint32_t seed, std::uint32_t share) {
    try {
        return new Accelerator(memory, {seed, share});
    } catch (const std::exception&) {
        return nullptr;
    }
}

EXPORT void stop(void* accelerator) { delete static_cast<Accelerator*>(accelerator); }

EXPORT void reset(void* accelerator) { of(accelerator).reset(); }

// The response, or -1 if none came, or -2 if the simulation failed.
EXPORT int access_register(void* accelerator, std::uint32_t address, std::uint32_t* data, int writes) {
    try {
        return writes ? of(accelerator).write(address, *data) : of(accelerator).read(address, data);
    } catch (const std::exception&) {
        return -2;
    }
}

// Whether the simulation went on.
EXPORT int wait_cycles(void* accelerator, long cycles) {
    try {
        of(accelerator).wait(cycles);
        return 1;
    } catch (const std::exception&) {
        return 0;
    }
}

EXPORT int run(void* accelerator, Accelerator::Token* token) {
    try {
        of(accelerator).run(*token);
        return 1;
    } catch (const std::exception&) {
        return 0;
    }
}
