// The two memory-bound parts of a Mamba block for training on a CPU, forward and backward.
//
// Everything is vectorized over 16 neighboring channels (one 64-byte cache line), so that the sum over the
// state stays inside a lane. Threads share out the batch. Tensors are float32 (batch, length, channels), rows may be
// strided; the caller (scan.py) checks shapes.
#include <torch/extension.h>

#include <cstring>
#include <vector>

namespace {

constexpr int64_t LANES = 16;
constexpr int64_t STATE = 16;
constexpr int64_t CHUNK = 16;  // time steps between two saved states; the backward pass recomputes inside a chunk

typedef float V __attribute__((vector_size(64)));
typedef int32_t I __attribute__((vector_size(64)));

inline V load(const float* p) { V v; std::memcpy(&v, p, sizeof v); return v; }
inline void store(float* p, V v) { std::memcpy(p, &v, sizeof v); }
inline V all(float s) { return V{} + s; }
inline float sum(V v) { float s = 0; for (int i = 0; i < LANES; i++) s += v[i]; return s; }

// 2**x to about 2 ulp for x in [-126, 126]; smaller x gives about 1e-38. Adding 1.5 * 2**23 rounds to an integer.
inline V exp2v(V x) {
  x = x < -126.0f ? all(-126.0f) : x;
  x = x > 126.0f ? all(126.0f) : x;
  const V magic = all(12582912.0f);
  V r = x + magic;
  I n = (I)r - 0x4B400000;
  V f = x - (r - magic);
  V p = all(1.535336188319500e-4f);
  p = p * f + 1.339887440266574e-3f;
  p = p * f + 9.618437357674640e-3f;
  p = p * f + 5.550332471162809e-2f;
  p = p * f + 2.402264791363012e-1f;
  p = p * f + 6.931472028550421e-1f;
  p = p * f + 1.0f;
  return (V)((I)p + (n << 23));
}

constexpr float LOG2E = 1.44269504088896341f;
inline V expv(V x) { return exp2v(x * LOG2E); }
inline V sigmoid(V x) { return 1.0f / (1.0f + expv(-x)); }

// log(1 + e**x) by lanes: max(x, 0) + log1p(e**-|x|); libm's log1pf, because there are 16 times fewer of these than exps.
inline V softplus(V x) {
  V negative = x < 0.0f ? x : -x;
  V e = expv(negative);
  V r;
  for (int i = 0; i < LANES; i++) r[i] = log1pf(e[i]);
  return (x < 0.0f ? V{} : x) + r;
}

struct Rows {  // float32 (batch, length, channels) whose last axis is contiguous
  float* p; int64_t batch, row;
  explicit Rows(const torch::Tensor& t) : p(t.data_ptr<float>()), batch(t.stride(0)), row(t.stride(1)) {}
  float* at(int64_t b, int64_t t) const { return p + b * batch + t * row; }
};

}  // namespace

// y = silu(bias + sum_k weight[k] * x[t - (width - 1) + k]); weight is (width, channels).
torch::Tensor conv_forward(torch::Tensor x, torch::Tensor weight, torch::Tensor bias) {
  const int64_t B = x.size(0), L = x.size(1), D = x.size(2), K = weight.size(0);
  auto y = torch::empty({B, L, D}, x.options());
  const Rows xr(x), yr(y);
  const float *w = weight.data_ptr<float>(), *c = bias.data_ptr<float>();
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++)
    for (int64_t t = 0; t < L; t++)
      for (int64_t d = 0; d < D; d += LANES) {
        V s = load(c + d);
        for (int64_t k = std::max<int64_t>(0, K - 1 - t); k < K; k++)
          s += load(w + k * D + d) * load(xr.at(b, t - (K - 1) + k) + d);
        store(yr.at(b, t) + d, s * sigmoid(s));
      }
  return y;
}

