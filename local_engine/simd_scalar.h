// 16 lanes of f32 or int32 as plain arrays: the reference, and the engine of other processors.
// Included only by kernels_scalar.cpp.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "local_engine/quant.h"

namespace jevons::engine {
namespace {

template <class T>
struct Lanes {
  T v[16];
};
using Floats = Lanes<float>;
using Ints = Lanes<std::uint32_t>;
inline constexpr std::size_t kMaxTokens = 4;  // per pass over a weight tile

// f(lane) for every lane.
template <class To, class F>
Lanes<To> each(F f) {
  Lanes<To> out;
  for (std::size_t i = 0; i < 16; ++i) out.v[i] = f(i);
  return out;
}
inline std::uint32_t wide(std::int32_t x) { return static_cast<std::uint32_t>(x); }
inline std::int32_t narrow(std::uint32_t x) { return static_cast<std::int32_t>(x); }

inline Floats all(float x) {
  return each<float>([=](std::size_t) { return x; });
}
inline Floats zeros() { return all(0); }
inline Floats load(const float* p) {
  return each<float>([=](std::size_t i) { return p[i]; });
}
inline void store(float* p, const Floats& x) { std::memcpy(p, x.v, sizeof(x.v)); }
inline Floats add(const Floats& a, const Floats& b) {
  return each<float>([&](std::size_t i) { return a.v[i] + b.v[i]; });
}
inline Floats sub(const Floats& a, const Floats& b) {
  return each<float>([&](std::size_t i) { return a.v[i] - b.v[i]; });
}
inline Floats mul(const Floats& a, const Floats& b) {
  return each<float>([&](std::size_t i) { return a.v[i] * b.v[i]; });
}
inline Floats divide(const Floats& a, const Floats& b) {
  return each<float>([&](std::size_t i) { return a.v[i] / b.v[i]; });
}
inline Floats largest(const Floats& a, const Floats& b) {
  return each<float>([&](std::size_t i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats smallest(const Floats& a, const Floats& b) {
  return each<float>([&](std::size_t i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline Floats fma(const Floats& a, const Floats& b, const Floats& c) {
  return each<float>([&](std::size_t i) { return a.v[i] * b.v[i] + c.v[i]; });
}
inline Floats magnitude(const Floats& a) {
  return each<float>([&](std::size_t i) { return std::fabs(a.v[i]); });
}
inline Floats to_floats(const Ints& x) {
  return each<float>([&](std::size_t i) { return static_cast<float>(narrow(x.v[i])); });
}
inline Ints to_nearest(const Floats& x) {
  return each<std::uint32_t>(
      [&](std::size_t i) { return wide(static_cast<std::int32_t>(std::nearbyintf(x.v[i]))); });
}
inline Floats as_floats(const Ints& x) {
  Floats out;
  std::memcpy(out.v, x.v, sizeof(out.v));
  return out;
}
inline Floats load_f16(const void* p) {
  std::uint16_t bits[16];
  std::memcpy(bits, p, sizeof(bits));
  return each<float>([&](std::size_t i) { return f16_to_f32(bits[i]); });
}
inline void store_f16(std::uint16_t* p, const Floats& x) {
  for (std::size_t i = 0; i < 16; ++i) p[i] = f32_to_f16(x.v[i]);
}

inline Ints all_i(std::int32_t x) {
  return each<std::uint32_t>([=](std::size_t) { return wide(x); });
}
inline Ints load_i(const void* p) {
  Ints out;
  std::memcpy(out.v, p, sizeof(out.v));
  return out;
}
inline Ints load_u8(const void* p) {
  const auto* bytes = static_cast<const std::uint8_t*>(p);
  return each<std::uint32_t>([=](std::size_t i) { return std::uint32_t{bytes[i]}; });
}
inline Ints load_i8(const void* p) {
  const auto* bytes = static_cast<const std::int8_t*>(p);
  return each<std::uint32_t>([=](std::size_t i) { return wide(bytes[i]); });
}
inline Ints load_u16(const void* p) {
  std::uint16_t words[16];
  std::memcpy(words, p, sizeof(words));
  return each<std::uint32_t>([&](std::size_t i) { return std::uint32_t{words[i]}; });
}
inline void store_low_bytes(std::int8_t* p, const Ints& x) {
  for (std::size_t i = 0; i < 16; ++i) p[i] = static_cast<std::int8_t>(narrow(x.v[i]));
}
inline Ints add_i(const Ints& a, const Ints& b) {
  return each<std::uint32_t>([&](std::size_t i) { return a.v[i] + b.v[i]; });
}
inline Ints mul_i(const Ints& a, const Ints& b) {
  return each<std::uint32_t>([&](std::size_t i) { return a.v[i] * b.v[i]; });
}
inline Ints bits_and(const Ints& a, const Ints& b) {
  return each<std::uint32_t>([&](std::size_t i) { return a.v[i] & b.v[i]; });
}
inline Ints bits_or(const Ints& a, const Ints& b) {
  return each<std::uint32_t>([&](std::size_t i) { return a.v[i] | b.v[i]; });
}
template <int n>
Ints shift_left(const Ints& a) {
  return each<std::uint32_t>([&](std::size_t i) { return a.v[i] << n; });
}
template <int n>
Ints shift_right(const Ints& a) {
  return each<std::uint32_t>([&](std::size_t i) { return a.v[i] >> n; });
}
inline std::uint8_t byte_of(std::uint32_t x, unsigned i) {
  return static_cast<std::uint8_t>(x >> (8 * i));
}
inline Ints look_up(const void* table16, const Ints& indices) {
  const auto* table = static_cast<const std::uint8_t*>(table16);
  return each<std::uint32_t>([&](std::size_t i) {
    std::uint32_t out = 0;
    for (unsigned b = 0; b < 4; ++b) {
      out |= std::uint32_t{table[byte_of(indices.v[i], b)]} << (8 * b);
    }
    return out;
  });
}
inline Ints dot4(const Ints& sum, const Ints& a, const Ints& b) {
  return each<std::uint32_t>([&](std::size_t i) {
    std::int32_t total = narrow(sum.v[i]);
    for (unsigned k = 0; k < 4; ++k) {
      total += byte_of(a.v[i], k) * static_cast<std::int8_t>(byte_of(b.v[i], k));
    }
    return wide(total);
  });
}
inline Ints dot4_wide(const Ints& sum, const Ints& a, const Ints& b) { return dot4(sum, a, b); }
inline float sum_lanes(const Floats& x) {
  float total = 0;
  for (const float v : x.v) total += v;
  return total;
}
inline float max_lanes(const Floats& x) {
  float top = x.v[0];
  for (const float v : x.v) top = v > top ? v : top;
  return top;
}
inline std::int32_t sum_lanes_i(const Ints& x) {
  std::uint32_t total = 0;
  for (const std::uint32_t v : x.v) total += v;
  return narrow(total);
}

}  // namespace
}  // namespace jevons::engine
