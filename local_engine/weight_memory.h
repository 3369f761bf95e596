// Memory for packed weights: anonymous with huge pages, or a cache file that the next start maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "local_engine/status.h"

namespace jevons::engine {

class WeightMemory {
 public:
  WeightMemory() = default;
  WeightMemory(WeightMemory&& other) noexcept;
  WeightMemory& operator=(WeightMemory&& other) noexcept;
  ~WeightMemory();

  // Zeroed; refused where the machine has less memory than that.
  static EngineResult<WeightMemory> allocate(std::size_t bytes);
  // Maps a finished cache file of exactly `bytes` and `key`; io error if there is none.
  static EngineResult<WeightMemory> open_cache(const std::string& path, std::size_t bytes,
                                               std::uint64_t key);
  // A new cache file under a temporary name, its disk space reserved, writable until finish_cache.
  static EngineResult<WeightMemory> create_cache(const std::string& path, std::size_t bytes);
  // Stamps the key and gives the file its name. On failure the memory stays usable.
  EngineResult<void> finish_cache(const std::string& path, std::uint64_t key);

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  WeightMemory(std::byte* data, std::size_t size, std::size_t mapped)
      : data_(data), size_(size), mapped_(mapped) {}

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;    // as asked for
  std::size_t mapped_ = 0;  // with trailer and rounding
  std::string temporary_;   // of an unfinished cache file; removed by the destructor
};

}  // namespace jevons::engine
