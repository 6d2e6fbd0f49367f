// The operations of a layer but the scan, each with its parameters. Vectors are int32; the structs are those of
// structs.py, and each operation is that of the same name in golden/models/integer/array_arithmetic.py.

#pragma once

#include <cstring>
#include <vector>

#include "arithmetic.hpp"

namespace qse {

// The token, and the sequence whose state it changes.
struct Now {
  int64_t token, sequence;
};

struct Embed {
  int64_t n;
  const int8_t* weights;  // (tokens, n)
  const double* factors;  // (tokens)
  Type to;
  int32_t* out;
};

inline void embed(const Embed& p, const Now& now) {
  const int8_t* row = p.weights + now.token * p.n;
  const double factor = p.factors[now.token];
  store(p.n, p.to, p.out, [=](int64_t i) { return row[i] * factor; });
}

struct Normalize {
  int64_t groups, n;      // each group of n by itself
  const int32_t* in;
  int64_t eps, M, k;      // of the norm
  const uint16_t* roots;  // mantissas of the reciprocal square root, from 2^14 on
  Type to;
  int32_t* out;
};

inline int bits(uint64_t value) { return 64 - __builtin_clzll(value); }

// The norm's scale over the square root of v; its mantissa has 16 bits.
inline double root_scale(const Normalize& p, int64_t v) {
  const int half = -((16 - bits(v)) >> 1);  // v / 4^half has 15 or 16 bits
  const int64_t t = half >= 0 ? v >> 2 * half : v << -2 * half;
  const int64_t M = p.roots[t - (1 << 14)] * p.M;
  const int cut = bits(M) - 16;
  return std::ldexp(double(M >> cut), int(cut - (23 + half) - p.k));
}

inline void normalize(const Normalize& p, const Now&) {
  for (int64_t g = 0; g < p.groups; ++g) {
    const int32_t* in = p.in + g * p.n;
    int64_t squares = p.eps;
    for (int64_t i = 0; i < p.n; ++i) squares += int64_t(in[i]) * in[i];
    const double factor = root_scale(p, squares);
    store(p.n, p.to, p.out + g * p.n, [=](int64_t i) { return in[i] * factor; });
  }
}

constexpr int64_t kRows = 4, kColumns = 64;  // weights are padded with zeros to multiples of these

struct Product {
  int64_t rows, columns;
  const int32_t* in;      // (columns), of 16 bits
  const int8_t* weights;  // padded
  const double* factors;  // (rows)
  Type to;
  int32_t* out;
};

// Sums of four rows.
inline void sums_of(const int16_t* x, const int8_t* weights, int64_t columns, int32_t* sums) {
  const int8_t *w0 = weights, *w1 = w0 + columns, *w2 = w1 + columns, *w3 = w2 + columns;
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int64_t i = 0; i < columns; ++i) {
    s0 += x[i] * int16_t(w0[i]);
    s1 += x[i] * int16_t(w1[i]);
    s2 += x[i] * int16_t(w2[i]);
    s3 += x[i] * int16_t(w3[i]);
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

inline void product(const Product& p, const Now&) {
  const int64_t columns = (p.columns + kColumns - 1) / kColumns * kColumns;
  static thread_local std::vector<int16_t> x;
  x.assign(columns, 0);
  for (int64_t i = 0; i < p.columns; ++i) x[i] = int16_t(p.in[i]);
  int32_t sums[kBlock];
  for (int64_t start = 0; start < p.rows; start += kBlock) {
    const int64_t count = std::min(kBlock, p.rows - start);
    for (int64_t row = 0; row < count; row += kRows)
      sums_of(x.data(), p.weights + (start + row) * columns, columns, sums + row);
    const double* factors = p.factors + start;
    store(count, p.to, p.out + start, [&](int64_t i) { return sums[i] * factors[i]; });
  }
}

struct Convolve {
  int64_t channels, width;
  const int32_t* in;
  int32_t* window;                    // (sequences, width - 1, channels), the oldest first
  const int32_t *taps, *bias;         // (width, channels); (channels)
  const double* factors;              // (channels)
  Type to;
  int32_t* out;
};

inline void convolve(const Convolve& p, const Now& now) {
  const int64_t n = p.channels, last = p.width - 1;
  int32_t* window = p.window + now.sequence * last * n;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t count = std::min(kBlock, n - start);
    int32_t sums[kBlock];
    for (int64_t i = 0; i < count; ++i) sums[i] = p.bias[start + i] + p.taps[last * n + start + i] * p.in[start + i];
    for (int64_t t = 0; t < last; ++t)
      for (int64_t i = 0; i < count; ++i) sums[i] += p.taps[t * n + start + i] * window[t * n + start + i];
    const double* factors = p.factors + start;
    store(count, p.to, p.out + start, [&](int64_t i) { return sums[i] * factors[i]; });
  }
  if (last > 0) {
    std::memmove(window, window + n, (last - 1) * n * sizeof(int32_t));
    std::memcpy(window + (last - 1) * n, p.in, n * sizeof(int32_t));
  }
}

struct LookUp {
  int64_t n;
  const int32_t* in;
  const int32_t* table;  // of the inputs from `first` on
  int64_t first;
  int32_t* out;
};

inline void look_up(const LookUp& p, const Now&) {
  const int32_t* of_zero = p.table - p.first;
  for (int64_t i = 0; i < p.n; ++i) p.out[i] = of_zero[p.in[i]];
}

// Another unit, and a bias in it.
struct Convert {
  int64_t n;
  const int32_t* in;
  const double *factors, *bias;  // (n)
  Type to;
  int32_t* out;
};

inline void convert(const Convert& p, const Now&) {
  const int32_t* in = p.in;
  const double *factors = p.factors, *bias = p.bias;
  store(p.n, p.to, p.out, [=](int64_t i) { return in[i] * factors[i] + bias[i]; });
}

struct Gate {
  int64_t n;
  const int32_t *in, *gate;
  double factor;
  Type to;
  int32_t* out;
};

inline void gate(const Gate& p, const Now&) {
  const int32_t *in = p.in, *by = p.gate;
  const double factor = p.factor;
  store(p.n, p.to, p.out, [=](int64_t i) { return double(in[i]) * by[i] * factor; });
}

// Not normalized; chunks of a power of two, and a matrix of 1 and -1 across them.
struct Hadamard {
  int64_t chunks, chunk;
  const int32_t* across;  // (chunks, chunks)
  const int32_t* in;
  int32_t* out;
};

inline void hadamard(const Hadamard& p, const Now&) {
  const int64_t n = p.chunks * p.chunk;
  static thread_local std::vector<int32_t> values;
  values.assign(p.in, p.in + n);
  int32_t* v = values.data();
  for (int64_t half = 1; half < p.chunk; half *= 2)
    for (int64_t start = 0; start < n; start += 2 * half)
      for (int64_t i = start; i < start + half; ++i) {
        const int32_t low = v[i], high = v[i + half];
        v[i] = low + high, v[i + half] = low - high;
      }
  for (int64_t row = 0; row < p.chunks; ++row) {
    int32_t* out = p.out + row * p.chunk;
    std::fill(out, out + p.chunk, 0);
    for (int64_t column = 0; column < p.chunks; ++column) {
      const int32_t sign = p.across[row * p.chunks + column];
      for (int64_t i = 0; i < p.chunk; ++i) out[i] += sign * v[column * p.chunk + i];
    }
  }
}

struct Add {
  int64_t n;
  const int32_t* in;
  Type to;
  int32_t* stream;  // is added to
};

inline void add(const Add& p, const Now&) {
  int32_t* stream = p.stream;
  const int32_t* in = p.in;
  store(p.n, p.to, stream, [=](int64_t i) { return double(stream[i]) + in[i]; });
}

}  // namespace qse
