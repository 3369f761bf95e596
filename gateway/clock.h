// Time and randomness come in through here and nowhere else.
#pragma once

#include <cstdint>

namespace jevons {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t unix_ns() const = 0;    // wall clock: stamps and windows only
  virtual std::int64_t steady_ms() const = 0;  // timers and durations
  virtual std::int64_t steady_us() const = 0;
  virtual std::uint64_t random() = 0;  // cryptographic, thread-safe
};

Clock& system_clock();

}  // namespace jevons
