// 16 lanes of f32 or int32 as one AVX-512 register. Included only by kernels_avx512.cpp.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace jevons::engine {
namespace {

using Floats = __m512;
using Ints = __m512i;
inline constexpr std::size_t kMaxTokens = 16;  // per pass over a weight tile

inline Floats zeros() { return _mm512_setzero_ps(); }
inline Floats all(float x) { return _mm512_set1_ps(x); }
inline Floats load(const float* p) { return _mm512_loadu_ps(p); }
inline void store(float* p, Floats x) { _mm512_storeu_ps(p, x); }
inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats largest(Floats a, Floats b) { return _mm512_max_ps(a, b); }
inline Floats smallest(Floats a, Floats b) { return _mm512_min_ps(a, b); }
inline Floats magnitude(Floats a) { return _mm512_abs_ps(a); }
inline Floats to_floats(Ints x) { return _mm512_cvtepi32_ps(x); }
inline Ints to_nearest(Floats x) { return _mm512_cvtps_epi32(x); }
inline Floats as_floats(Ints x) { return _mm512_castsi512_ps(x); }
inline Floats load_f16(const void* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline void store_f16(std::uint16_t* p, Floats x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, 0));
}

inline Ints all_i(std::int32_t x) { return _mm512_set1_epi32(x); }
inline Ints load_i(const void* p) { return _mm512_loadu_si512(p); }
inline Ints load_u8(const void* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline Ints load_i8(const void* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
inline Ints load_u16(const void* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
}
inline void store_low_bytes(std::int8_t* p, Ints x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(x));
}
inline Ints add_i(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
inline Ints mul_i(Ints a, Ints b) { return _mm512_mullo_epi32(a, b); }
inline Ints bits_and(Ints a, Ints b) { return _mm512_and_si512(a, b); }
inline Ints bits_or(Ints a, Ints b) { return _mm512_or_si512(a, b); }
template <int n>
Ints shift_left(Ints a) {
  return _mm512_slli_epi32(a, n);
}
template <int n>
Ints shift_right(Ints a) {
  return _mm512_srli_epi32(a, n);
}
// Byte i becomes table[byte i], for bytes 0..15.
inline Ints look_up(const void* table16, Ints indices) {
  const __m128i table = _mm_loadu_si128(static_cast<const __m128i*>(table16));
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), indices);
}
// Lane r: sum + the four u8 of a times the four i8 of b.
inline Ints dot4(Ints sum, Ints a, Ints b) { return _mm512_dpbusd_epi32(sum, a, b); }
inline Ints dot4_wide(Ints sum, Ints a, Ints b) { return dot4(sum, a, b); }
inline float sum_lanes(Floats x) { return _mm512_reduce_add_ps(x); }
inline float max_lanes(Floats x) { return _mm512_reduce_max_ps(x); }
inline std::int32_t sum_lanes_i(Ints x) { return _mm512_reduce_add_epi32(x); }

}  // namespace
}  // namespace jevons::engine
