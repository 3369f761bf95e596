// The writing half of quant.h: used by tests and the synthetic generator, never while serving.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "local_engine/quant.h"

namespace jevons::engine {
namespace {

template <class Block>
void store_block(std::byte* to, std::size_t index, const Block& block) {
  std::memcpy(to + index * sizeof(Block), &block, sizeof(Block));
}

template <class Block, class One>
void encode_blocks(std::span<const float> values, std::byte* to, std::size_t width, One one) {
  for (std::size_t i = 0; i < values.size() / width; ++i) {
    store_block(to, i, one(values.subspan(i * width, width)));
  }
}

int nearest(float value, int low, int high) {
  return std::clamp(static_cast<int>(std::lround(std::clamp(value, -1e6F, 1e6F))), low, high);
}

float inverse(float scale) { return scale == 0.0F ? 0.0F : 1.0F / scale; }

// The value of largest magnitude, with its sign.
float signed_peak(std::span<const float> x) {
  return *std::max_element(x.begin(), x.end(),
                           [](float a, float b) { return std::abs(a) < std::abs(b); });
}

void pack_nibbles(std::uint8_t* qs, const std::array<int, 32>& q) {
  for (std::size_t j = 0; j < 16; ++j) qs[j] = static_cast<std::uint8_t>(q[j] | (q[j + 16] << 4));
}

BlockQ4_0 encode_q4_0(std::span<const float> x) {
  // The peak becomes -8, the one end of the asymmetric range -8..7.
  BlockQ4_0 block;
  block.d = f32_to_f16(signed_peak(x) / -8.0F);
  const float scale = inverse(f16_to_f32(block.d));
  std::array<int, 32> q{};
  for (std::size_t j = 0; j < 32; ++j) q[j] = nearest(x[j] * scale + 8.0F, 0, 15);
  pack_nibbles(block.qs, q);
  return block;
}

BlockQ4_1 encode_q4_1(std::span<const float> x) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  BlockQ4_1 block;
  block.d = f32_to_f16((*high - *low) / 15.0F);
  block.m = f32_to_f16(*low);
  const float scale = inverse(f16_to_f32(block.d));
  const float min = f16_to_f32(block.m);
  std::array<int, 32> q{};
  for (std::size_t j = 0; j < 32; ++j) q[j] = nearest((x[j] - min) * scale, 0, 15);
  pack_nibbles(block.qs, q);
  return block;
}

BlockQ8_0 encode_q8_0(std::span<const float> x) {
  BlockQ8_0 block;
  const float d = std::abs(signed_peak(x)) / 127.0F;
  block.d = f32_to_f16(d);
  const float scale = inverse(d);
  for (std::size_t j = 0; j < 32; ++j) {
    block.qs[j] = static_cast<std::int8_t>(nearest(x[j] * scale, -127, 127));
  }
  return block;
}

BlockMxfp4 encode_mxfp4(std::span<const float> x) {
  BlockMxfp4 block;
  const float peak = std::abs(signed_peak(x));
  // OCP: the shared exponent is that of the peak less E2M1's largest exponent, 2.
  if (peak > 0.0F) block.e = static_cast<std::uint8_t>(std::clamp(std::ilogb(peak) + 125, 0, 254));
  const float d = e8m0_half(block.e);
  std::array<int, 32> q{};
  for (std::size_t j = 0; j < 32; ++j) {
    float best = std::abs(x[j]);
    for (int code = 1; code < 16; ++code) {
      const float error = std::abs(x[j] - d * static_cast<float>(kMxfp4Doubled[code]));
      if (error < best) best = error, q[j] = code;
    }
  }
  pack_nibbles(block.qs, q);
  return block;
}

// x ~ scale * q - min with q in 0..levels, scale and min not negative.
struct Affine {
  float scale = 0;
  float min = 0;
};

float affine_error(std::span<const float> x, Affine fit, int levels) {
  const float inv = inverse(fit.scale);
  float error = 0;
  for (const float value : x) {
    const auto q = static_cast<float>(nearest((value + fit.min) * inv, 0, levels));
    const float miss = fit.scale * q - fit.min - value;
    error += miss * miss;
  }
  return error;
}

// Least squares for the codes that `guess` assigns.
Affine refit(std::span<const float> x, Affine guess, int levels) {
  const float inv = inverse(guess.scale);
  float sum_q = 0, sum_qq = 0, sum_x = 0, sum_xq = 0;
  for (const float value : x) {
    const auto q = static_cast<float>(nearest((value + guess.min) * inv, 0, levels));
    sum_q += q, sum_qq += q * q, sum_x += value, sum_xq += value * q;
  }
  const auto n = static_cast<float>(x.size());
  const float determinant = n * sum_qq - sum_q * sum_q;
  if (determinant <= 0) return guess;
  Affine fit{(n * sum_xq - sum_x * sum_q) / determinant,
             (sum_q * sum_xq - sum_qq * sum_x) / determinant};
  if (fit.min < 0) fit = {sum_qq > 0 ? sum_xq / sum_qq : 0.0F, 0.0F};
  return fit.scale > 0 ? fit : guess;
}

Affine fit_affine(std::span<const float> x, int levels) {
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  const float min = std::max(0.0F, -*low);
  Affine best{(*high + min) / static_cast<float>(levels), min};
  if (best.scale <= 0) return {0.0F, min};
  float best_error = affine_error(x, best, levels);
  for (int step = -10; step <= 10; ++step) {
    Affine guess{(*high + min) / (static_cast<float>(levels) + 0.1F * static_cast<float>(step)),
                 min};
    guess = refit(x, guess, levels);
    const float error = affine_error(x, guess, levels);
    if (error < best_error) best_error = error, best = guess;
  }
  return best;
}

void pack_scale_min(std::uint8_t* scales, std::size_t group, int scale, int min) {
  if (group < 4) {
    scales[group] = static_cast<std::uint8_t>(scales[group] | scale);
    scales[group + 4] = static_cast<std::uint8_t>(scales[group + 4] | min);
    return;
  }
  scales[group + 4] = static_cast<std::uint8_t>((scale & 15) | ((min & 15) << 4));
  scales[group - 4] = static_cast<std::uint8_t>(scales[group - 4] | ((scale >> 4) << 6));
  scales[group] = static_cast<std::uint8_t>(scales[group] | ((min >> 4) << 6));
}

// Q4_K (levels 15, `high` null) and Q5_K (levels 31).
template <class Block>
void encode_k(std::span<const float> x, int levels, Block& block, std::uint8_t* high) {
  std::array<Affine, 8> fits;
  float max_scale = 0, max_min = 0;
  for (std::size_t group = 0; group < 8; ++group) {
    fits[group] = fit_affine(x.subspan(32 * group, 32), levels);
    max_scale = std::max(max_scale, fits[group].scale);
    max_min = std::max(max_min, fits[group].min);
  }
  block.d = f32_to_f16(max_scale / 63.0F);
  block.dmin = f32_to_f16(max_min / 63.0F);
  const float d = f16_to_f32(block.d), dmin = f16_to_f32(block.dmin);
  for (std::size_t group = 0; group < 8; ++group) {
    const int scale = nearest(fits[group].scale * inverse(d), 0, 63);
    const int min = nearest(fits[group].min * inverse(dmin), 0, 63);
    pack_scale_min(block.scales, group, scale, min);
    const float inv = inverse(d * static_cast<float>(scale));
    const float offset = dmin * static_cast<float>(min);
    for (std::size_t l = 0; l < 32; ++l) {
      const int q = nearest((x[32 * group + l] + offset) * inv, 0, levels);
      std::uint8_t& low = block.qs[32 * (group / 2) + l];
      low = static_cast<std::uint8_t>(low | ((q & 15) << (group % 2 == 0 ? 0 : 4)));
      if (high != nullptr) high[l] = static_cast<std::uint8_t>(high[l] | ((q >> 4) << group));
    }
  }
}

// The symmetric scale for 16 values with codes -32..31 that gives the least squared error.
float fit_q6_group(std::span<const float> x) {
  const float peak = signed_peak(x);
  if (peak == 0.0F) return 0.0F;
  float best_scale = 0, best_error = INFINITY;
  for (int step = -9; step <= 9; ++step) {
    const float guess = peak / -(32.0F + 0.1F * static_cast<float>(step));
    float sum_qq = 0, sum_xq = 0, sum_xx = 0;
    for (const float value : x) {
      const auto q = static_cast<float>(nearest(value / guess, -32, 31));
      sum_qq += q * q, sum_xq += value * q, sum_xx += value * value;
    }
    if (sum_qq == 0.0F) continue;
    const float error = sum_xx - sum_xq * sum_xq / sum_qq;
    if (error < best_error) best_error = error, best_scale = sum_xq / sum_qq;
  }
  return best_scale;
}

BlockQ6_K encode_q6_k(std::span<const float> x) {
  BlockQ6_K block;
  std::array<float, 16> scales{};
  for (std::size_t group = 0; group < 16; ++group) {
    scales[group] = fit_q6_group(x.subspan(16 * group, 16));
  }
  block.d = f32_to_f16(signed_peak(scales) / -128.0F);
  const float d = f16_to_f32(block.d);
  for (std::size_t group = 0; group < 16; ++group) {
    block.scales[group] = static_cast<std::int8_t>(nearest(scales[group] * inverse(d), -128, 127));
  }
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t half = i / 128, run = (i % 128) / 32, l = i % 32;
    const float scale = d * static_cast<float>(block.scales[i / 16]);
    const int q = nearest(x[i] * inverse(scale), -32, 31) + 32;
    std::uint8_t& low = block.ql[64 * half + 32 * (run % 2) + l];
    low = static_cast<std::uint8_t>(low | ((q & 15) << (run < 2 ? 0 : 4)));
    std::uint8_t& high = block.qh[32 * half + l];
    high = static_cast<std::uint8_t>(high | ((q >> 4) << (2 * run)));
  }
  return block;
}

