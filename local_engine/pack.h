// Weights as the CPU kernels read them. A matrix is cut into tiles of 16 rows, a tile into cells of
// 32 columns; a cell holds the same four columns of all 16 rows side by side, so that one 64-byte
// register carries 16 rows and a dot product needs no horizontal sum. Bytes per weight stay those
// of the file (Q4_K and Q5_K: 3 % more, as their 6-bit scales become bytes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "local_engine/quant.h"

namespace jevons::engine {

inline constexpr std::size_t kTileRows = 16;
inline constexpr std::size_t kCellColumns = 32;

constexpr std::size_t round_up(std::size_t n, std::size_t step) {
  return (n + step - 1) / step * step;
}

// Bytes of one cell, the share of its super-block's header included where there is one.
struct CellLayout {
  std::size_t header = 0;          // of a super-block, before its cells
  std::size_t cell = 0;            // without the header
  std::size_t cells_a_header = 1;  // 8 for the K-quants
};
CellLayout cell_layout(TensorType type);

// True for the types whose kernels take int8 activations; the others take f32.
bool takes_int8(TensorType type);

// Bytes of a packed tile of `columns` columns.
std::size_t packed_tile_bytes(TensorType type, std::size_t columns);
// Bytes of one packed matrix; a multiple of 64.
std::size_t packed_bytes(TensorType type, std::size_t rows, std::size_t columns);

// Slices of a matrix that may still lie in the file's own layout. States change only while nobody
// multiplies.
struct PendingSlices {
  enum class State : std::uint8_t { untouched, visited, due, packed };

  const std::byte* source = nullptr;  // slice 0 in the file
  std::size_t slice_bytes = 0;        // there
  std::vector<State> states;          // one a slice
  std::size_t job = 0;                // of WeightPacker
};

// A packed matrix of `count` equal slices (the experts of a layer; 1 for an ordinary matrix). Does
// not own its bytes.
struct Matrix {
  TensorType type = TensorType::f32;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t count = 1;
  const std::byte* data = nullptr;
  const PendingSlices* pending = nullptr;  // null: all slices are packed

  explicit operator bool() const { return data != nullptr; }
  std::size_t tiles() const { return (rows + kTileRows - 1) / kTileRows; }
  std::size_t cells() const { return (columns + kCellColumns - 1) / kCellColumns; }
  std::size_t slice_bytes() const { return packed_bytes(type, rows, columns); }
  bool is_packed(std::size_t index) const {
    return pending == nullptr || pending->states[index] == PendingSlices::State::packed;
  }
  const std::byte* slice(std::size_t index) const { return data + index * slice_bytes(); }
};

// Packs tiles [first, last) of one slice: `rows_data` is the slice as it lies in the file, `out`
// the packed slice. Rows beyond the matrix and columns beyond a row become zeros.
void pack_tiles(TensorType type, std::size_t rows, std::size_t columns, const std::byte* rows_data,
                std::size_t first, std::size_t last, std::byte* out);

}  // namespace jevons::engine
