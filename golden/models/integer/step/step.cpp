// One token through an integer model: a list of operations, which program.py makes. Built and called by library.py.

#include "scan.hpp"

namespace {

struct Call {
  void (*operation)(const void*, const qse::Now*);
  const void* parameters;
};

}  // namespace

#define QSE_OPERATION(name, Parameters)                                             \
  void qse_##name(const void* parameters, const qse::Now* now) {                    \
    qse::name(*static_cast<const qse::Parameters*>(parameters), *now);              \
  }                                                                                 \
  int64_t qse_size_of_##name() { return sizeof(qse::Parameters); }

extern "C" {

QSE_OPERATION(embed, Embed)
QSE_OPERATION(normalize, Normalize)
QSE_OPERATION(product, Product)
QSE_OPERATION(convolve, Convolve)
QSE_OPERATION(look_up, LookUp)
QSE_OPERATION(convert, Convert)
QSE_OPERATION(gate, Gate)
QSE_OPERATION(hadamard, Hadamard)
QSE_OPERATION(add, Add)
QSE_OPERATION(scan, Scan)

void qse_step(const Call* calls, int64_t count, int64_t token, int64_t sequence) {
  const qse::Now now{token, sequence};
  for (int64_t i = 0; i < count; ++i) calls[i].operation(calls[i].parameters, &now);
}

// out[i] = 2^-v[i].
void qse_exp2(const qse::Exp2* unit, const int32_t* v, int64_t n, int32_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = qse::exp2(*unit, v[i]);
}
}
