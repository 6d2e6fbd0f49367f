// Replays a netlist of standard cells on recorded inputs, cycle by cycle, and counts the toggles of its nets.
//
// A net is a byte, 0 or 1. A cell's output is a table of up to six inputs: bit n of the table is its value if the inputs,
// the first one lowest, are the number n.

#include <cstdint>
#include <vector>

namespace {

constexpr int INPUTS = 6;

struct Gate {
    std::uint64_t table;
    std::int32_t y, inputs[INPUTS];  // nets; inputs that a cell does not have are net 0, which is 0
    std::int32_t wide;               // whether it has more than three inputs
};

struct Port {
    std::int32_t net, bit, when;  // of a row: its value, and the bit without which it does not matter, or -1
};

using Values = std::vector<std::uint8_t>;

inline std::uint8_t apply(const Gate& gate, const Values& v) {
    unsigned at = v[gate.inputs[0]] | v[gate.inputs[1]] << 1 | v[gate.inputs[2]] << 2;
    if (gate.wide) at |= v[gate.inputs[3]] << 3 | v[gate.inputs[4]] << 4 | v[gate.inputs[5]] << 5;
    return gate.table >> at & 1;
}

inline std::uint8_t bit(const std::uint8_t* row, std::int32_t at) { return row[at / 8] >> at % 8 & 1; }

}  // namespace

// gates: in topological order; flops: y takes the value of the table at the clock's edge.
// rows: a row of `row_bytes` for each of `cycles` cycles, with the inputs' values and those that outputs must have.
// counts: by net, toggles from settled values to settled values in the cycles from `begin` on; differing: by output, of
// these cycles those in which it is not what it must be.
// extra: by net, the toggles before it settles, in every `stride`-th of these cycles, all cells being equally slow; none
// if `stride` is 0.
// Returns the number of cycles that did not settle within `patience` delays.
extern "C" __attribute__((visibility("default"))) long replay(
    long nets, const Gate* gates, long gate_count, const Gate* flops, long flop_count,
    const Port* inputs, long input_count, const Port* outputs, long output_count,
    const std::uint8_t* rows, long row_bytes, long cycles, long begin, long stride, long patience,
    std::int64_t* counts, std::int64_t* extra, std::int64_t* differing) {
    Values v(nets, 0), next(flop_count, 0), before;
    v[1] = 1;
    long unsettled = 0;
    for (long cycle = 0; cycle < cycles; ++cycle) {
        const std::uint8_t* row = rows + cycle * row_bytes;
        const bool counted = cycle >= begin;
        const bool closely = counted && stride && (cycle - begin) % stride == 0;
        const auto set = [&](std::int32_t net, std::uint8_t value) {
            counts[net] += counted & (v[net] ^ value);
            v[net] = value;
        };
        for (long n = 0; n < input_count; ++n) set(inputs[n].net, bit(row, inputs[n].bit));
        for (long n = 0; n < flop_count; ++n) set(flops[n].y, next[n]);
        if (closely) {
            before = v;
            bool changing = true;
            for (long step = 0; changing && step < patience; ++step) {
                changing = false;
                for (long n = gate_count - 1; n >= 0; --n) {  // a cell sees its inputs as they were a delay ago
                    const std::uint8_t now = apply(gates[n], v), changed = now ^ v[gates[n].y];
                    extra[gates[n].y] += changed;
                    v[gates[n].y] = now;
                    changing |= changed;
                }
            }
            unsettled += changing;
            for (long n = 0; n < gate_count; ++n) {
                const std::uint8_t changed = v[gates[n].y] ^ before[gates[n].y];
                counts[gates[n].y] += changed;
                extra[gates[n].y] -= changed;
            }
        } else {
            for (long n = 0; n < gate_count; ++n) set(gates[n].y, apply(gates[n], v));
        }
        for (long n = 0; n < output_count && counted; ++n) {
            const Port& port = outputs[n];
            differing[n] += (port.when < 0 || bit(row, port.when)) && v[port.net] != bit(row, port.bit);
        }
        for (long n = 0; n < flop_count; ++n) next[n] = apply(flops[n], v);
    }
    return unsettled;
}
