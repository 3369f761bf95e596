// Vector kernels (quantise, norms, gates, attention), written once on the lanes of a simd_*.h
// header that must be included before. See kernels_matmul.h for why everything is in an unnamed
// namespace.
#pragma once

#include <cmath>
#include <cstring>

#include "local_engine/kernels.h"

namespace jevons::engine {
namespace {

// e^x by 2^n * p(r): relative error below 2e-7 for x in [-87, 88], 0 below, clamped above.
inline Floats exponential(Floats x) {
  const Floats limited = largest(smallest(x, all(88.0F)), all(-87.0F));
  const Ints n = to_nearest(mul(limited, all(1.44269504F)));
  const Floats whole = to_floats(n);
  Floats r = fma(whole, all(-0.693359375F), limited);
  r = fma(whole, all(2.12194440e-4F), r);
  Floats p = all(1.9875691500e-4F);
  p = fma(p, r, all(1.3981999507e-3F));
  p = fma(p, r, all(8.3334519073e-3F));
  p = fma(p, r, all(4.1665795894e-2F));
  p = fma(p, r, all(1.6666665459e-1F));
  p = fma(p, r, all(5.0000001201e-1F));
  p = add(fma(mul(p, r), r, r), all(1.0F));
  return mul(p, as_floats(shift_left<23>(add_i(n, all_i(127)))));
}

// The last n < 16 values, the other lanes filled.
inline Floats load_some(const float* p, std::size_t n, float fill) {
  float lanes[16];
  for (float& lane : lanes) lane = fill;
  std::memcpy(lanes, p, n * sizeof(float));
  return load(lanes);
}

inline void store_some(float* p, std::size_t n, Floats x) {
  float lanes[16];
  store(lanes, x);
  std::memcpy(p, lanes, n * sizeof(float));
}

// out[i] = f(i-th 16 values of a and b) for n values of any count.
template <class F>
void map2(const float* a, const float* b, float* out, std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) store(out + i, f(load(a + i), load(b + i)));
  if (i < n) store_some(out + i, n - i, f(load_some(a + i, n - i, 0), load_some(b + i, n - i, 0)));
}

inline void quantize_block(const float* x, const Int8Rows& out, std::size_t block) {
  const Floats a = load(x);
  const Floats b = load(x + 16);
  const float peak = max_lanes(largest(magnitude(a), magnitude(b)));
  const float scale = peak / 127.0F;
  const Floats inverse = all(peak > 0 ? 127.0F / peak : 0.0F);
  const Ints qa = to_nearest(mul(a, inverse));
  const Ints qb = to_nearest(mul(b, inverse));
  store_low_bytes(out.q + 32 * block, qa);
  store_low_bytes(out.q + 32 * block + 16, qb);
  const std::int32_t first = sum_lanes_i(qa);
  const std::int32_t second = sum_lanes_i(qb);
  out.scale[block] = scale;
  out.scaled_sum[block] = scale * static_cast<float>(first + second);
  out.minus_sum[block] = -(first + second);
  out.half_sum[2 * block] = -first;
  out.half_sum[2 * block + 1] = -second;
}

inline void quantize(const float* x, std::size_t n, const Int8Rows& out) {
  const std::size_t whole = n / 32;
  for (std::size_t i = 0; i < whole; ++i) quantize_block(x + 32 * i, out, i);
  for (std::size_t i = whole; i < out.blocks; ++i) {
    float padded[32] = {};
    if (32 * i < n) std::memcpy(padded, x + 32 * i, (n - 32 * i) * sizeof(float));
    quantize_block(padded, out, i);
  }
}

inline void rms_norm(const float* x, const float* weight, std::size_t n, float eps, float* out) {
  Floats squares = zeros();
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Floats v = load(x + i);
    squares = fma(v, v, squares);
  }
  if (i < n) {
    const Floats v = load_some(x + i, n - i, 0);
    squares = fma(v, v, squares);
  }
  const float mean = sum_lanes(squares) / static_cast<float>(n);
  const Floats scale = all(1.0F / std::sqrt(mean + eps));
  map2(x, weight, out, n, [&](Floats v, Floats w) { return mul(mul(v, scale), w); });
}

inline Floats sigmoid(Floats x) {
  return divide(all(1.0F), add(all(1.0F), exponential(sub(zeros(), x))));
}

inline void swiglu(const GateArgs& args) {
  map2(args.gate, args.up, args.out, args.count,
       [](Floats g, Floats u) { return mul(mul(g, sigmoid(g)), u); });
}

inline void clamped_swiglu(const GateArgs& args) {
  map2(args.gate, args.up, args.out, args.count, [](Floats gate, Floats up) {
    const Floats g = smallest(gate, all(7.0F));
    const Floats u = largest(smallest(up, all(7.0F)), all(-7.0F));
    return mul(mul(g, sigmoid(mul(g, all(1.702F)))), add(u, all(1.0F)));
  });
}

inline void add_scaled(float* y, const float* x, float a, std::size_t n) {
  map2(x, y, y, n, [=](Floats from, Floats to) { return fma(from, all(a), to); });
}

