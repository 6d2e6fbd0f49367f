// The quantizer's loops on a CPU: one pass over memory, any number of threads. Built and called by cpu_kernels.py.
//
// The product of a float32 (or narrower) and the factor is exact in double. A float64 product is not: fma gives its
// rounding error, whose sign tells on which side of an integer the exact product lies; at 0 the sign of x tells.

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

constexpr int64_t kBlock = 1024;              // rows held at once: they stay in the first cache
constexpr int64_t kAlone = int64_t(1) << 17;  // fewer values than this do not justify another thread

constexpr int64_t kStep = 16;                 // values for which a cache line is fetched ahead

// While an object lives, subnormal numbers are computed as in IEEE 754, also in threads started meanwhile: the caller may
// have set the processor to treat them as 0 (torch.set_flush_denormal).
class Ieee {
 public:
  Ieee() { std::fegetenv(&before_); std::fesetenv(FE_DFL_ENV); }
  ~Ieee() { std::fesetenv(&before_); }
  Ieee(const Ieee&) = delete;
  Ieee& operator=(const Ieee&) = delete;

 private:
  std::fenv_t before_;
};

struct Bfloat16 { uint16_t bits; };
struct Half { uint16_t bits; };

inline double wide(float x) { return x; }
inline double wide(double x) { return x; }
inline double wide(int8_t x) { return x; }
inline double wide(int16_t x) { return x; }
inline double wide(int32_t x) { return x; }

inline float as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline double wide(Bfloat16 x) { return as_float(uint32_t(x.bits) << 16); }

inline double wide(Half x) {
  const uint32_t exponent = x.bits & 0x7c00, fraction = x.bits & 0x3ff;
  const float normal = as_float(exponent == 0x7c00 ? 0x7f800000 | fraction << 13 : ((x.bits & 0x7fffu) << 13) + 0x38000000);
  const float subnormal = float(int32_t(fraction)) * 0x1p-24f;
  const float value = exponent ? normal : subnormal;
  return x.bits & 0x8000 ? -value : value;
}

struct Position {
  double factor, low, high;
  double nan;  // the position that NaN is given: 0, or high + 1, whose row is the one after the last
  int64_t first;
};

// Table rows of n values, as golden/quantize/array.py computes them: signed formats truncate positions towards 0, others round
// down; sticky ones also tell whether anything was cut off.
template <class In, bool kSigned, bool kSticky>
void rows(const void* values, int64_t n, const Position& p, int32_t* out) {
  const In* x = static_cast<const In*>(values);
  const double nan = p.nan;  // a conditional load in the loop would prevent its vectorization
  for (int64_t i = 0; i < n; ++i) {
    const double a = wide(x[i]);
    const double product = a * p.factor;
    double v = product < p.low ? p.low : product;  // NaN passes
    v = v > p.high ? p.high : v;
    v = v == v ? v : nan;
    double t = !kSigned ? std::floor(v) : kSticky || std::is_same_v<In, double> ? std::trunc(v) : v;
    double cut = v - t;
    if constexpr (std::is_same_v<In, double>) {
      if (v == t && v == product) {
        cut = v == 0 ? a : std::fma(a, p.factor, -v);
        const double back = cut < 0 && (!kSigned || v > 0) ? 1.0 : cut > 0 && kSigned && v < 0 ? -1.0 : 0.0;
        t -= back;
        if (back != 0) cut = -cut;  // seen from there
      }
    }
    int32_t row = int32_t(t);
    if (kSticky) row = 2 * row + (cut > 0) - (cut < 0);
    out[i] = row - int32_t(p.first);
  }
}

using Rows = void (*)(const void*, int64_t, const Position&, int32_t*);

template <class In>
Rows variant(int kind) {
  constexpr Rows kinds[] = {rows<In, false, false>, rows<In, true, false>, rows<In, false, true>, rows<In, true, true>};
  return kinds[kind];
}

struct Input {
  Rows rows;
  int64_t size;
};

Input input(int type, int kind) {
  switch (type) {
    case 0: return {variant<float>(kind), 4};
    case 1: return {variant<Bfloat16>(kind), 2};
    case 2: return {variant<Half>(kind), 2};
    case 3: return {variant<double>(kind), 8};
    case 4: return {variant<int8_t>(kind), 1};
    case 5: return {variant<int16_t>(kind), 2};
    default: return {variant<int32_t>(kind), 4};
  }
}

// work(begin, end) over 0..n, begin a multiple of a block.
template <class Work>
void spread(int64_t n, int64_t threads, const Work& work) {
  const int64_t share = std::max((n + threads - 1) / threads, kAlone);
  const int64_t step = (share + kBlock - 1) / kBlock * kBlock;
  std::vector<std::thread> others;
  for (int64_t begin = step; begin < n; begin += step)
    others.emplace_back([&work, begin, end = std::min(n, begin + step)] { work(begin, end); });
  work(0, std::min(n, step));
  for (auto& other : others) other.join();
}