std::vector<torch::Tensor> conv_backward(torch::Tensor dy, torch::Tensor x, torch::Tensor weight, torch::Tensor bias) {
  const int64_t B = x.size(0), L = x.size(1), D = x.size(2), K = weight.size(0);
  auto dx = torch::zeros({B, L, D}, x.options());
  auto dw = torch::zeros({B, K, D}, x.options()), dc = torch::zeros({B, D}, x.options());
  const Rows xr(x), gr(dy), dxr(dx), dwr(dw);
  const float *w = weight.data_ptr<float>(), *c = bias.data_ptr<float>();
  float* dcp = dc.data_ptr<float>();
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++)
    for (int64_t t = 0; t < L; t++)
      for (int64_t d = 0; d < D; d += LANES) {
        const int64_t first = std::max<int64_t>(0, K - 1 - t);
        V s = load(c + d);
        for (int64_t k = first; k < K; k++) s += load(w + k * D + d) * load(xr.at(b, t - (K - 1) + k) + d);
        const V sig = sigmoid(s);
        const V g = load(gr.at(b, t) + d) * sig * (1.0f + s * (1.0f - sig));
        store(dcp + b * D + d, load(dcp + b * D + d) + g);
        for (int64_t k = first; k < K; k++) {
          float* dxp = dxr.at(b, t - (K - 1) + k) + d;
          store(dxp, load(dxp) + g * load(w + k * D + d));
          float* dwp = dwr.at(b, k) + d;
          store(dwp, load(dwp) + g * load(xr.at(b, t - (K - 1) + k) + d));
        }
      }
  return {dx, dw.sum(0), dc.sum(0)};
}

// delta = softplus(dt + bias); h = exp(delta A) h + delta x B; y = (C h + D x) silu(z).
// A is (state, channels); Bm and Cm are (batch, length, state). Returns y and the state before each chunk,
// (batch, chunks, state, channels).
std::vector<torch::Tensor> scan_forward(torch::Tensor x, torch::Tensor dt, torch::Tensor A, torch::Tensor Bm, torch::Tensor Cm,
                                        torch::Tensor skip, torch::Tensor z, torch::Tensor bias) {
  const int64_t B = x.size(0), L = x.size(1), D = x.size(2), chunks = (L + CHUNK - 1) / CHUNK;
  auto y = torch::empty({B, L, D}, x.options());
  auto saved = torch::empty({B, chunks, STATE, D}, x.options());
  const Rows xr(x), dtr(dt), br(Bm), cr(Cm), zr(z), yr(y);
  const float *ap = A.data_ptr<float>(), *sp = skip.data_ptr<float>(), *biasp = bias.data_ptr<float>();
  float* hp = saved.data_ptr<float>();
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    std::vector<float> state(STATE * D, 0.0f);
    for (int64_t q = 0; q < chunks; q++) {
      const int64_t t0 = q * CHUNK, T = std::min(CHUNK, L - t0);
      std::memcpy(hp + (b * chunks + q) * STATE * D, state.data(), STATE * D * sizeof(float));
      for (int64_t d = 0; d < D; d += LANES) {
        V delta[CHUNK], u[CHUNK], acc[CHUNK];
        for (int64_t t = 0; t < T; t++) {
          const V xv = load(xr.at(b, t0 + t) + d);
          delta[t] = softplus(load(dtr.at(b, t0 + t) + d) + load(biasp + d));
          u[t] = delta[t] * xv;
          acc[t] = xv * load(sp + d);
        }
        for (int64_t n = 0; n < STATE; n++) {
          const V a = load(ap + n * D + d) * LOG2E;
          V h = load(&state[n * D + d]);
          for (int64_t t = 0; t < T; t++) {
            h = exp2v(delta[t] * a) * h + u[t] * br.at(b, t0 + t)[n];
            acc[t] += h * cr.at(b, t0 + t)[n];
          }
          store(&state[n * D + d], h);
        }
        for (int64_t t = 0; t < T; t++) {
          const V zv = load(zr.at(b, t0 + t) + d);
          store(yr.at(b, t0 + t) + d, acc[t] * zv * sigmoid(zv));
        }
      }
    }
  }
  return {y, saved};
}

