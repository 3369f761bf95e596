#include "local_engine/threadpool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <numeric>
#include <vector>

using jevons::engine::ThreadPool;

TEST_CASE("every chunk runs exactly once, region after region") {
  for (const unsigned threads : {1U, 2U, 4U}) {
    ThreadPool pool(threads);
    CHECK(pool.threads() == threads);
    for (std::size_t chunks : {0U, 1U, 2U, 7U, 300U}) {
      for (int round = 0; round < 200; ++round) {
        std::vector<std::atomic<int>> seen(chunks);
        std::atomic<bool> bad_thread = false;
        pool.run(chunks, [&](std::size_t chunk, unsigned thread) {
          seen[chunk].fetch_add(1);
          if (thread >= threads) bad_thread = true;
        });
        const int total = std::accumulate(
            seen.begin(), seen.end(), 0, [](int sum, const auto& one) { return sum + one.load(); });
        CHECK(total == static_cast<int>(chunks));
        CHECK_FALSE(bad_thread.load());
      }
    }
  }
}

// A thread that comes late from a small region must take nothing of the larger one that is being
// set up: its chunk would run twice, and one done too many is a region that never ends.
TEST_CASE("many small regions, each larger than the last, count every chunk once") {
  ThreadPool pool(4);
  constexpr std::size_t largest = 24;
  std::vector<std::atomic<int>> runs(largest);
  std::size_t regions = 0, wrong = 0;
  for (int round = 0; round < 12'000; ++round) {
    for (std::size_t chunks = 2; chunks <= largest; ++chunks, ++regions) {
      pool.run(chunks, [&](std::size_t chunk, unsigned) { runs[chunk].fetch_add(1); });
      for (std::size_t i = 0; i < chunks; ++i) wrong += runs[i].exchange(0) == 1 ? 0U : 1U;
    }
  }
  CHECK(regions == 12'000U * 23U);
  CHECK(wrong == 0);
}

TEST_CASE("writes of all threads are visible after the region") {
  ThreadPool pool(3);
  std::vector<int> values(1000);
  for (int round = 1; round < 300; ++round) {
    pool.run(values.size(), [&](std::size_t i, unsigned) { values[i] += round; });
  }
  for (const int value : values) CHECK(value == 299 * 300 / 2);
}

TEST_CASE("a thread that holds its chunk too long is put aside, and comes back") {
  ThreadPool pool(2);
  std::atomic<unsigned> others = 0;
  // The other thread, once it takes a chunk, sits on it as if it had lost its core.
  const auto stall = [&](std::size_t, unsigned thread) {
    if (thread == 0) {
      while (others.load() == 0) {
      }
      return;
    }
    others.fetch_add(1);
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    while (std::chrono::steady_clock::now() < until) {
    }
  };
  // On a busy machine it may be the caller who has lost its core: then again.
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  auto begin = std::chrono::steady_clock::now();
  while (pool.set_asides() == 0 && begin < give_up) {
    others = 0;
    begin = std::chrono::steady_clock::now();
    pool.run(2, stall);
  }
  CHECK(pool.set_asides() == 1);
  // While it is aside, 50 ms from the end of that region, regions run on the caller alone, but for
  // one that the other may have been waiting for already.
  std::atomic<bool> other = false;
  int shared_regions = 0;
  for (int region = 0; region < 5; ++region) {
    other = false;
    pool.run(50, [&](std::size_t, unsigned thread) {
      if (thread != 0) other = true;
    });
    if (other.load()) ++shared_regions;
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK((shared_regions <= 1 || took > std::chrono::milliseconds(50)));
  // After the pause it takes part again.
  other = false;
  while (!other.load() && std::chrono::steady_clock::now() < give_up) {
    pool.run(200, [&](std::size_t, unsigned thread) {
      if (thread != 0) other = true;
    });
  }
  CHECK(other.load());
}
