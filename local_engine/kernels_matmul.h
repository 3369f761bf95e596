// Matrix kernels over the packed cells of pack.h, written once on the lanes of a simd_*.h header
// that must be included before. Each including file is compiled for its own instruction set, hence
// the unnamed namespace: nothing here may be shared between them.
#pragma once

#include <cstring>

#include "local_engine/kernels.h"
#include "local_engine/pack.h"

namespace jevons::engine {
namespace {

// A cell ready to multiply: eight registers of u8, each four columns of 16 rows.
struct Weights {
  Ints w[8];
  Floats scale;
};

struct Tile {
  const std::byte* at = nullptr;

  const std::byte* cell(const CellLayout& layout, std::size_t c) const {
    const std::size_t group = layout.header + layout.cells_a_header * layout.cell;
    return at + c / layout.cells_a_header * group + layout.header +
           c % layout.cells_a_header * layout.cell;
  }
  const std::byte* header(const CellLayout& layout, std::size_t c) const {
    return at + c / layout.cells_a_header * (layout.header + layout.cells_a_header * layout.cell);
  }
};

inline void load_nibbles(const std::byte* plane, Weights& out) {
  const Ints mask = all_i(0x0F0F0F0F);
  for (std::size_t j = 0; j < 4; ++j) {
    const Ints packed = load_i(plane + 64 * j);
    out.w[j] = bits_and(packed, mask);
    out.w[4 + j] = bits_and(shift_right<4>(packed), mask);
  }
}

inline Ints column_dot(const Weights& cell, std::size_t first, std::size_t last,
                       const std::int8_t* q, Ints sum) {
  for (std::size_t j = first; j < last; ++j) {
    std::int32_t four = 0;
    std::memcpy(&four, q + 4 * j, 4);
    sum = dot4(sum, cell.w[j], all_i(four));
  }
  return sum;
}

// Formats whose value is scale * (w - 2^offset_bits): the offset enters as the start of the sum.
template <int offset_bits>
struct Offset {
  static constexpr bool has_min = false;
  struct Cell : Weights {};

