// Block formats of GGUF tensors and their scalar reference code. Sources: ggml's ggml-common.h
// (layouts) and the OCP Microscaling specification (E8M0, E2M1). Kernels repack these blocks; this
// file is the truth they are tested against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace jevons::engine {

// The numbers are those stored in GGUF files.
enum class TensorType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q8_0 = 8,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
  mxfp4 = 39,
};

struct TypeInfo {
  TensorType type = TensorType::f32;
  std::string_view name;             // as ggml prints it: "Q4_K"
  std::uint32_t block_elements = 1;  // a row length must be a multiple of it
  std::uint32_t block_bytes = 4;
};

// Null for a number we do not support.
const TypeInfo* find_type(std::uint32_t raw_type);
// `type` must be a value of the enum.
const TypeInfo& type_info(TensorType type);
// A name also for types we refuse ("IQ2_XXS"); "unknown type 77" for numbers nobody has given out.
std::string type_name(std::uint32_t raw_type);

// Bytes of `elements` values, which must be a multiple of the block.
std::size_t row_bytes(TensorType type, std::size_t elements);

// Blocks as they lie in the file, little-endian. Halves are raw bits: see f16_to_f32.
struct BlockQ4_0 {  // 32 values: d * (q - 8); low nibbles are 0..15, high nibbles 16..31
  std::uint16_t d = 0;
  std::uint8_t qs[16] = {};
};
struct BlockQ4_1 {  // 32 values: d * q + m; nibbles as Q4_0
  std::uint16_t d = 0;
  std::uint16_t m = 0;
  std::uint8_t qs[16] = {};
};
struct BlockQ8_0 {  // 32 values: d * q
  std::uint16_t d = 0;
  std::int8_t qs[32] = {};
};
// 256 values in 8 groups of 32: d * scale[g] * q - dmin * min[g], scales and mins of 6 bits packed
// in `scales` (scale_min_k4). Bytes 32i..32i+31 of qs hold group 2i low, group 2i+1 high.
struct BlockQ4_K {
  std::uint16_t d = 0;
  std::uint16_t dmin = 0;
  std::uint8_t scales[12] = {};
  std::uint8_t qs[128] = {};
};
struct BlockQ5_K {  // as Q4_K with a fifth bit: bit g of qh[l] belongs to value l of group g
  std::uint16_t d = 0;
  std::uint16_t dmin = 0;
  std::uint8_t scales[12] = {};
  std::uint8_t qh[32] = {};
  std::uint8_t qs[128] = {};
};
struct BlockQ6_K {  // 256 values in 16 groups of 16: d * scale[g] * (q - 32)
  std::uint8_t ql[128] = {};
  std::uint8_t qh[64] = {};
  std::int8_t scales[16] = {};
  std::uint16_t d = 0;
};
struct BlockMxfp4 {  // 32 values: 2^(e-127) * E2M1; nibbles as Q4_0
  std::uint8_t e = 0;
  std::uint8_t qs[16] = {};
};
static_assert(sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20 && sizeof(BlockQ8_0) == 34);
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);
static_assert(sizeof(BlockMxfp4) == 17);

// Twice the E2M1 values, so that they are integers; pair with e8m0_half.
inline constexpr std::int8_t kMxfp4Doubled[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                  0, -1, -2, -3, -4, -6, -8, -12};

float f16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_f16(float value);  // to nearest even, overflow to infinity
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);  // to nearest even, NaN stays NaN
// 2^(e-128): half the E8M0 scale, exact for every e in 0..254.
float e8m0_half(std::uint8_t e);

struct ScaleMin {
  std::uint8_t scale = 0;
  std::uint8_t min = 0;
};
// Group 0..7 of the 12 packed bytes of Q4_K and Q5_K.
ScaleMin scale_min_k4(std::size_t group, const std::uint8_t* scales);

// out.size() values, a multiple of the block, from `blocks` (row_bytes(type, out.size()) bytes, any
// alignment).
void decode_row(TensorType type, const std::byte* blocks, std::span<float> out);
// The inverse, rounding well but without an importance matrix; for tests and synthetic models.
// Values must be finite.
void encode_row(TensorType type, std::span<const float> values, std::byte* blocks);

}  // namespace jevons::engine
