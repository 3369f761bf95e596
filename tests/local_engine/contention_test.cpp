// Another process on one of our cores must not collapse decoding (engine.md T12): a barrier that
// waits for a thread without a core costs llama.cpp two thirds of its single-thread speed.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/local_engine/conformance.h"
#include "tests/local_engine/engine_fixture.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

// Milliseconds of 32 tokens after the first.
double decode_ms(Engine& engine) {
  std::chrono::steady_clock::time_point first;
  Client client;
  const OnUpdate receive = client.receiver();
  bool begun = false;
  const auto id = engine.submit(raw_job("Once upon a time", 33), [&](Update&& update) {
    if (!begun) first = std::chrono::steady_clock::now();
    begun = true;
    receive(std::move(update));
  });
  REQUIRE(id.has_value());
  client.wait();
  REQUIRE(client.finish.has_value());
  const auto took = std::chrono::steady_clock::now() - first;
  return std::chrono::duration<double, std::milli>(took).count();
}

}  // namespace

TEST_CASE("two threads, one core taken: not far below one thread alone") {
  const auto path = conformance_folder() / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!have_conformance(path)) return;
  EngineOptions options;
  options.model_path = path.string();
  options.context = 256;
  options.threads = 1;
  const auto alone = load_engine(options);
  options.threads = 2;
  const auto both = load_engine(options);
  decode_ms(*alone);
  decode_ms(*both);
  double best_alone = 1e9, best_contended = 1e9;
  // In turn, the best of several: the machine that runs tests has other work too.
  for (int round = 0; round < 6; ++round) {
    best_alone = std::min(best_alone, decode_ms(*alone));
    std::atomic<bool> stop = false;
    std::thread busy([&stop] {
      while (!stop.load(std::memory_order_relaxed)) {
      }
    });
    best_contended = std::min(best_contended, decode_ms(*both));
    stop = true;
    busy.join();
  }
  CAPTURE(best_alone);
  CAPTURE(best_contended);
  // engine.md asks for 0.8 on a quiet machine (tests/bench/engine measures that); a collapse is
  // 0.4.
  CHECK(best_contended < best_alone / 0.55);
}
