// The compute threads of the engine. One region at a time is cut into chunks that the threads take
// from one atomic counter, so a slow or absent thread only means that the others take more. Nobody
// spins longer than 20 us: then a futex. When a thread is seen to be descheduled with a chunk in
// its hands (somebody else needs the core), it is sent to sleep for a while and its work is done by
// the rest: a contended core then costs its own share and not the pace of the others.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

namespace jevons::engine {

class ThreadPool {
 public:
  // `threads` counts the caller of run(), which works too; at least 1. With low_priority the others
  // run at nice 10.
  explicit ThreadPool(unsigned threads, bool low_priority = false);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  unsigned threads() const { return static_cast<unsigned>(workers_.size()) + 1; }

  // body(chunk, thread) for chunk in [0, chunks), in any order, thread in [0, threads()). Returns
  // when all are done. One caller at a time. Chunks of 10 to 100 us are best.
  template <class Body>
  void run(std::size_t chunks, Body&& body) {
    run_with(chunks, body, true);
  }
  // The same for chunks that may take long because they wait for memory or a disk: no thread is put
  // aside for it.
  template <class Body>
  void run_slow(std::size_t chunks, Body&& body) {
    run_with(chunks, body, false);
  }

  // How often a thread was put aside because its core was taken. For stats and tests.
  std::uint64_t set_asides() const { return set_asides_; }

 private:
  using Call = void (*)(void*, std::size_t, unsigned);

  template <class Body>
  void run_with(std::size_t chunks, Body& body, bool watch) {
    using Plain = std::remove_reference_t<Body>;
    run_erased(
        chunks, const_cast<void*>(static_cast<const void*>(&body)),
        [](void* b, std::size_t chunk, unsigned thread) {
          (*static_cast<Plain*>(b))(chunk, thread);
        },
        watch);
  }
  // `watch`: a thread that keeps the region waiting is put aside.
  void run_erased(std::size_t chunks, void* body, Call call, bool watch);
  void work(unsigned thread);
  // Takes chunks of region `epoch` until there are none.
  void take_chunks(std::uint32_t epoch, unsigned thread);
  void wait_for_stragglers(std::uint32_t chunks, bool watch);
  void note_straggler(std::int64_t now_us);
  void readmit(std::int64_t now_us);

  // epoch << 32 | chunks that nobody has taken. Whether one is left is read from this word alone,
  // so that a thread that wakes late, while the next region is being set up, takes nothing.
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> done_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};  // futex of sleeping workers
  std::atomic<std::uint32_t> sleepers_{0};
  // Threads 1 to this take part; also the futex of those that do not.
  std::atomic<std::uint32_t> admitted_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stop_{false};
  std::atomic<std::uint32_t> chunks_{0};
  std::atomic<void*> body_{nullptr};
  std::atomic<Call> call_{nullptr};

  std::vector<std::thread> workers_;
  std::int64_t back_at_us_ = 0;
  std::int64_t pause_us_ = 0;
  std::uint64_t set_asides_ = 0;
};

}  // namespace jevons::engine
