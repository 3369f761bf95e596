// The inner loops of the CPU engine, once per instruction set, chosen at run time. All sets compute
// the same things in the same order per token: how many tokens share a call never changes a result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "local_engine/pack.h"

namespace jevons::engine {

// Activations of `tokens` rows, quantised to int8 in blocks of 32 columns with one f32 scale each.
// All pointers have room for round_up(columns, 32) per row; the strides count elements.
struct Int8Rows {
  std::int8_t* q = nullptr;
  float* scale = nullptr;             // [blocks]
  float* scaled_sum = nullptr;        // [blocks] scale * sum of the block
  std::int32_t* minus_sum = nullptr;  // [blocks] minus the sum of the block's q
  std::int32_t* half_sum = nullptr;   // [2 * blocks] minus the sums of its halves
  std::size_t blocks = 0;
  std::size_t stride = 0;  // of q

  Int8Rows from(std::size_t token) const {
    return {q + token * stride,
            scale + token * blocks,
            scaled_sum + token * blocks,
            minus_sum + token * blocks,
            half_sum + token * 2 * blocks,
            blocks,
            stride};
  }
};

struct FloatRows {
  const float* x = nullptr;
  std::size_t stride = 0;  // at least round_up(columns, 32), padded with zeros
};

// out[t * out_stride + 16 * (tile - out_tile) + r] for tiles [first, last) of one packed slice; the
// lanes of a last partial tile are written too, so rows of `out` are round_up(rows, 16) long.
struct MatmulArgs {
  const std::byte* slice = nullptr;
  std::size_t columns = 0;
  std::size_t first = 0;
  std::size_t last = 0;
  Int8Rows int8;     // for types that take int8
  FloatRows floats;  // for the others
  std::size_t tokens = 0;
  float* out = nullptr;
  std::size_t out_stride = 0;
  std::size_t out_tile = 0;  // the tile that `out` begins with
};

// Attention of one token's query heads that share one key-value head, over paged f16 keys and
// values. A block holds 16 positions: keys as [padded_dim][16], values as [16][padded_dim].
struct AttendArgs {
  const float* q = nullptr;  // [heads][padded_dim]
  std::size_t heads = 0;
  std::size_t padded_dim = 0;                  // a multiple of 16
  const std::uint16_t* const* keys = nullptr;  // one pointer a block, for this key-value head
  const std::uint16_t* const* values = nullptr;
  std::size_t begin = 0;  // positions attended: [begin, end), end > begin
  std::size_t end = 0;
  float scale = 1;
  const float* sinks = nullptr;  // [heads] extra logits of the softmax, or null
  float* scores = nullptr;       // scratch: heads * round_up(end, 16)
  float* out = nullptr;          // [heads][padded_dim]
};

struct GateArgs {
  const float* gate = nullptr;
  const float* up = nullptr;
  float* out = nullptr;
  std::size_t count = 0;
};

struct Kernels {
  std::string_view name;  // "scalar", "avx2", "avx512-vnni"
  // One row; x beyond n > 0 is not read, the rest of out.blocks becomes zeros.
  void (*quantize)(const float* x, std::size_t n, const Int8Rows& out) = nullptr;
  // 32 values into one block of a row.
  void (*quantize_block)(const float* x, const Int8Rows& out, std::size_t block) = nullptr;
  void (*matmul)(TensorType type, const MatmulArgs& args) = nullptr;
  void (*attend)(const AttendArgs& args) = nullptr;
  // out = x / sqrt(mean(x^2) + eps) * weight; may work in place.
  void (*rms_norm)(const float* x, const float* weight, std::size_t n, float eps,
                   float* out) = nullptr;
  void (*swiglu)(const GateArgs& args) = nullptr;
  // gpt-oss: g = min(gate, 7), u = clamp(up, -7, 7): g * sigmoid(1.702 g) * (u + 1).
  void (*clamped_swiglu)(const GateArgs& args) = nullptr;
  // y += a * x
  void (*add_scaled)(float* y, const float* x, float a, std::size_t n) = nullptr;
  // sum of exp((x - max) * scale); for softmax over a vocabulary.
  float (*exp_sum)(const float* x, std::size_t n, float max, float scale) = nullptr;
  float (*max_of)(const float* x, std::size_t n) = nullptr;
  // A key of one position: `count` f32 values into lane `lane` of a [dim][16] block.
  void (*store_f16)(const float* x, std::size_t n, std::uint16_t* out) = nullptr;
};

const Kernels& scalar_kernels();
// Null where the processor (or the compiler's target) lacks the instructions.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();
// The best of this processor.
const Kernels& best_kernels();

}  // namespace jevons::engine
