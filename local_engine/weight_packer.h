// Packs weights from the model file into their place in memory when they prove to be needed. The
// first visit of a slice is served from the file itself (forward.cpp packs a few tiles at a time
// into its cache and forgets them); the second packs it for good, as does idle time. So a model
// answers long before all of it has been read, and no token waits for memory that it needs once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "local_engine/pack.h"
#include "local_engine/threadpool.h"

namespace jevons::engine {

// Not thread-safe: only the thread that runs the forward pass calls it; the pool's threads work for
// it within a call, and read `pending` of matrices between calls.
class WeightPacker {
 public:
  // `matrix.data` points to where its packed slices belong, which is `to`; `source` are its slices
  // as they lie in the file, pages of a mapping if `mapped`. All must outlive the packer, and the
  // packer the use of the matrix.
  void add(Matrix& matrix, const std::byte* source, std::byte* to, bool mapped);

  // No slice is left in the file's layout.
  bool finished() const { return left_ == 0; }
  std::size_t left() const { return left_; }  // slices
  // Largest packed tile of all matrices that were added; the unit of tiles_at()'s scratch.
  std::size_t tile_bytes_max() const { return tile_bytes_max_; }

  // Says that the coming region reads this slice. Then, before it, pack_due().
  void visit(const Matrix& matrix, std::size_t slice);
  // Packs the slices that were visited before.
  void pack_due(ThreadPool& pool);
  // Packs some megabytes more of what is left, in order of add(); their number of bytes, 0 if
  // nothing was left.
  std::size_t pack_next(ThreadPool& pool);

 private:
  struct Job {
    Matrix matrix;
    PendingSlices pending;
    std::byte* to = nullptr;
    bool mapped = false;
  };
  void pack_tiles_of(Job& job, std::size_t slice, std::size_t first, std::size_t last,
                     ThreadPool& pool);
  void done(Job& job, std::size_t slice);

  std::deque<Job> jobs_;                                  // a deque: matrices point into it
  std::vector<std::pair<std::size_t, std::size_t>> due_;  // job, slice
  std::size_t left_ = 0;
  std::size_t tile_bytes_max_ = 0;
  // Where pack_next() is.
  std::size_t next_job_ = 0;
  std::size_t next_slice_ = 0;
  std::size_t next_tile_ = 0;
};

// Tiles [first, last) of a slice, ready to multiply: where they are packed, or packed into
// `scratch` for now. `scratch` has room for last - first tiles.
const std::byte* tiles_at(const Matrix& matrix, std::size_t slice, std::size_t first,
                          std::size_t last, std::byte* scratch);

}  // namespace jevons::engine
