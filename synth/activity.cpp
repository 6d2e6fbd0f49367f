// Counts toggles of nets: a net is a word with a bit per stream; each stream simulates its own part of the beats.
//
// A cycle: set inputs; evaluate gates in order until nothing changes (once if the order is topological); count; clock.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

constexpr int LANES = 256, PARTS = LANES / 64;
typedef uint64_t Word __attribute__((vector_size(LANES / 8)));

enum Type { BUF, NOT, AND, NAND, OR, NOR, XOR, XNOR, ANDNOT, ORNOT, MUX };
struct Gate { int32_t type, y, a, b, s; };
struct Register { int32_t q, d; };

static Word apply(const Gate& gate, const std::vector<Word>& v) {
    const Word a = v[gate.a], b = v[gate.b];
    switch (gate.type) {
    case BUF: return a;
    case NOT: return ~a;
    case AND: return a & b;
    case NAND: return ~(a & b);
    case OR: return a | b;
    case NOR: return ~(a | b);
    case XOR: return a ^ b;
    case XNOR: return ~(a ^ b);
    case ANDNOT: return a & ~b;
    case ORNOT: return a | ~b;
    default: return a ^ ((a ^ b) & v[gate.s]);
    }
}

// Bit i of rows[j] becomes bit j of rows[i]. (Hacker's Delight, 7-3)
static void transpose(uint64_t rows[64]) {
    uint64_t mask = 0x00000000ffffffff;
    for (int j = 32; j; j >>= 1, mask ^= mask << j)
        for (int k = 0; k < 64; k = ((k | j) + 1) & ~j) {
            const uint64_t swap = ((rows[k] >> j) ^ rows[k | j]) & mask;
            rows[k | j] ^= swap;
            rows[k] ^= swap << j;
        }
}

// beats: `streams` parts of `length` beats of `chunks` words of 64 bits, input bit n in bit n % 64 of word n / 64. Each
// part follows `reset` cycles with `ones_in_reset` at 1 and `warm` beats of the part before, which are not counted.
// counts: toggles per net; glitches: the same, including those before nets settle; 0 unless `steps`, the limit of
// evaluations per cycle, is more than 1.
// Returns the number of cycles that did not settle within `steps`.
extern "C" __attribute__((visibility("default"))) long activity(
    long nets, const Gate* gates, long gate_count, const Register* registers, long register_count,
    const int32_t* inputs, long input_count, const int32_t* ones, long one_count,
    const int32_t* ones_in_reset, long one_in_reset_count,
    const uint64_t* beats, long chunks, long streams, long length, long warm, long reset, long steps,
    int64_t* counts) {
    std::vector<Word> v(nets, Word{}), next(register_count), before;
    const Word zero = {};
    Word alive = {};
    for (long stream = 0; stream < streams; stream++) alive[stream / 64] |= uint64_t(1) << stream % 64;
    v[1] = ~zero;
    for (long n = 0; n < one_count; n++) v[ones[n]] = ~zero;
    long unsettled = 0;
    auto add = [&](int64_t& count, Word changed) {
        changed &= alive;
        for (int part = 0; part < PARTS; part++) count += __builtin_popcountll(changed[part]);
    };
    for (long cycle = -reset - warm; cycle < length; cycle++) {
        before = v;  // of the previous cycle, which has settled
        const bool counted = cycle >= 0;
        for (long n = 0; n < one_in_reset_count; n++) v[ones_in_reset[n]] = cycle < -warm ? ~zero : zero;
        for (long chunk = 0; chunk < chunks; chunk++)
            for (int part = 0; part < PARTS; part++) {
                uint64_t rows[64] = {};
                for (long stream = part * 64; stream < streams && stream < (part + 1) * 64; stream++) {
                    const long at = (stream * length + cycle) % (streams * length);
                    rows[stream % 64] = beats[(at < 0 ? at + streams * length : at) * chunks + chunk];
                }
                transpose(rows);
                for (long n = chunk * 64; n < input_count && n < (chunk + 1) * 64; n++)
                    v[inputs[n]][part] = rows[n % 64];
            }
        for (long n = 0; n < register_count; n++) v[registers[n].q] = next[n];
        if (steps == 1) {
            for (long n = 0; n < gate_count; n++) v[gates[n].y] = apply(gates[n], v);
            if (counted) for (long n = 0; n < nets; n++) add(counts[n], v[n] ^ before[n]);
        } else {
            if (counted) for (long n = 0; n < nets; n++) add(counts[n], v[n] ^ before[n]);
            bool changing = true;
            for (long step = 0; changing && step < steps; step++) {
                changing = false;
                for (long n = 0; n < gate_count; n++) {
                    const Word now = apply(gates[n], v), changed = now ^ v[gates[n].y];
                    if ((changed[0] | changed[1] | changed[2] | changed[3]) == 0) continue;
                    if (counted) add(counts[gates[n].y], changed);
                    v[gates[n].y] = now;
                    changing = true;
                }
            }
            unsettled += changing;
        }
        for (long n = 0; n < register_count; n++) next[n] = v[registers[n].d];
    }
    return unsettled;
}
