// One time step of a selective scan: h = a h + (delta x) B, y = C h + D x. The structs are those of structs.py.
//
// The state lies with its channels next to each other, so that all loops run over channels.

#pragma once

#include <vector>

#include "operations.hpp"

namespace qse {

// 2^-v for v >= 0 with 16 fraction bits; 15 fraction bits out.
struct Exp2 {
  int64_t last;           // the largest v that counts
  int64_t cell_bits;      // log2 of the arguments that share a line
  const int64_t* lines;   // of each cell its first value, and in the high half its slope: one access is faster than two
  int64_t shift;          // of an argument below 1
};

inline int32_t exp2(const Exp2& p, int32_t v) {
  constexpr int32_t kOne = 1 << 15;
  v = -std::min(v, int32_t(p.last));
  const int32_t argument = v & 0xffff, cell = argument >> p.cell_bits;
  const int64_t line = p.lines[cell];
  const int32_t total = int32_t(line) + int32_t(line >> 32) * (argument & ((1 << p.cell_bits) - 1));
  const int32_t before = std::min(int32_t(p.shift) - 1 - (v >> 16), 31);
  return std::min(((total >> before) + 1) >> 1, kOne);
}

// Random numbers: a 32-bit LFSR that leaps, see golden/models/integer/lfsr.py.
struct Random {
  uint32_t* words;        // (sequences); null: rounding to nearest
  const uint32_t* leap;   // (4, 256)
};

// Segments of the state's format; without any, it is fixed point.
struct Segments {
  int64_t count;
  const double *starts, *steps;  // in fine steps
  int64_t offset;         // whether the axis begins at the zero point, not at 0
  double zero_point;
};

struct Scan {
  int64_t channels, states, groups;  // B and C are shared by the channels of a group,
  int64_t per_delta, by_state;       // delta by so many channels; does every state decay at its own rate?
  const int32_t *x, *delta, *B, *C;  // (channels), (channels / per_delta), (groups, states), (groups, states)
  const double* rates;               // (states, channels), or (channels) if equal for all states
  const double *inflow, *places;     // (channels): delta x to its type, and from there to the state's unit
  const double *D, *output;          // (channels): x's weight, and from sums to the output's type
  int32_t* h;                        // (sequences, states, channels)
  Exp2 exp2;
  Random random;
  Segments segments;
  Type to_inflow, to_state, to;
  int32_t* out;
};

// Buffers of one step.
struct Work {
  std::vector<double> delta, flow, decay, total, now, random;
  std::vector<int32_t> inflow;

  void resize(const Scan& p) {
    for (auto* buffer : {&delta, &flow, &decay, &total, &now}) buffer->resize(p.channels);
    random.resize(p.random.words ? p.states * p.channels : 0);
    inflow.resize(p.channels);
  }
};

// Fractions from 0 to below 1, (states, channels); a channel's states are drawn one after the other.
inline void draw(const Scan& p, uint32_t& word, double* out) {
  const uint32_t* leap = p.random.leap;
  for (int64_t c = 0; c < p.channels; ++c)
    for (int64_t s = 0; s < p.states; ++s) {
      out[s * p.channels + c] = (word & 0x7fff) * 0x1p-15;
      word = leap[word & 255] ^ leap[256 + (word >> 8 & 255)] ^ leap[512 + (word >> 16 & 255)] ^ leap[768 + (word >> 24)];
    }
}

// Rounded to a value of a segmented format, up with a probability equal to the fraction of the gap.
inline double dithered(const Segments& p, double now, double random) {
  const double position = p.offset ? std::max(now + p.zero_point, 0.0) : std::fabs(now);
  int64_t number = p.count - 1;
  while (number > 0 && p.starts[number] > position) --number;
  const double first = p.starts[number], step = p.steps[number];
  const double rounded = first + std::floor((position - first) / step + random) * step;
  return p.offset ? rounded - p.zero_point : std::copysign(rounded, now);
}

inline void dither(const Segments& segments, const double* random, int64_t n, double* now) {
  if (segments.count)
    for (int64_t i = 0; i < n; ++i) now[i] = dithered(segments, now[i], random[i]);
  else
    for (int64_t i = 0; i < n; ++i) now[i] += random[i] - 0.5;
}

inline void begin(const Scan& p, Work& work) {
  const int64_t n = p.channels, per = p.per_delta;
  double *delta = work.delta.data(), *flow = work.flow.data(), *total = work.total.data();
  for (int64_t c = 0; c < n; ++c) delta[c] = p.delta[per == 1 ? c : c / per];
  store(n, p.to_inflow, work.inflow.data(), [&](int64_t c) { return delta[c] * p.x[c] * p.inflow[c]; });
  for (int64_t c = 0; c < n; ++c) flow[c] = work.inflow[c] * p.places[c], total[c] = p.D[c] * p.x[c];
}

inline void decays(const Scan& p, const double* rates, Work& work) {
  const double last = double(p.exp2.last), *delta = work.delta.data();
  double* decay = work.decay.data();
  const Exp2 unit = p.exp2;
  for (int64_t c = 0; c < p.channels; ++c)
    decay[c] = exp2(unit, int32_t(clamped(std::floor(delta[c] * rates[c] + 0.5), 0.0, last))) * 0x1p-15;
}

// One state of the channels of a group.
inline void advance(const Scan& p, int64_t s, int64_t g, int32_t* h, Work& work) {
  const int64_t width = p.channels / p.groups, start = g * width;
  const double B = p.B[g * p.states + s], C = p.C[g * p.states + s];
  const double *decay = work.decay.data() + start, *flow = work.flow.data() + start;
  double *now = work.now.data(), *total = work.total.data() + start;
  for (int64_t c = 0; c < width; ++c) now[c] = decay[c] * h[c] + flow[c] * B;
  if (p.random.words) dither(p.segments, work.random.data() + s * p.channels + start, width, now);
  to_type(now, width, p.to_state, h);
  for (int64_t c = 0; c < width; ++c) total[c] += C * h[c];
}

inline void scan(const Scan& p, const Now& now) {
  static thread_local Work work;
  work.resize(p);
  begin(p, work);
  if (p.random.words) draw(p, p.random.words[now.sequence], work.random.data());
  int32_t* h = p.h + now.sequence * p.states * p.channels;
  for (int64_t s = 0; s < p.states; ++s) {
    if (p.by_state || s == 0) decays(p, p.rates + (p.by_state ? s * p.channels : 0), work);
    for (int64_t g = 0; g < p.groups; ++g) advance(p, s, g, h + s * p.channels + g * (p.channels / p.groups), work);
  }
  const double* total = work.total.data();
  store(p.channels, p.to, p.out, [&](int64_t c) { return total[c] * p.output[c]; });
}

}  // namespace qse