template <class To>
void encode_plain(std::span<const float> values, std::byte* to, To convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = convert(values[i]);
    std::memcpy(to + 2 * i, &bits, 2);
  }
}

}  // namespace

void encode_row(TensorType type, std::span<const float> values, std::byte* blocks) {
  switch (type) {
    case TensorType::f32:
      std::memcpy(blocks, values.data(), values.size_bytes());
      return;
    case TensorType::f16:
      return encode_plain(values, blocks, f32_to_f16);
    case TensorType::bf16:
      return encode_plain(values, blocks, f32_to_bf16);
    case TensorType::q4_0:
      return encode_blocks<BlockQ4_0>(values, blocks, 32, encode_q4_0);
    case TensorType::q4_1:
      return encode_blocks<BlockQ4_1>(values, blocks, 32, encode_q4_1);
    case TensorType::q8_0:
      return encode_blocks<BlockQ8_0>(values, blocks, 32, encode_q8_0);
    case TensorType::mxfp4:
      return encode_blocks<BlockMxfp4>(values, blocks, 32, encode_mxfp4);
    case TensorType::q6_k:
      return encode_blocks<BlockQ6_K>(values, blocks, 256, encode_q6_k);
    case TensorType::q4_k:
      return encode_blocks<BlockQ4_K>(values, blocks, 256, [](std::span<const float> x) {
        BlockQ4_K block;
        encode_k(x, 15, block, nullptr);
        return block;
      });
    case TensorType::q5_k:
      return encode_blocks<BlockQ5_K>(values, blocks, 256, [](std::span<const float> x) {
        BlockQ5_K block;
        encode_k(x, 31, block, block.qh);
        return block;
      });
  }
}

}  // namespace jevons::engine
