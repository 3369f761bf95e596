#include "local_engine/weight_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "local_engine/pack.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t memory_limit() {
  if (const std::size_t available = available_bytes("/proc/meminfo"); available > 0) {
    return available;
  }
  return static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

std::size_t available_bytes(const char* meminfo_path) {
  std::ifstream file(meminfo_path);
  for (std::string word; file >> word;) {
    std::size_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) return kib * 1024;
  }
  return 0;
}

WeightMemory::WeightMemory(WeightMemory&& other) noexcept { *this = std::move(other); }

WeightMemory& WeightMemory::operator=(WeightMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

WeightMemory::~WeightMemory() {
  if (data_ != nullptr) munmap(data_, mapped_);
}

EngineResult<WeightMemory> WeightMemory::allocate(std::size_t bytes) {
  const std::size_t rounded = round_up(bytes + 1, kHugePage);
  // Pages are taken as experts are packed, long after this; better refused here than killed then.
  if (const std::size_t limit = memory_limit(); rounded > limit) {
    return EngineError(EngineFault::overloaded,
                       "the weights need " + std::to_string(rounded >> 20U) +
                           " MiB of memory, this machine has " + std::to_string(limit >> 20U) +
                           " MiB available");
  }
  // Huge pages need their alignment, which mmap does not promise: map more and cut.
  void* raw = mmap(nullptr, rounded + kHugePage, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) {
    return EngineError(EngineFault::io,
                       std::string("cannot map memory for the weights: ") + std::strerror(errno));
  }
  auto* start = static_cast<std::byte*>(raw);
  const std::size_t skip = round_up(reinterpret_cast<std::uintptr_t>(start), kHugePage) -
                           reinterpret_cast<std::uintptr_t>(start);
  if (skip > 0) munmap(start, skip);
  if (skip < kHugePage) munmap(start + skip + rounded, kHugePage - skip);
  madvise(start + skip, rounded, MADV_HUGEPAGE);
  return WeightMemory(start + skip, bytes, rounded);
}

}  // namespace jevons::engine
