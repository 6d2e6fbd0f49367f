// What happens to a value that is given in units of a tensor's type: it is rounded, saturated, and counted if it was.
//
// Values are doubles, which hold all of them exactly: golden/models/integer/array_arithmetic.py says why. The structs
// are those of structs.py.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace qse {

constexpr int64_t kBlock = 256;  // values held at once, so that they stay in the first cache

// A type's least and greatest number (fixed point), or position (segmented: in half fine steps, one beyond its range).
struct Type {
  double scale;           // to positions; 1 for fixed point
  double low, high;
  const int16_t* values;  // in fine steps, of each position from low to high; null: fixed point
  int64_t floors;         // whether positions are rounded down; else towards 0
  int64_t* saturated;     // counted up
};

inline double clamped(double value, const double low, const double high) {
  value = value < low ? low : value;
  return value > high ? high : value;
}

// Half up.
inline void to_fixed(const double* values, int64_t n, const Type& type, int32_t* __restrict out) {
  const double low = type.low, high = type.high;
  int64_t beyond = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double rounded = std::floor(values[i] + 0.5), kept = clamped(rounded, low, high);
    beyond += kept != rounded;
    out[i] = int32_t(kept);
  }
  *type.saturated += beyond;
}

// To the nearest code, whose value is looked up by the truncated position.
inline void to_code(double* values, int64_t n, const Type& type, int32_t* __restrict out) {
  const double scale = type.scale, low = type.low, high = type.high;
  const int32_t first = int32_t(low), last = int32_t(high);
  if (type.floors)
    for (int64_t i = 0; i < n; ++i) values[i] = std::floor(clamped(values[i] * scale, low, high));
  else
    for (int64_t i = 0; i < n; ++i) values[i] = clamped(values[i] * scale, low, high);
  int32_t beyond = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t position = int32_t(values[i]);
    beyond += (position == first) + (position == last);
    out[i] = position;
  }
  const int16_t* of_zero = type.values - first;
  for (int64_t i = 0; i < n; ++i) out[i] = of_zero[out[i]];
  *type.saturated += beyond;
}

// Up to a block of values; they are overwritten.
inline void to_type(double* values, int64_t n, const Type& type, int32_t* out) {
  type.values ? to_code(values, n, type, out) : to_fixed(values, n, type, out);
}

// out[i] = value(i) in the type, for n values.
template <class Value>
void store(int64_t n, const Type& type, int32_t* out, const Value& value) {
  double values[kBlock];
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t count = std::min(kBlock, n - start);
    for (int64_t i = 0; i < count; ++i) values[i] = value(start + i);
    to_type(values, count, type, out + start);
  }
}

}  // namespace qse
