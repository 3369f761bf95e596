#include "local_engine/quant.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace jevons::engine {
namespace {

constexpr std::array<TypeInfo, 10> kTypes = {{
    {TensorType::f32, "F32", 1, 4},
    {TensorType::f16, "F16", 1, 2},
    {TensorType::q4_0, "Q4_0", 32, sizeof(BlockQ4_0)},
    {TensorType::q4_1, "Q4_1", 32, sizeof(BlockQ4_1)},
    {TensorType::q8_0, "Q8_0", 32, sizeof(BlockQ8_0)},
    {TensorType::q4_k, "Q4_K", 256, sizeof(BlockQ4_K)},
    {TensorType::q5_k, "Q5_K", 256, sizeof(BlockQ5_K)},
    {TensorType::q6_k, "Q6_K", 256, sizeof(BlockQ6_K)},
    {TensorType::bf16, "BF16", 1, 2},
    {TensorType::mxfp4, "MXFP4", 32, sizeof(BlockMxfp4)},
}};

// Every number ggml has given out, so that a refusal can say which format the file uses. Gaps are
// numbers that were withdrawn.
constexpr std::string_view kGgmlNames[] = {
    "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
    "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
    "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
    "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
    "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
    "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4"};

template <class Block>
Block load_block(const std::byte* from, std::size_t index) {
  Block block;
  std::memcpy(&block, from + index * sizeof(Block), sizeof(Block));
  return block;
}

template <class Block, class One>
void decode_blocks(const std::byte* blocks, std::span<float> out, std::size_t width, One one) {
  for (std::size_t i = 0; i < out.size() / width; ++i) {
    one(load_block<Block>(blocks, i), out.data() + i * width);
  }
}

void decode_q4_0(const BlockQ4_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (std::size_t j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>((block.qs[j] & 15) - 8);
    out[j + 16] = d * static_cast<float>((block.qs[j] >> 4) - 8);
  }
}

void decode_q4_1(const BlockQ4_1& block, float* out) {
  const float d = f16_to_f32(block.d);
  const float m = f16_to_f32(block.m);
  for (std::size_t j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(block.qs[j] & 15) + m;
    out[j + 16] = d * static_cast<float>(block.qs[j] >> 4) + m;
  }
}

void decode_q8_0(const BlockQ8_0& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (std::size_t j = 0; j < 32; ++j) out[j] = d * static_cast<float>(block.qs[j]);
}

void decode_mxfp4(const BlockMxfp4& block, float* out) {
  const float d = e8m0_half(block.e);
  for (std::size_t j = 0; j < 16; ++j) {
    out[j] = d * static_cast<float>(kMxfp4Doubled[block.qs[j] & 15]);
    out[j + 16] = d * static_cast<float>(kMxfp4Doubled[block.qs[j] >> 4]);
  }
}

// Q4_K and Q5_K differ only in the fifth bit; `high` is null for Q4_K.
template <class Block>
void decode_k(const Block& block, const std::uint8_t* high, float* out) {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (std::size_t group = 0; group < 8; ++group) {
    const ScaleMin packed = scale_min_k4(group, block.scales);
    const float scale = d * static_cast<float>(packed.scale);
    const float min = dmin * static_cast<float>(packed.min);
    const std::uint8_t* qs = block.qs + 32 * (group / 2);
    for (std::size_t l = 0; l < 32; ++l) {
      int q = group % 2 == 0 ? qs[l] & 15 : qs[l] >> 4;
      if (high != nullptr) q |= ((high[l] >> group) & 1) << 4;
      out[32 * group + l] = scale * static_cast<float>(q) - min;
    }
  }
}

void decode_q6_k(const BlockQ6_K& block, float* out) {
  const float d = f16_to_f32(block.d);
  for (std::size_t i = 0; i < 256; ++i) {
    // Each half of 128 has four runs of 32: low nibbles of 64 bytes, then their high nibbles.
    const std::size_t half = i / 128, run = (i % 128) / 32, l = i % 32;
    const int low = block.ql[64 * half + 32 * (run % 2) + l] >> (run < 2 ? 0 : 4) & 15;
    const int high = (block.qh[32 * half + l] >> (2 * run)) & 3;
    const float scale = d * static_cast<float>(block.scales[i / 16]);
    out[i] = scale * static_cast<float>((low | (high << 4)) - 32);
  }
}

template <class To, class From>
void decode_plain(const std::byte* from, std::span<float> out, To to) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    From bits;
    std::memcpy(&bits, from + i * sizeof(From), sizeof(From));
    out[i] = to(bits);
  }
}

}  // namespace

