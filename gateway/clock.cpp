#include "gateway/clock.h"

#include <openssl/rand.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <utility>

namespace jevons {
namespace {

template <class Unit, class TimeClock>
std::int64_t since_epoch() {
  return std::chrono::duration_cast<Unit>(TimeClock::now().time_since_epoch()).count();
}

// OpenSSL's generator costs microseconds a call, so it fills a pool at a time.
class RandomPool {
 public:
  std::uint64_t take() {
    if (next_ == values_.size()) refill();
    return std::exchange(values_[next_++], 0);  // a secret is kept nowhere twice
  }

 private:
  void refill() {
    auto* const bytes = reinterpret_cast<unsigned char*>(values_.data());
    // Keys are made of this: without randomness there is nothing safe to go on with.
    if (RAND_bytes(bytes, sizeof values_) != 1) std::abort();
    next_ = 0;
  }
  std::array<std::uint64_t, 64> values_{};
  std::size_t next_ = values_.size();
};

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
    thread_local RandomPool pool;
    return pool.take();
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace jevons