// Gradients of x, dt, A, B, C, skip, z (that of bias is dt's, summed over batch and length).
std::vector<torch::Tensor> scan_backward(torch::Tensor dy, torch::Tensor saved, torch::Tensor x, torch::Tensor dt, torch::Tensor A,
                                         torch::Tensor Bm, torch::Tensor Cm, torch::Tensor skip, torch::Tensor z,
                                         torch::Tensor bias) {
  const int64_t B = x.size(0), L = x.size(1), D = x.size(2), chunks = saved.size(1);
  auto empty = [&] { return torch::empty({B, L, D}, x.options()); };
  auto dx = empty(), ddt = empty(), dz = empty();
  auto dA = torch::zeros({B, STATE, D}, x.options()), dskip = torch::zeros({B, 1, D}, x.options());
  auto dB = torch::empty({B, L, STATE}, x.options()), dC = torch::empty({B, L, STATE}, x.options());
  const Rows gr(dy), xr(x), dtr(dt), br(Bm), cr(Cm), zr(z), dxr(dx), ddtr(ddt), dzr(dz), dar(dA), dsr(dskip), dbr(dB), dcr(dC);
  const float *ap = A.data_ptr<float>(), *sp = skip.data_ptr<float>(), *biasp = bias.data_ptr<float>();
  const float* hp = saved.data_ptr<float>();
#pragma omp parallel for
  for (int64_t b = 0; b < B; b++) {
    std::vector<float> carry(STATE * D, 0.0f);  // d loss / d state, flowing back in time
    std::vector<V> sumB(CHUNK * STATE), sumC(CHUNK * STATE);  // still one partial sum per lane
    for (int64_t q = chunks - 1; q >= 0; q--) {
      const int64_t t0 = q * CHUNK, T = std::min(CHUNK, L - t0);
      std::fill(sumB.begin(), sumB.end(), V{});
      std::fill(sumC.begin(), sumC.end(), V{});
      for (int64_t d = 0; d < D; d += LANES) {
        V xs[CHUNK], pre[CHUNK], delta[CHUNK], u[CHUNK], grad[CHUNK], acc[CHUNK], viaB[CHUNK], viaA[CHUNK];
        const V skipv = load(sp + d);
        V dskipv = load(dsr.at(b, 0) + d);
        for (int64_t t = 0; t < T; t++) {
          xs[t] = load(xr.at(b, t0 + t) + d);
          pre[t] = load(dtr.at(b, t0 + t) + d) + load(biasp + d);
          delta[t] = softplus(pre[t]);
          u[t] = delta[t] * xs[t];
          const V zv = load(zr.at(b, t0 + t) + d);
          grad[t] = load(gr.at(b, t0 + t) + d) * zv * sigmoid(zv);
          acc[t] = xs[t] * skipv;
          dskipv += grad[t] * xs[t];
          viaA[t] = viaB[t] = V{};
        }
        store(dsr.at(b, 0) + d, dskipv);
        for (int64_t n = 0; n < STATE; n++) {
          const V a = load(ap + n * D + d);
          V before[CHUNK], decay[CHUNK];
          V h = load(hp + ((b * chunks + q) * STATE + n) * D + d);
          for (int64_t t = 0; t < T; t++) {
            before[t] = h;
            decay[t] = exp2v(delta[t] * (a * LOG2E));
            h = decay[t] * h + u[t] * br.at(b, t0 + t)[n];
            acc[t] += h * cr.at(b, t0 + t)[n];
            sumC[t * STATE + n] += grad[t] * h;
          }
          V dh = load(&carry[n * D + d]), da = load(dar.at(b, n) + d);
          for (int64_t t = T - 1; t >= 0; t--) {
            dh += grad[t] * cr.at(b, t0 + t)[n];
            sumB[t * STATE + n] += dh * u[t];
            viaB[t] += dh * br.at(b, t0 + t)[n];
            dh *= decay[t];
            const V past = dh * before[t];
            viaA[t] += past * a;
            da += past * delta[t];
          }
          store(&carry[n * D + d], dh);
          store(dar.at(b, n) + d, da);
        }
        for (int64_t t = 0; t < T; t++) {
          const V zv = load(zr.at(b, t0 + t) + d), sig = sigmoid(zv);
          store(dzr.at(b, t0 + t) + d, load(gr.at(b, t0 + t) + d) * acc[t] * sig * (1.0f + zv * (1.0f - sig)));
          store(dxr.at(b, t0 + t) + d, grad[t] * skipv + delta[t] * viaB[t]);
          store(ddtr.at(b, t0 + t) + d, (xs[t] * viaB[t] + viaA[t]) * sigmoid(pre[t]));
        }
      }
      for (int64_t t = 0; t < T; t++)
        for (int64_t n = 0; n < STATE; n++) {
          dbr.at(b, t0 + t)[n] = sum(sumB[t * STATE + n]);
          dcr.at(b, t0 + t)[n] = sum(sumC[t * STATE + n]);
        }
    }
  }
  return {dx, ddt, dA.sum(0), dB, dC, dskip.sum({0, 1}), dz};
}

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
  m.def("conv_forward", &conv_forward);
  m.def("conv_backward", &conv_backward);
  m.def("scan_forward", &scan_forward);
  m.def("scan_backward", &scan_backward);
}