const TypeInfo* find_type(std::uint32_t raw_type) {
  const auto found = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeInfo& info) {
    return static_cast<std::uint32_t>(info.type) == raw_type;
  });
  return found == kTypes.end() ? nullptr : &*found;
}

const TypeInfo& type_info(TensorType type) { return *find_type(static_cast<std::uint32_t>(type)); }

std::string type_name(std::uint32_t raw_type) {
  if (raw_type < std::size(kGgmlNames)) return std::string(kGgmlNames[raw_type]);
  return "unknown type " + std::to_string(raw_type);
}

std::size_t row_bytes(TensorType type, std::size_t elements) {
  const TypeInfo& info = type_info(type);
  return elements / info.block_elements * info.block_bytes;
}

float f16_to_f32(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 31U;
  const std::uint32_t mantissa = bits & 1023U;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | mantissa << 13);
  const float subnormal = static_cast<float>(mantissa) * 0x1p-24F;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(subnormal));
}

std::uint16_t f32_to_f16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);  // NaN
  if (magnitude >= 0x477ff000U)
    return static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds up to inf
  if (magnitude < 0x38800000U) {
    // Below the smallest normal half: adding 0.5 leaves the rounded subnormal in the last 10 bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
  }
  const std::uint32_t odd = (magnitude >> 13) & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000U + 0xfffU + odd) >> 13));
}

float bf16_to_f32(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 64U);
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

float e8m0_half(std::uint8_t e) {
  // 2^-128 and 2^-127 are subnormal floats.
  if (e < 2) return std::bit_cast<float>(0x00200000U << e);
  return std::bit_cast<float>(static_cast<std::uint32_t>(e - 1) << 23);
}

ScaleMin scale_min_k4(std::size_t group, const std::uint8_t* scales) {
  if (group < 4) {
    return {static_cast<std::uint8_t>(scales[group] & 63),
            static_cast<std::uint8_t>(scales[group + 4] & 63)};
  }
  // The upper two bits of groups 4..7 sit on top of the bytes of groups 0..3.
  return {static_cast<std::uint8_t>((scales[group + 4] & 15) | ((scales[group - 4] >> 6) << 4)),
          static_cast<std::uint8_t>((scales[group + 4] >> 4) | ((scales[group] >> 6) << 4))};
}

void decode_row(TensorType type, const std::byte* blocks, std::span<float> out) {
  switch (type) {
    case TensorType::f32:
      std::memcpy(out.data(), blocks, out.size_bytes());
      return;
    case TensorType::f16:
      return decode_plain<decltype(&f16_to_f32), std::uint16_t>(blocks, out, &f16_to_f32);
    case TensorType::bf16:
      return decode_plain<decltype(&bf16_to_f32), std::uint16_t>(blocks, out, &bf16_to_f32);
    case TensorType::q4_0:
      return decode_blocks<BlockQ4_0>(blocks, out, 32, decode_q4_0);
    case TensorType::q4_1:
      return decode_blocks<BlockQ4_1>(blocks, out, 32, decode_q4_1);
    case TensorType::q8_0:
      return decode_blocks<BlockQ8_0>(blocks, out, 32, decode_q8_0);
    case TensorType::mxfp4:
      return decode_blocks<BlockMxfp4>(blocks, out, 32, decode_mxfp4);
    case TensorType::q6_k:
      return decode_blocks<BlockQ6_K>(blocks, out, 256, decode_q6_k);
    case TensorType::q4_k:
      return decode_blocks<BlockQ4_K>(blocks, out, 256, [](const BlockQ4_K& block, float* to) {
        decode_k(block, nullptr, to);
      });
    case TensorType::q5_k:
      return decode_blocks<BlockQ5_K>(blocks, out, 256, [](const BlockQ5_K& block, float* to) {
        decode_k(block, block.qh, to);
      });
  }
}

}  // namespace jevons::engine