  static Ints dot(const Cell& cell, const Int8Rows& x, std::size_t t, std::size_t c) {
    const Ints start = shift_left<offset_bits>(all_i(x.minus_sum[t * x.blocks + c]));
    return column_dot(cell, 0, 8, x.q + t * x.stride + 32 * c, start);
  }
};

struct FormatQ4_0 : Offset<3> {
  static constexpr CellLayout layout = {0, 32 + 256, 1};
  static void read(const Tile& tile, std::size_t c, Cell& out) {
    const std::byte* at = tile.at + c * layout.cell;
    out.scale = load_f16(at);
    load_nibbles(at + 32, out);
  }
};

struct FormatMxfp4 : Offset<4> {
  static constexpr CellLayout layout = {0, 16 + 256, 1};
  static void read(const Tile& tile, std::size_t c, Cell& out) {
    // kMxfp4Doubled + 16.
    static constexpr std::uint8_t kTable[16] = {16, 17, 18, 19, 20, 22, 24, 28,
                                                16, 15, 14, 13, 12, 10, 8,  4};
    const std::byte* at = tile.at + c * layout.cell;
    // 2^(e-128) as f32 bits; below the normal range the value is a zero for every purpose.
    const Ints exponent = load_u8(at);
    out.scale = mul(as_floats(shift_left<23>(exponent)), all(0.5F));
    load_nibbles(at + 16, out);
    for (Ints& w : out.w) w = look_up(kTable, w);
  }
};

struct FormatQ8_0 : Offset<7> {
  static constexpr CellLayout layout = {0, 32 + 512, 1};
  static void read(const Tile& tile, std::size_t c, Cell& out) {
    const std::byte* at = tile.at + c * layout.cell;
    out.scale = load_f16(at);
    for (std::size_t j = 0; j < 8; ++j) out.w[j] = load_i(at + 32 + 64 * j);
  }
  static Ints dot(const Cell& cell, const Int8Rows& x, std::size_t t, std::size_t c) {
    Ints sum = shift_left<7>(all_i(x.minus_sum[t * x.blocks + c]));
    const std::int8_t* q = x.q + t * x.stride + 32 * c;
    for (std::size_t j = 0; j < 8; ++j) {
      std::int32_t four = 0;
      std::memcpy(&four, q + 4 * j, 4);
      sum = dot4_wide(sum, cell.w[j], all_i(four));
    }
    return sum;
  }
};

// Formats whose value is scale * w + min.
struct WithMin {
  static constexpr bool has_min = true;
  struct Cell : Weights {
    Floats min;
  };
  static Ints dot(const Cell& cell, const Int8Rows& x, std::size_t t, std::size_t c) {
    return column_dot(cell, 0, 8, x.q + t * x.stride + 32 * c, all_i(0));
  }
};

struct FormatQ4_1 : WithMin {
  static constexpr CellLayout layout = {0, 64 + 256, 1};
  static void read(const Tile& tile, std::size_t c, Cell& out) {
    const std::byte* at = tile.at + c * layout.cell;
    out.scale = load_f16(at);
    out.min = load_f16(at + 32);
    load_nibbles(at + 64, out);
  }
};

inline void read_k_scales(const std::byte* header, const std::byte* cell, WithMin::Cell& out) {
  out.scale = mul(load_f16(header), to_floats(load_u8(cell)));
  out.min = sub(zeros(), mul(load_f16(header + 32), to_floats(load_u8(cell + 16))));
}

struct FormatQ4_K : WithMin {
  static constexpr CellLayout layout = {64, 32 + 256, 8};
  static void read(const Tile& tile, std::size_t c, Cell& out) {
    const std::byte* at = tile.cell(layout, c);
    read_k_scales(tile.header(layout, c), at, out);
    load_nibbles(at + 32, out);
  }
};

// Bit s of each byte, moved to bit 4.
template <int s>
Ints fifth_bit(const Ints& high) {
  const Ints mask = all_i(0x10101010);
  if constexpr (s < 4) {
    return bits_and(shift_left<4 - s>(high), mask);
  } else {
    return bits_and(shift_right<s - 4>(high), mask);
  }
}

struct FormatQ5_K : WithMin {
  static constexpr CellLayout layout = {64, 32 + 256 + 64, 8};
  static void read(const Tile& tile, std::size_t c, Cell& out) {
    const std::byte* at = tile.cell(layout, c);
    read_k_scales(tile.header(layout, c), at, out);
    load_nibbles(at + 32, out);
    const Ints high = load_i(at + 32 + 256);
    out.w[0] = bits_or(out.w[0], fifth_bit<0>(high));
    out.w[1] = bits_or(out.w[1], fifth_bit<1>(high));
    out.w[2] = bits_or(out.w[2], fifth_bit<2>(high));
    out.w[3] = bits_or(out.w[3], fifth_bit<3>(high));
    out.w[4] = bits_or(out.w[4], fifth_bit<4>(high));
    out.w[5] = bits_or(out.w[5], fifth_bit<5>(high));
    out.w[6] = bits_or(out.w[6], fifth_bit<6>(high));
    out.w[7] = bits_or(out.w[7], fifth_bit<7>(high));
  }
};

struct FormatQ6_K {
  static constexpr bool has_min = false;
  static constexpr CellLayout layout = {32, 32 + 256 + 128, 8};
  struct Cell : Weights {
    Ints first;  // scale of columns 0..15
    Ints second;
  };
  static void add_pairs(const Ints& high, Ints* w) {
    const Ints mask = all_i(0x30303030);
    w[0] = bits_or(w[0], bits_and(shift_left<4>(high), mask));
    w[1] = bits_or(w[1], bits_and(shift_left<2>(high), mask));
    w[2] = bits_or(w[2], bits_and(high, mask));
    w[3] = bits_or(w[3], bits_and(shift_right<2>(high), mask));
  }
  static void read(const Tile& tile, std::size_t c, Cell& out) {
    const std::byte* at = tile.cell(layout, c);
    out.scale = load_f16(tile.header(layout, c));
    out.first = load_i8(at);
    out.second = load_i8(at + 16);
    load_nibbles(at + 32, out);
    add_pairs(load_i(at + 32 + 256), out.w);
    add_pairs(load_i(at + 32 + 256 + 64), out.w + 4);
  }
  static Ints dot(const Cell& cell, const Int8Rows& x, std::size_t t, std::size_t c) {
    const std::int8_t* q = x.q + t * x.stride + 32 * c;
    const std::int32_t* sums = x.half_sum + 2 * (t * x.blocks + c);
    const Ints a = column_dot(cell, 0, 4, q, shift_left<5>(all_i(sums[0])));
    const Ints b = column_dot(cell, 4, 8, q, shift_left<5>(all_i(sums[1])));
    return add_i(mul_i(a, cell.first), mul_i(b, cell.second));
  }
};

template <class Format, std::size_t n>
void int8_tile(const Tile& tile, const MatmulArgs& args, const Int8Rows& x, float* out) {
  Floats sum[n];
  for (Floats& s : sum) s = zeros();
  const std::size_t cells = (args.columns + kCellColumns - 1) / kCellColumns;
  const std::size_t blocks = x.blocks;
  for (std::size_t c = 0; c < cells; ++c) {
    typename Format::Cell cell;
    Format::read(tile, c, cell);
    for (std::size_t t = 0; t < n; ++t) {
      const Ints dot = Format::dot(cell, x, t, c);
      sum[t] = fma(to_floats(dot), mul(cell.scale, all(x.scale[t * blocks + c])), sum[t]);
      if constexpr (Format::has_min) {
        sum[t] = fma(cell.min, all(x.scaled_sum[t * blocks + c]), sum[t]);
      }
    }
  }
  for (std::size_t t = 0; t < n; ++t) store(out + t * args.out_stride, sum[t]);
}

// Types whose weights are floats already.
struct FormatF32 {
  static constexpr std::size_t width = 4;
  static Floats column(const std::byte* at) { return load(reinterpret_cast<const float*>(at)); }
};
struct FormatF16 {
  static constexpr std::size_t width = 2;
  static Floats column(const std::byte* at) { return load_f16(at); }
};
struct FormatBf16 {
  static constexpr std::size_t width = 2;
  static Floats column(const std::byte* at) { return as_floats(shift_left<16>(load_u16(at))); }
};

template <class Format, std::size_t n>
void float_tile(const Tile& tile, const MatmulArgs& args, const FloatRows& x, float* out) {
  // Two sums a token, of even and odd columns: a single one would wait for each addition.
  Floats even[n];
  Floats odd[n];
  for (std::size_t t = 0; t < n; ++t) even[t] = odd[t] = zeros();
  const std::size_t columns = (args.columns + 1) / 2 * 2;
  for (std::size_t k = 0; k < columns; k += 2) {
    const Floats w0 = Format::column(tile.at + k * 16 * Format::width);
    const Floats w1 = Format::column(tile.at + (k + 1) * 16 * Format::width);
    for (std::size_t t = 0; t < n; ++t) {
      even[t] = fma(w0, all(x.x[t * x.stride + k]), even[t]);
      odd[t] = fma(w1, all(x.x[t * x.stride + k + 1]), odd[t]);
    }
  }
  for (std::size_t t = 0; t < n; ++t) store(out + t * args.out_stride, add(even[t], odd[t]));
}

template <class Format, std::size_t n>
void int8_tokens(const MatmulArgs& args, const Tile& tile, float* out, std::size_t& t) {
  for (; t + n <= args.tokens; t += n) {
    int8_tile<Format, n>(tile, args, args.int8.from(t), out + t * args.out_stride);
  }
}

template <class Format>
std::size_t tile_bytes(std::size_t columns) {
  const CellLayout layout = Format::layout;
  const std::size_t cells = (columns + kCellColumns - 1) / kCellColumns;
  const std::size_t headers = (cells + layout.cells_a_header - 1) / layout.cells_a_header;
  return headers * layout.header + cells * layout.cell;
}

template <class Format>
void int8_matmul(const MatmulArgs& args) {
  const std::size_t bytes = tile_bytes<Format>(args.columns);
  for (std::size_t i = args.first; i < args.last; ++i) {
    const Tile tile = {args.slice + i * bytes};
    float* out = args.out + (i - args.out_tile) * kTileRows;
    std::size_t t = 0;
    if constexpr (kMaxTokens > 8) int8_tokens<Format, kMaxTokens>(args, tile, out, t);
    if constexpr (kMaxTokens > 4) int8_tokens<Format, 8>(args, tile, out, t);
    int8_tokens<Format, 4>(args, tile, out, t);
    int8_tokens<Format, 2>(args, tile, out, t);
    int8_tokens<Format, 1>(args, tile, out, t);
  }
}

template <class Format, std::size_t n>
void float_tokens(const MatmulArgs& args, const Tile& tile, float* out, std::size_t& t) {
  for (; t + n <= args.tokens; t += n) {
    const FloatRows x = {args.floats.x + t * args.floats.stride, args.floats.stride};
    float_tile<Format, n>(tile, args, x, out + t * args.out_stride);
  }
}

template <class Format>
void float_matmul(const MatmulArgs& args) {
  const std::size_t cells = (args.columns + kCellColumns - 1) / kCellColumns;
  const std::size_t bytes = cells * kCellColumns * kTileRows * Format::width;
  for (std::size_t i = args.first; i < args.last; ++i) {
    const Tile tile = {args.slice + i * bytes};
    float* out = args.out + (i - args.out_tile) * kTileRows;
    std::size_t t = 0;
    if constexpr (kMaxTokens > 4) float_tokens<Format, 8>(args, tile, out, t);
    float_tokens<Format, 4>(args, tile, out, t);
    float_tokens<Format, 1>(args, tile, out, t);
  }
}

inline void matmul(TensorType type, const MatmulArgs& args) {
  switch (type) {
    case TensorType::q4_0:
      return int8_matmul<FormatQ4_0>(args);
    case TensorType::q4_1:
      return int8_matmul<FormatQ4_1>(args);
    case TensorType::q8_0:
      return int8_matmul<FormatQ8_0>(args);
    case TensorType::q4_k:
      return int8_matmul<FormatQ4_K>(args);
    case TensorType::q5_k:
      return int8_matmul<FormatQ5_K>(args);
    case TensorType::q6_k:
      return int8_matmul<FormatQ6_K>(args);
    case TensorType::mxfp4:
      return int8_matmul<FormatMxfp4>(args);
    case TensorType::f32:
      return float_matmul<FormatF32>(args);
    case TensorType::f16:
      return float_matmul<FormatF16>(args);
    case TensorType::bf16:
      return float_matmul<FormatBf16>(args);
  }
}

}  // namespace
}  // namespace jevons::engine
