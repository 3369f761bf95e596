#include "local_engine/weight_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "local_engine/pack.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kPage = 4096;

// Last page of a cache file: it is complete, and for whom.
struct Trailer {
  char magic[16] = {'j', 'e', 'v', 'o', 'n', 's', ' ', 'p',
                    'a', 'c', 'k', 'e', 'd', ' ', '1', '\n'};
  std::uint64_t bytes = 0;
  std::uint64_t key = 0;
};

EngineError system_error(const std::string& what) {
  return {EngineFault::io, what + ": " + std::strerror(errno)};
}

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

WeightMemory::WeightMemory(WeightMemory&& other) noexcept { *this = std::move(other); }

WeightMemory& WeightMemory::operator=(WeightMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  std::swap(temporary_, other.temporary_);
  return *this;
}

WeightMemory::~WeightMemory() {
  if (data_ != nullptr) munmap(data_, mapped_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

EngineResult<WeightMemory> WeightMemory::allocate(std::size_t bytes) {
  const std::size_t rounded = round_up(bytes + 1, kHugePage);
  const auto pages = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES));
  if (rounded / kPage > pages) {
    return EngineError(EngineFault::overloaded, "the weights need " + std::to_string(bytes >> 20U) +
                                                    " MiB of memory, this machine has " +
                                                    std::to_string(pages * kPage >> 20U) + " MiB");
  }
  // Huge pages need their alignment, which mmap does not promise: map more and cut.
  void* raw = mmap(nullptr, rounded + kHugePage, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return system_error("cannot map memory for the weights");
  auto* start = static_cast<std::byte*>(raw);
  const std::size_t skip = round_up(reinterpret_cast<std::uintptr_t>(start), kHugePage) -
                           reinterpret_cast<std::uintptr_t>(start);
  if (skip > 0) munmap(start, skip);
  if (skip < kHugePage) munmap(start + skip + rounded, kHugePage - skip);
  madvise(start + skip, rounded, MADV_HUGEPAGE);
  return WeightMemory(start + skip, bytes, rounded);
}

EngineResult<WeightMemory> WeightMemory::open_cache(const std::string& path, std::size_t bytes,
                                                    std::uint64_t key) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return system_error("cannot open " + path);
  const std::size_t body = round_up(bytes, kPage);
  struct stat info = {};
  if (fstat(file.fd, &info) != 0) return system_error("cannot read " + path);
  Trailer found;
  const bool whole = static_cast<std::size_t>(info.st_size) == body + kPage &&
                     pread(file.fd, &found, sizeof(found), static_cast<off_t>(body)) ==
                         static_cast<ssize_t>(sizeof(found));
  const bool ours = whole && std::memcmp(found.magic, Trailer().magic, sizeof(found.magic)) == 0 &&
                    found.bytes == bytes && found.key == key;
  if (!ours) return EngineError(EngineFault::io, path + " belongs to another model or version");
  void* at = mmap(nullptr, body + kPage, PROT_READ, MAP_SHARED, file.fd, 0);
  if (at == MAP_FAILED) return system_error("cannot map " + path);
  madvise(at, body, MADV_HUGEPAGE);  // where the file system can
  return WeightMemory(static_cast<std::byte*>(at), bytes, body + kPage);
}

EngineResult<WeightMemory> WeightMemory::create_cache(const std::string& path, std::size_t bytes) {
  const std::string temporary = path + "." + std::to_string(getpid()) + ".tmp";
  const Descriptor file{open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (file.fd < 0) return system_error("cannot create " + temporary);
  const std::size_t whole = round_up(bytes, kPage) + kPage;
  // Reserved now: a full disk must be an error here, not a signal in the middle of packing.
  const int failed = posix_fallocate(file.fd, 0, static_cast<off_t>(whole));
  void* at = failed != 0 ? MAP_FAILED
                         : mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd, 0);
  if (at == MAP_FAILED) {
    if (failed != 0) errno = failed;
    const EngineError error = system_error("cannot reserve " + temporary);
    unlink(temporary.c_str());
    return error;
  }
  WeightMemory out(static_cast<std::byte*>(at), bytes, whole);
  out.temporary_ = temporary;
  return out;
}

EngineResult<void> WeightMemory::finish_cache(const std::string& path, std::uint64_t key) {
  Trailer trailer;
  trailer.bytes = size_;
  trailer.key = key;
  std::memcpy(data_ + mapped_ - kPage, &trailer, sizeof(trailer));
  mprotect(data_, mapped_, PROT_READ);
  if (rename(temporary_.c_str(), path.c_str()) != 0) {
    return system_error("cannot rename " + temporary_);
  }
  temporary_.clear();
  return {};
}

}  // namespace jevons::engine
