#include "local_engine/pack.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace jevons::engine {
namespace {

using Bytes32 = std::array<std::uint8_t, 32>;

// Row r's 4 bytes of dword `dword` of a plane.
std::byte* lane(std::byte* plane, std::size_t dword, std::size_t r) {
  return plane + dword * 64 + r * 4;
}

// 16 bytes, two nibbles each (columns 0..15 low, 16..31 high), into a plane of 4 registers.
void put_nibbles(std::byte* plane, std::size_t r, const std::uint8_t* qs) {
  for (std::size_t j = 0; j < 4; ++j) std::memcpy(lane(plane, j, r), qs + 4 * j, 4);
}

void put_values(std::byte* plane, std::size_t r, const Bytes32& q) {
  std::array<std::uint8_t, 16> nibbles{};
  for (std::size_t k = 0; k < 16; ++k) {
    nibbles[k] = static_cast<std::uint8_t>((q[k] & 15U) | ((q[k + 16] & 15U) << 4U));
  }
  put_nibbles(plane, r, nibbles.data());
}

template <class T>
void put(std::byte* at, std::size_t r, T value) {
  std::memcpy(at + r * sizeof(T), &value, sizeof(T));
}

template <class Block>
Block block_at(const std::byte* row, std::size_t index) {
  Block block;
  std::memcpy(&block, row + index * sizeof(Block), sizeof(Block));
  return block;
}

// One row's part of cell `c`. `header` is the super-block's, unused by the small formats.
void pack_q4_0(const std::byte* row, std::size_t c, std::byte*, std::byte* cell, std::size_t r) {
  const auto block = block_at<BlockQ4_0>(row, c);
  put(cell, r, block.d);
  put_nibbles(cell + 32, r, block.qs);
}

void pack_q4_1(const std::byte* row, std::size_t c, std::byte*, std::byte* cell, std::size_t r) {
  const auto block = block_at<BlockQ4_1>(row, c);
  put(cell, r, block.d);
  put(cell + 32, r, block.m);
  put_nibbles(cell + 64, r, block.qs);
}

void pack_mxfp4(const std::byte* row, std::size_t c, std::byte*, std::byte* cell, std::size_t r) {
  const auto block = block_at<BlockMxfp4>(row, c);
  put(cell, r, block.e);
  put_nibbles(cell + 16, r, block.qs);
}

void pack_q8_0(const std::byte* row, std::size_t c, std::byte*, std::byte* cell, std::size_t r) {
  const auto block = block_at<BlockQ8_0>(row, c);
  put(cell, r, block.d);
  for (std::size_t j = 0; j < 8; ++j) {
    std::uint32_t word = 0;
    std::memcpy(&word, block.qs + 4 * j, 4);
    word ^= 0x80808080U;  // unsigned, as the dot instruction wants it: value + 128
    std::memcpy(lane(cell + 32, j, r), &word, 4);
  }
}

// Group g of a K-quant's nibbles: columns 0..15 low and 16..31 high, eight bytes at a time.
void put_group(std::byte* plane, std::size_t r, const std::uint8_t* qs, std::size_t g) {
  constexpr std::uint64_t kLow = 0x0F0F0F0F0F0F0F0FULL;
  const std::uint8_t* from = qs + 32 * (g / 2);
  const unsigned shift = g % 2 == 0 ? 0U : 4U;
  std::array<std::uint8_t, 16> nibbles{};
  for (std::size_t i = 0; i < 16; i += 8) {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::memcpy(&first, from + i, 8);
    std::memcpy(&second, from + 16 + i, 8);
    const std::uint64_t both = ((first >> shift) & kLow) | (((second >> shift) & kLow) << 4U);
    std::memcpy(nibbles.data() + i, &both, 8);
  }
  put_nibbles(plane, r, nibbles.data());
}

void pack_q4_k(const std::byte* row, std::size_t c, std::byte* header, std::byte* cell,
               std::size_t r) {
  const auto block = block_at<BlockQ4_K>(row, c / 8);
  put(header, r, block.d);
  put(header + 32, r, block.dmin);
  const ScaleMin sm = scale_min_k4(c % 8, block.scales);
  put(cell, r, sm.scale);
  put(cell + 16, r, sm.min);
  put_group(cell + 32, r, block.qs, c % 8);
}

void pack_q5_k(const std::byte* row, std::size_t c, std::byte* header, std::byte* cell,
               std::size_t r) {
  const auto block = block_at<BlockQ5_K>(row, c / 8);
  const std::size_t g = c % 8;
  put(header, r, block.d);
  put(header + 32, r, block.dmin);
  const ScaleMin sm = scale_min_k4(g, block.scales);
  put(cell, r, sm.scale);
  put(cell + 16, r, sm.min);
  put_group(cell + 32, r, block.qs, g);
  // One register of fifth bits: bit s of byte b belongs to column 4 s + b.
  std::array<std::uint8_t, 4> high{};
  for (std::size_t l = 0; l < 32; ++l) {
    const unsigned bit = (block.qh[l] >> g) & 1U;
    high[l % 4] = static_cast<std::uint8_t>(high[l % 4] | (bit << (l / 4)));
  }
  std::memcpy(lane(cell + 32 + 256, 0, r), high.data(), 4);
}

// The six bits of value 0..255 of a Q6_K block, unsigned (value + 32).
std::uint8_t q6_value(const BlockQ6_K& block, std::size_t i) {
  const std::size_t half = i / 128;
  const std::size_t quarter = i % 128 / 32;
  const std::size_t l = i % 32;
  const unsigned low = block.ql[64 * half + 32 * (quarter % 2) + l] >> (quarter / 2 * 4);
  const unsigned high = block.qh[32 * half + l] >> (2 * quarter);
  return static_cast<std::uint8_t>((low & 15U) | ((high & 3U) << 4U));
}

void pack_q6_k(const std::byte* row, std::size_t c, std::byte* header, std::byte* cell,
               std::size_t r) {
  const auto block = block_at<BlockQ6_K>(row, c / 8);
  const std::size_t g = c % 8;
  put(header, r, block.d);
  put(cell, r, block.scales[2 * g]);
  put(cell + 16, r, block.scales[2 * g + 1]);
  Bytes32 q{};
  for (std::size_t l = 0; l < 32; ++l) q[l] = q6_value(block, 32 * g + l);
  put_values(cell + 32, r, q);
  // Two registers of upper bit pairs: pair s of byte b of register i belongs to column 16 i + 4 s +
  // b.
  std::array<std::uint8_t, 8> high{};
  for (std::size_t l = 0; l < 32; ++l) {
    auto& to = high[l / 16 * 4 + l % 4];
    to = static_cast<std::uint8_t>(to | ((q[l] >> 4U) << (2 * (l % 16 / 4))));
  }
  std::memcpy(lane(cell + 32 + 256, 0, r), high.data(), 4);
  std::memcpy(lane(cell + 32 + 256, 1, r), high.data() + 4, 4);
}

template <class T>
void pack_wide(const std::byte* row, std::size_t columns, std::size_t c, std::byte* cell,
               std::size_t r) {
  const std::size_t first = c * kCellColumns;
  const std::size_t last = std::min(columns, first + kCellColumns);
  for (std::size_t k = first; k < last; ++k) {
    std::memcpy(cell + ((k - first) * kTileRows + r) * sizeof(T), row + k * sizeof(T), sizeof(T));
  }
}

using PackCell = void (*)(const std::byte*, std::size_t, std::byte*, std::byte*, std::size_t);

PackCell pack_cell(TensorType type) {
  switch (type) {
    case TensorType::q4_0:
      return pack_q4_0;
    case TensorType::q4_1:
      return pack_q4_1;
    case TensorType::q8_0:
      return pack_q8_0;
    case TensorType::q4_k:
      return pack_q4_k;
    case TensorType::q5_k:
      return pack_q5_k;
    case TensorType::q6_k:
      return pack_q6_k;
    case TensorType::mxfp4:
      return pack_mxfp4;
    case TensorType::f32:
    case TensorType::f16:
    case TensorType::bf16:
      break;
  }
  return nullptr;
}

void pack_row(TensorType type, std::size_t columns, const std::byte* row, std::byte* tile,
              std::size_t r) {
  const CellLayout layout = cell_layout(type);
  const std::size_t group = layout.header + layout.cells_a_header * layout.cell;
  const PackCell pack = pack_cell(type);
  for (std::size_t c = 0; c < (columns + kCellColumns - 1) / kCellColumns; ++c) {
    std::byte* header = tile + c / layout.cells_a_header * group;
    std::byte* cell = header + layout.header + c % layout.cells_a_header * layout.cell;
    if (pack != nullptr) {
      pack(row, c, header, cell, r);
    } else if (type == TensorType::f32) {
      pack_wide<std::uint32_t>(row, columns, c, cell, r);
    } else {
      pack_wide<std::uint16_t>(row, columns, c, cell, r);
    }
  }
}

}  // namespace

