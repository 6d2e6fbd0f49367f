// Simulates many faults at a time: a net is a word with a bit per lane; each lane is the netlist with one fault.
//
// mutate NETLIST PROGRAM MUTANTS RESULTS
//   NETLIST  int32: nets, registers, gates, inputs, outputs, mutants; (q, d) per register; (type, y, a, b, s) per gate,
//            in topological order; nets of inputs, outputs and the mutants' selects
//   PROGRAM  bytes, one per input and output bit, per cycle: 0, 1; for an output 2: not compared
//   MUTANTS  int32: numbers of mutants, from 1; 0 is the netlist without a fault
//   RESULTS  int32 per mutant: the first cycle in which an output differs, or -1

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

constexpr int LANES = 256;
typedef uint64_t Word __attribute__((vector_size(LANES / 8)));

enum Type { NOT, AND, OR, XOR, XNOR, MUX };
struct Gate { int32_t type, y, a, b, s; };
struct Register { int32_t q, d; };
struct Run { int32_t type; size_t begin, end; };

static const Word ZERO = {};
static const Word ONES = ~ZERO;

template <class T> static std::vector<T> load(const char* name) {
    std::ifstream file(name, std::ios::binary);
    if (!file) { std::fprintf(stderr, "%s cannot be read\n", name); std::exit(1); }
    std::string data((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    std::vector<T> found(data.size() / sizeof(T));
    std::memcpy(found.data(), data.data(), found.size() * sizeof(T));
    return found;
}

struct Netlist {
    int nets;
    std::vector<Register> registers;
    std::vector<Gate> gates;
    std::vector<int32_t> inputs, outputs, selects;

    explicit Netlist(const std::vector<int32_t>& data) {
        const int32_t* at = data.data();
        nets = at[0];
        int sizes[] = {at[1], at[2], at[3], at[4], at[5]};
        at += 6;
        for (int n = 0; n < sizes[0]; n++, at += 2) registers.push_back({at[0], at[1]});
        for (int n = 0; n < sizes[1]; n++, at += 5) gates.push_back({at[0], at[1], at[2], at[3], at[4]});
        for (auto [list, size] : {std::pair{&inputs, sizes[2]}, {&outputs, sizes[3]}, {&selects, sizes[4]}}) {
            list->assign(at, at + size);
            at += size;
        }
    }
};

// The part of the netlist that some of its faults need; the selects of all other faults are 0.
struct Batch {
    std::vector<Gate> gates;
    std::vector<Run> runs;
    std::vector<Register> registers;
    std::vector<int32_t> inputs, outputs;

    Batch(const Netlist& netlist, const std::vector<bool>& off) {
        std::vector<int32_t> same(netlist.nets), level(netlist.nets, 0);
        for (int n = 0; n < netlist.nets; n++) same[n] = n;
        for (Gate gate : netlist.gates) {
            if (gate.type == MUX && off[gate.s]) { same[gate.y] = same[gate.a]; continue; }
            for (int32_t* pin : {&gate.a, &gate.b, &gate.s}) *pin = same[*pin];
            level[gate.y] = 1 + std::max({level[gate.a], level[gate.b], level[gate.s]});
            gates.push_back(gate);
        }
        inputs = netlist.inputs;
        for (int32_t net : netlist.outputs) outputs.push_back(same[net]);
        for (Register r : netlist.registers) registers.push_back({r.q, same[r.d]});
        std::vector<bool> live(netlist.nets);
        for (int32_t net : outputs) live[net] = true;
        for (Register r : registers) live[r.d] = true;
        std::vector<Gate> kept;
        for (auto gate = gates.rbegin(); gate != gates.rend(); ++gate)
            if (live[gate->y]) {
                live[gate->a] = live[gate->b] = live[gate->s] = true;
                kept.push_back(*gate);
            }
        gates.swap(kept);
        auto key = [&](const Gate& gate) { return level[gate.y] * 8 + gate.type; };
        std::sort(gates.begin(), gates.end(), [&](const Gate& x, const Gate& y) { return key(x) < key(y); });
        for (size_t n = 0; n < gates.size(); n++)
            if (n == 0 || key(gates[n]) != key(gates[n - 1])) runs.push_back({gates[n].type, n, n + 1});
            else runs.back().end = n + 1;
    }

    void compute(std::vector<Word>& v) const {
        for (const Run& run : runs) {
            const Gate *gate = &gates[run.begin], *end = gate + (run.end - run.begin);
            switch (run.type) {
            case NOT: for (; gate != end; gate++) v[gate->y] = ~v[gate->a]; break;
            case AND: for (; gate != end; gate++) v[gate->y] = v[gate->a] & v[gate->b]; break;
            case OR: for (; gate != end; gate++) v[gate->y] = v[gate->a] | v[gate->b]; break;
            case XOR: for (; gate != end; gate++) v[gate->y] = v[gate->a] ^ v[gate->b]; break;
            case XNOR: for (; gate != end; gate++) v[gate->y] = ~(v[gate->a] ^ v[gate->b]); break;
            case MUX: for (; gate != end; gate++)
                v[gate->y] = v[gate->a] ^ ((v[gate->a] ^ v[gate->b]) & v[gate->s]);
            }
        }
    }
};

// The first cycle in which each lane differs from the program, or -1.
static std::vector<int32_t> play(const Netlist& netlist, const std::vector<uint8_t>& program,
                                 const int32_t* mutants, int lanes) {
    std::vector<bool> off(netlist.nets, false);
    std::vector<Word> v(netlist.nets, ZERO), next(netlist.registers.size());
    v[1] = ONES;
    for (int32_t net : netlist.selects) off[net] = true;
    Word alive = ZERO;
    for (int lane = 0; lane < lanes; lane++) {
        alive[lane / 64] |= uint64_t(1) << lane % 64;
        int32_t net = mutants[lane] ? netlist.selects[mutants[lane] - 1] : 0;
        if (net) {
            off[net] = false;
            v[net][lane / 64] |= uint64_t(1) << lane % 64;
        }
    }
    off[0] = off[1] = false;
    Batch batch(netlist, off);
    std::vector<int32_t> first(lanes, -1);
    const size_t width = batch.inputs.size() + batch.outputs.size(), cycles = program.size() / width;
    const uint8_t* row = program.data();
    for (size_t cycle = 0; cycle < cycles; cycle++, row += width) {
        for (size_t n = 0; n < batch.inputs.size(); n++) v[batch.inputs[n]] = row[n] ? ONES : ZERO;
        batch.compute(v);
        Word different = ZERO;
        const uint8_t* want = row + batch.inputs.size();
        for (size_t n = 0; n < batch.outputs.size(); n++)
            if (want[n] < 2) different |= v[batch.outputs[n]] ^ (want[n] ? ONES : ZERO);
        different &= alive;
        bool any = false, left = false;
        for (int word = 0; word < LANES / 64; word++) any |= different[word] != 0;
        if (any) {
            for (int lane = 0; lane < lanes; lane++)
                if (different[lane / 64] >> lane % 64 & 1) first[lane] = int32_t(cycle);
            alive &= ~different;
            for (int word = 0; word < LANES / 64; word++) left |= alive[word] != 0;
            if (!left) break;
        }
        for (size_t n = 0; n < batch.registers.size(); n++) next[n] = v[batch.registers[n].d];
        for (size_t n = 0; n < batch.registers.size(); n++) v[batch.registers[n].q] = next[n];
    }
    return first;
}

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const Netlist netlist(load<int32_t>(argv[1]));
    const auto program = load<uint8_t>(argv[2]);
    const auto mutants = load<int32_t>(argv[3]);
    std::ofstream results(argv[4], std::ios::binary);
    for (size_t begin = 0; begin < mutants.size(); begin += LANES) {
        const int lanes = int(std::min<size_t>(LANES, mutants.size() - begin));
        const auto first = play(netlist, program, &mutants[begin], lanes);
        results.write(reinterpret_cast<const char*>(first.data()), std::streamsize(first.size() * sizeof(int32_t)));
        std::printf("%zu\n", begin + lanes);
        std::fflush(stdout);
    }
    return results.flush() ? 0 : 1;
}
