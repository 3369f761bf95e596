#include "local_engine/weight_packer.h"

#include <sys/mman.h>

#include <algorithm>

namespace jevons::engine {
namespace {

// About 100 us of packing, without the waits for fresh memory and for the file.
constexpr std::size_t kTilesAChunk = 8;
// Of one pack_next(): what comes meanwhile waits for it.
constexpr std::size_t kAheadBytes = std::size_t{8} << 20;

// The packed copy is what runs; the file's pages stay in the page cache for the next start, but
// need not be mapped here, so that the system is free to drop them.
void forget_slice(const PendingSlices& pending, std::size_t slice) {
  constexpr std::uintptr_t kPage = 4096;
  const auto begin = reinterpret_cast<std::uintptr_t>(pending.source + slice * pending.slice_bytes);
  const std::uintptr_t first = round_up(begin, kPage);
  const std::uintptr_t last = (begin + pending.slice_bytes) / kPage * kPage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

}  // namespace

void WeightPacker::add(Matrix& matrix, const std::byte* source, std::byte* to, bool mapped) {
  Job& job = jobs_.emplace_back();
  job.pending.source = source;
  job.pending.slice_bytes = row_bytes(matrix.type, matrix.columns) * matrix.rows;
  job.pending.states.assign(matrix.count, PendingSlices::State::untouched);
  job.pending.job = jobs_.size() - 1;
  matrix.pending = &job.pending;
  job.matrix = matrix;
  job.to = to;
  job.mapped = mapped;
  left_ += matrix.count;
  tile_bytes_max_ = std::max(tile_bytes_max_, packed_tile_bytes(matrix.type, matrix.columns));
}

void WeightPacker::visit(const Matrix& matrix, std::size_t slice) {
  if (matrix.pending == nullptr) return;
  PendingSlices& pending = jobs_[matrix.pending->job].pending;
  PendingSlices::State& state = pending.states[slice];
  if (state == PendingSlices::State::untouched) {
    state = PendingSlices::State::visited;
  } else if (state == PendingSlices::State::visited) {
    state = PendingSlices::State::due;
    due_.emplace_back(pending.job, slice);
  }
}

void WeightPacker::pack_due(ThreadPool& pool) {
  for (const auto& [index, slice] : due_) {
    Job& job = jobs_[index];
    pack_tiles_of(job, slice, 0, job.matrix.tiles(), pool);
    done(job, slice);
  }
  due_.clear();
}

std::size_t WeightPacker::pack_next(ThreadPool& pool) {
  for (; next_job_ < jobs_.size(); ++next_job_, next_slice_ = 0) {
    Job& job = jobs_[next_job_];
    for (; next_slice_ < job.matrix.count; ++next_slice_, next_tile_ = 0) {
      if (job.pending.states[next_slice_] == PendingSlices::State::packed) continue;
      const std::size_t tile_bytes = packed_tile_bytes(job.matrix.type, job.matrix.columns);
      const std::size_t step = std::max(kTilesAChunk, kAheadBytes / tile_bytes);
      const std::size_t last = std::min(job.matrix.tiles(), next_tile_ + step);
      const std::size_t bytes = (last - next_tile_) * tile_bytes;
      pack_tiles_of(job, next_slice_, next_tile_, last, pool);
      next_tile_ = last;
      if (last == job.matrix.tiles()) done(job, next_slice_);
      return bytes;
    }
  }
  return 0;
}

void WeightPacker::pack_tiles_of(Job& job, std::size_t slice, std::size_t first, std::size_t last,
                                 ThreadPool& pool) {
  const Matrix& m = job.matrix;
  const std::byte* source = job.pending.source + slice * job.pending.slice_bytes;
  std::byte* to = job.to + slice * m.slice_bytes();
  pool.run_slow((last - first + kTilesAChunk - 1) / kTilesAChunk, [&](std::size_t i, unsigned) {
    const std::size_t begin = first + i * kTilesAChunk;
    pack_tiles(m.type, m.rows, m.columns, source, begin, std::min(last, begin + kTilesAChunk), to);
  });
}

void WeightPacker::done(Job& job, std::size_t slice) {
  job.pending.states[slice] = PendingSlices::State::packed;
  --left_;
  if (job.mapped) forget_slice(job.pending, slice);
}

const std::byte* tiles_at(const Matrix& matrix, std::size_t slice, std::size_t first,
                          std::size_t last, std::byte* scratch) {
  if (matrix.is_packed(slice)) {
    return matrix.slice(slice) + first * packed_tile_bytes(matrix.type, matrix.columns);
  }
  const std::size_t skipped = first * kTileRows;
  const std::byte* rows = matrix.pending->source + slice * matrix.pending->slice_bytes +
                          skipped * row_bytes(matrix.type, matrix.columns);
  pack_tiles(matrix.type, matrix.rows - skipped, matrix.columns, rows, 0, last - first, scratch);
  return scratch;
}

}  // namespace jevons::engine