CellLayout cell_layout(TensorType type) {
  switch (type) {
    case TensorType::q4_0:
      return {0, 32 + 256, 1};
    case TensorType::q4_1:
      return {0, 64 + 256, 1};
    case TensorType::q8_0:
      return {0, 32 + 512, 1};
    case TensorType::mxfp4:
      return {0, 16 + 256, 1};
    case TensorType::q4_k:
      return {64, 32 + 256, 8};
    case TensorType::q5_k:
      return {64, 32 + 256 + 64, 8};
    case TensorType::q6_k:
      return {32, 32 + 256 + 128, 8};
    case TensorType::f32:
      return {0, kCellColumns * kTileRows * 4, 1};
    case TensorType::f16:
    case TensorType::bf16:
      return {0, kCellColumns * kTileRows * 2, 1};
  }
  return {};
}

bool takes_int8(TensorType type) { return pack_cell(type) != nullptr; }

std::size_t packed_tile_bytes(TensorType type, std::size_t columns) {
  const CellLayout layout = cell_layout(type);
  const std::size_t cells = (columns + kCellColumns - 1) / kCellColumns;
  const std::size_t headers = (cells + layout.cells_a_header - 1) / layout.cells_a_header;
  return headers * layout.header + cells * layout.cell;
}

std::size_t packed_bytes(TensorType type, std::size_t rows, std::size_t columns) {
  const std::size_t tiles = (rows + kTileRows - 1) / kTileRows;
  return round_up(tiles * packed_tile_bytes(type, columns), 64);
}

void pack_tiles(TensorType type, std::size_t rows, std::size_t columns, const std::byte* rows_data,
                std::size_t first, std::size_t last, std::byte* out) {
  const std::size_t tile_bytes = packed_tile_bytes(type, columns);
  const std::size_t in_bytes = row_bytes(type, columns);
  const bool ragged = columns % kCellColumns != 0;
  for (std::size_t t = first; t < last; ++t) {
    std::byte* tile = out + t * tile_bytes;
    const std::size_t here = std::min(kTileRows, rows - t * kTileRows);
    if (here < kTileRows || ragged) std::memset(tile, 0, tile_bytes);
    for (std::size_t r = 0; r < here; ++r) {
      pack_row(type, columns, rows_data + (t * kTileRows + r) * in_bytes, tile, r);
    }
  }
}

}  // namespace jevons::engine
