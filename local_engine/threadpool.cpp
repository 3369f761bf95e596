#include "local_engine/threadpool.h"

#include <linux/futex.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <ctime>

namespace jevons::engine {
namespace {

constexpr std::int64_t kSpinUs = 20;
// A chunk takes 100 us at most; a wait of this length means that its thread has lost its core.
constexpr std::int64_t kStragglerUs = 800;
constexpr std::int64_t kFirstPauseUs = 50'000;
constexpr std::int64_t kLongestPauseUs = 1'600'000;

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

std::uint32_t* word_of(std::atomic<std::uint32_t>& value) {
  static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));
  return reinterpret_cast<std::uint32_t*>(&value);
}

// Returns when the value differs from `seen`, was woken, or for no reason.
void futex_wait(std::atomic<std::uint32_t>& value, std::uint32_t seen) {
  syscall(SYS_futex, word_of(value), FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void futex_wake(std::atomic<std::uint32_t>& value, int count) {
  syscall(SYS_futex, word_of(value), FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// True once done() holds; false after the spin time.
template <class Done>
bool spin_until(Done done) {
  const std::int64_t end = now_us() + kSpinUs;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_cpu();
    }
  } while (now_us() < end);
  return done();
}

}  // namespace

ThreadPool::ThreadPool(unsigned threads, bool low_priority) {
  const unsigned extra = std::max(1U, threads) - 1;
  admitted_ = extra;
  for (unsigned i = 0; i < extra; ++i) {
    workers_.emplace_back([this, i, low_priority] {
      // On Linux a nice value belongs to a thread.
      if (low_priority) setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 10);
      work(i + 1);
    });
  }
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  epoch_.fetch_add(1);
  futex_wake(epoch_, INT_MAX);
  admitted_ = UINT32_MAX;
  futex_wake(admitted_, INT_MAX);
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(std::size_t chunks, void* body, Call call, bool watch) {
  if (chunks == 0) return;
  if (workers_.empty() || chunks == 1) {
    for (std::size_t i = 0; i < chunks; ++i) call(body, i, 0);
    return;
  }
  if (admitted_.load(std::memory_order_relaxed) < workers_.size()) readmit(now_us());
  body_.store(body, std::memory_order_relaxed);
  call_.store(call, std::memory_order_relaxed);
  const auto count = static_cast<std::uint32_t>(chunks);
  chunks_.store(count, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
  ticket_.store((std::uint64_t{epoch} << 32) | count, std::memory_order_release);
  epoch_.store(epoch, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) futex_wake(epoch_, INT_MAX);
  take_chunks(epoch, 0);
  wait_for_stragglers(count, watch);
}

void ThreadPool::take_chunks(std::uint32_t epoch, unsigned thread) {
  std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint32_t left = static_cast<std::uint32_t>(ticket);
    if (ticket >> 32 != epoch || left == 0) return;
    if (!ticket_.compare_exchange_weak(ticket, ticket - 1, std::memory_order_acq_rel)) continue;
    // Only now are these sure to be the region's: it cannot end before this chunk is done.
    const std::uint32_t chunks = chunks_.load(std::memory_order_relaxed);
    const Call call = call_.load(std::memory_order_relaxed);
    call(body_.load(std::memory_order_relaxed), chunks - left, thread);
    const std::uint32_t done = done_.fetch_add(1, std::memory_order_seq_cst) + 1;
    if (thread != 0 && done == chunks && caller_sleeps_.load(std::memory_order_seq_cst)) {
      futex_wake(done_, 1);
    }
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::wait_for_stragglers(std::uint32_t chunks, bool watch) {
  const auto finished = [&] { return done_.load(std::memory_order_acquire) == chunks; };
  if (spin_until(finished)) return;
  const std::int64_t start = now_us();
  caller_sleeps_.store(true, std::memory_order_seq_cst);
  for (;;) {
    const std::uint32_t seen = done_.load(std::memory_order_seq_cst);
    if (seen == chunks) break;
    futex_wait(done_, seen);
  }
  caller_sleeps_.store(false, std::memory_order_seq_cst);
  const std::int64_t now = now_us();
  if (watch && now - start > kStragglerUs) note_straggler(now);
}

void ThreadPool::note_straggler(std::int64_t now) {
  const std::uint32_t admitted = admitted_.load(std::memory_order_relaxed);
  if (admitted == 0) return;
  // Trouble soon after a readmission doubles the pause; a long quiet time forgets it.
  const bool soon = pause_us_ > 0 && now - back_at_us_ < 2 * pause_us_;
  pause_us_ = soon ? std::min(2 * pause_us_, kLongestPauseUs) : kFirstPauseUs;
  back_at_us_ = now + pause_us_;
  ++set_asides_;
  admitted_.store(admitted - 1, std::memory_order_relaxed);
}

void ThreadPool::readmit(std::int64_t now) {
  if (now < back_at_us_) return;
  admitted_.fetch_add(1, std::memory_order_relaxed);
  futex_wake(admitted_, INT_MAX);
  back_at_us_ = now;
}

void ThreadPool::work(unsigned thread) {
  std::uint32_t seen = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    const std::uint32_t admitted = admitted_.load(std::memory_order_acquire);
    if (thread > admitted) {
      futex_wait(admitted_, admitted);
      continue;
    }
    const auto changed = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!spin_until(changed)) {
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      while (!changed()) futex_wait(epoch_, seen);
      sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    }
    seen = epoch_.load(std::memory_order_acquire);
    take_chunks(seen, thread);
  }
}

}  // namespace jevons::engine