inline float max_of(const float* x, std::size_t n) {
  constexpr float kLowest = -3.4e38F;
  Floats top = all(kLowest);
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) top = largest(top, load(x + i));
  if (i < n) top = largest(top, load_some(x + i, n - i, kLowest));
  return max_lanes(top);
}

inline float exp_sum(const float* x, std::size_t n, float max, float scale) {
  Floats total = zeros();
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    total = add(total, exponential(mul(sub(load(x + i), all(max)), all(scale))));
  }
  float sum = sum_lanes(total);
  for (; i < n; ++i) sum += std::exp((x[i] - max) * scale);
  return sum;
}

inline void store_halves(const float* x, std::size_t n, std::uint16_t* out) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) store_f16(out + i, load(x + i));
  if (i < n) {
    std::uint16_t lanes[16];
    store_f16(lanes, load_some(x + i, n - i, 0));
    std::memcpy(out + i, lanes, (n - i) * sizeof(std::uint16_t));
  }
}

// Scores of one block of 16 positions for `n` heads.
template <std::size_t n>
void score_block(const AttendArgs& a, std::size_t head, std::size_t block, std::size_t stride) {
  Floats sum[n];
  for (Floats& s : sum) s = zeros();
  const std::uint16_t* keys = a.keys[block];
  const float* q = a.q + head * a.padded_dim;
  for (std::size_t d = 0; d < a.padded_dim; ++d) {
    const Floats k = load_f16(keys + 16 * d);
    for (std::size_t h = 0; h < n; ++h) sum[h] = fma(k, all(q[h * a.padded_dim + d]), sum[h]);
  }
  for (std::size_t h = 0; h < n; ++h) {
    store(a.scores + (head + h) * stride + 16 * block, mul(sum[h], all(a.scale)));
  }
}

// Turns a row of scores over [begin, end) into weights that sum to one (less the sink's share).
// Positions of the first and last block outside the range get weight zero.
inline void softmax_row(const AttendArgs& a, std::size_t head, float* row) {
  const std::size_t first = a.begin / 16 * 16;
  const std::size_t last = round_up(a.end, 16);
  for (std::size_t i = first; i < a.begin; ++i) row[i] = -3.4e38F;
  for (std::size_t i = a.end; i < last; ++i) row[i] = -3.4e38F;
  float top = max_of(row + first, last - first);
  if (a.sinks != nullptr) top = a.sinks[head] > top ? a.sinks[head] : top;
  Floats total = zeros();
  for (std::size_t i = first; i < last; i += 16) {
    const Floats e = exponential(sub(load(row + i), all(top)));
    total = add(total, e);
    store(row + i, e);
  }
  for (std::size_t i = first; i < a.begin; ++i) row[i] = 0;
  for (std::size_t i = a.end; i < last; ++i) row[i] = 0;
  float sum = sum_lanes(total);
  if (a.sinks != nullptr) sum += std::exp(a.sinks[head] - top);
  const Floats scale = all(1.0F / sum);
  for (std::size_t i = first; i < last; i += 16) store(row + i, mul(load(row + i), scale));
}

// out += weights * values for 16 * n dimensions of one head.
template <std::size_t n>
void mix_values(const AttendArgs& a, const float* row, std::size_t dim, float* out) {
  Floats sum[n];
  for (Floats& s : sum) s = zeros();
  for (std::size_t i = a.begin; i < a.end; ++i) {
    const std::uint16_t* values = a.values[i / 16] + i % 16 * a.padded_dim + dim;
    const Floats weight = all(row[i]);
    for (std::size_t j = 0; j < n; ++j) sum[j] = fma(load_f16(values + 16 * j), weight, sum[j]);
  }
  for (std::size_t j = 0; j < n; ++j) store(out + dim + 16 * j, sum[j]);
}

inline void attend(const AttendArgs& a) {
  const std::size_t stride = round_up(a.end, 16);
  for (std::size_t block = a.begin / 16; block * 16 < a.end; ++block) {
    std::size_t h = 0;
    for (; h + 4 <= a.heads; h += 4) score_block<4>(a, h, block, stride);
    for (; h + 3 <= a.heads; h += 3) score_block<3>(a, h, block, stride);
    for (; h < a.heads; ++h) score_block<1>(a, h, block, stride);
  }
  for (std::size_t h = 0; h < a.heads; ++h) {
    float* row = a.scores + h * stride;
    softmax_row(a, h, row);
    std::size_t dim = 0;
    for (; dim + 64 <= a.padded_dim; dim += 64)
      mix_values<4>(a, row, dim, a.out + h * a.padded_dim);
    for (; dim < a.padded_dim; dim += 16) mix_values<1>(a, row, dim, a.out + h * a.padded_dim);
  }
}

inline Kernels make_kernels(std::string_view name, decltype(Kernels::matmul) matmul) {
  Kernels out;
  out.name = name;
  out.quantize = quantize;
  out.quantize_block = quantize_block;
  out.matmul = matmul;
  out.attend = attend;
  out.rms_norm = rms_norm;
  out.swiglu = swiglu;
  out.clamped_swiglu = clamped_swiglu;
  out.add_scaled = add_scaled;
  out.exp_sum = exp_sum;
  out.max_of = max_of;
  out.store_f16 = store_halves;
  return out;
}

}  // namespace
}  // namespace jevons::engine