template <class Out>
void look_up(const char* x, int64_t n, Input in, const Position& p, const void* table, void* out, int64_t threads) {
  spread(n, threads, [=, &p](int64_t begin, int64_t end) {
    int32_t found[kBlock];
    for (; begin < end; begin += kBlock) {
      const int64_t count = std::min(kBlock, end - begin);
      in.rows(x + begin * in.size, count, p, found);
      const Out* from = static_cast<const Out*>(table);
      Out* to = static_cast<Out*>(out) + begin;
      const char* next = x + (begin + kBlock) * in.size;  // prefetched; beyond the end this has no effect
      for (int64_t i = 0; i < count; i += kStep, next += kStep * in.size) {
        __builtin_prefetch(next);
        if (in.size == 8) __builtin_prefetch(next + 64);
        for (int64_t j = i; j < std::min(count, i + kStep); ++j) to[j] = from[found[j]];
      }
    }
  });
}

// The tables have a row for every bit pattern of a code.
template <class Code, class Out>
int64_t decode(const void* codes, int64_t n, const void* table, const uint8_t* assigned, void* out, int64_t threads) {
  std::atomic<int64_t> bad{n};
  spread(n, threads, [=, &bad](int64_t begin, int64_t end) {
    const Code* from = static_cast<const Code*>(codes);
    const Out* values = static_cast<const Out*>(table);
    Out* to = static_cast<Out*>(out);
    uint8_t fine = 1;
    for (int64_t i = begin; i < end; ++i) {
      to[i] = values[from[i]];
      fine &= assigned[from[i]];
    }
    if (fine) return;
    const int64_t place = std::find_if(from + begin, from + end, [=](Code code) { return !assigned[code]; }) - from;
    for (int64_t known = bad; place < known && !bad.compare_exchange_weak(known, place);) {}
  });
  return bad;
}

template <class Code>
void count(const void* codes, int64_t n, int64_t* counts, int64_t threads) {
  constexpr int64_t kCodes = int64_t(1) << 8 * sizeof(Code);
  std::mutex one_at_a_time;
  spread(n, threads, [=, &one_at_a_time](int64_t begin, int64_t end) {
    const Code* from = static_cast<const Code*>(codes);
    std::vector<int64_t> mine(kCodes);
    for (int64_t i = begin; i < end; ++i) ++mine[from[i]];
    const std::lock_guard<std::mutex> lock(one_at_a_time);
    for (int64_t code = 0; code < kCodes; ++code) counts[code] += mine[code];
  });
}

}  // namespace

extern "C" {

// out[i] = table[row of x[i]]; entries of `size` bytes.
void qse_look_up(const void* x, int64_t n, int type, int kind, double factor, double low, double high, double nan,
                 int64_t first, const void* table, int size, void* out, int64_t threads) {
  const Ieee arithmetic;
  const Position p{factor, low, high, nan, first};
  const auto loop = size == 1 ? look_up<uint8_t> : size == 2 ? look_up<uint16_t> : size == 4 ? look_up<uint32_t> : look_up<uint64_t>;
  loop(static_cast<const char*>(x), n, input(type, kind), p, table, out, threads);
}

// out[i] = table[codes[i]]; the first i whose code is not assigned, or n.
int64_t qse_decode(const void* codes, int code_size, int64_t n, const void* table, const uint8_t* assigned, int size,
                   void* out, int64_t threads) {
  const auto loop =
      code_size == 1 ? size == 2   ? decode<uint8_t, uint16_t>
                       : size == 4 ? decode<uint8_t, uint32_t>
                                   : decode<uint8_t, uint64_t>
      : size == 2    ? decode<uint16_t, uint16_t>
      : size == 4    ? decode<uint16_t, uint32_t>
                     : decode<uint16_t, uint64_t>;
  return loop(codes, n, table, assigned, out, threads);
}

// Adds to counts[code], over n codes.
void qse_count(const void* codes, int code_size, int64_t n, int64_t* counts, int64_t threads) {
  const auto loop = code_size == 1 ? count<uint8_t> : count<uint16_t>;
  loop(codes, n, counts, threads);
}

// sums[row][o] = sum over i of x[row][i] weight[o][i], modulo 2^32.
void qse_linear(const int16_t* x, int64_t count, const int8_t* weight, int64_t inputs, int64_t outputs, int32_t* sums,
                int64_t threads) {
  const int64_t each = std::max<int64_t>(inputs, 1);
  const int64_t share = std::max((outputs + threads - 1) / threads, std::max<int64_t>(kAlone / (each * std::max<int64_t>(count, 1)), 1));
  std::vector<std::thread> others;
  const auto work = [=](int64_t begin, int64_t end) {
    for (int64_t row = 0; row < count; ++row)
      for (int64_t o = begin; o < end; ++o) {
        int32_t sum = 0;
        const int16_t* from = x + row * inputs;
        const int8_t* by = weight + o * inputs;
        for (int64_t i = 0; i < inputs; ++i) sum += int32_t(from[i]) * by[i];
        sums[row * outputs + o] = sum;
      }
  };
  for (int64_t begin = share; begin < outputs; begin += share)
    others.emplace_back([&work, begin, end = std::min(outputs, begin + share)] { work(begin, end); });
  work(0, std::min(outputs, share));
  for (auto& other : others) other.join();
}
}
