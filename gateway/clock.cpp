#include "gateway/clock.h"

#include <openssl/rand.h>

#include <chrono>
#include <cstdlib>

namespace jevons {
namespace {

template <class Unit, class TimeClock>
std::int64_t since_epoch() {
  return std::chrono::duration_cast<Unit>(TimeClock::now().time_since_epoch()).count();
}

class SystemClock final : public Clock {
 public:
  std::int64_t unix_ns() const override {
    return since_epoch<std::chrono::nanoseconds, std::chrono::system_clock>();
  }
  std::int64_t steady_ms() const override {
    return since_epoch<std::chrono::milliseconds, std::chrono::steady_clock>();
  }
  std::int64_t steady_us() const override {
    return since_epoch<std::chrono::microseconds, std::chrono::steady_clock>();
  }
  std::uint64_t random() override {
    std::uint64_t value = 0;
    // Keys are made of this: without randomness there is nothing safe to go on with.
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&value), sizeof value) != 1) std::abort();
    return value;
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace jevons
