// Memory for packed weights: anonymous, in huge pages where the system has them.
#pragma once

#include <cstddef>

#include "local_engine/status.h"

namespace jevons::engine {

class WeightMemory {
 public:
  WeightMemory() = default;
  WeightMemory(WeightMemory&& other) noexcept;
  WeightMemory& operator=(WeightMemory&& other) noexcept;
  ~WeightMemory();

  // Zeroed; its pages become real when first written. Refused where the machine has less memory
  // available than that.
  static EngineResult<WeightMemory> allocate(std::size_t bytes);

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  WeightMemory(std::byte* data, std::size_t size, std::size_t mapped)
      : data_(data), size_(size), mapped_(mapped) {}

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;    // as asked for
  std::size_t mapped_ = 0;  // rounded up
};

// Bytes that programs may still take without swapping: MemAvailable of a /proc/meminfo file, or 0
// if it does not say.
std::size_t available_bytes(const char* meminfo_path);

}  // namespace jevons::engine
