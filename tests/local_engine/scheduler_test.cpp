#include "local_engine/scheduler.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

using namespace jevons::engine;

namespace {

std::vector<Token> tokens_of(std::size_t count, Token first = 1) {
  std::vector<Token> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(first + static_cast<Token>(i));
  return out;
}

SchedulerLimits limits() {
  SchedulerLimits out;
  out.slots = 4;
  out.step_tokens = 36;
  out.prefill_chunk = 32;
  out.secret = 5;
  return out;
}

// Runs steps until the sequence has sampled `count` tokens.
void run(Scheduler& scheduler, SequenceId id, int count) {
  while (count > 0) {
    const auto items = scheduler.plan();
    REQUIRE_FALSE(items.empty());
    scheduler.commit(items);
    for (const StepItem& item : items) {
      if (!item.samples) continue;
      scheduler.append(item.id, 9);
      if (item.id == id) --count;
    }
  }
}

}  // namespace

TEST_CASE("a prompt is computed in chunks, then one token a step") {
  Scheduler scheduler(16, limits());
  scheduler.add(1, tokens_of(70), "");
  const std::uint32_t counts[] = {32, 32, 6};
  for (const std::uint32_t count : counts) {
    const auto items = scheduler.plan();
    REQUIRE(items.size() == 1);
    CHECK(items[0].count == count);
    CHECK(items[0].samples == (count == 6));
    scheduler.commit(items);
  }
  CHECK(scheduler.plan().empty());
  scheduler.append(1, 7);
  const auto items = scheduler.plan();
  REQUIRE(items.size() == 1);
  CHECK(items[0].first == 70);
  CHECK(items[0].count == 1);
}

TEST_CASE("decode goes before a long prompt's next chunk") {
  Scheduler scheduler(32, limits());
  scheduler.add(1, tokens_of(5), "");
  run(scheduler, 1, 1);
  scheduler.add(2, tokens_of(100, 1000), "");
  const auto items = scheduler.plan();
  REQUIRE(items.size() == 2);
  CHECK(items[0].id == 1);
  CHECK(items[0].count == 1);
  CHECK(items[1].id == 2);
  CHECK(items[1].count == 32);
}

TEST_CASE("no more than the slots run, and the queue keeps its order") {
  Scheduler scheduler(64, limits());
  for (SequenceId id = 1; id <= 6; ++id) scheduler.add(id, tokens_of(4), "");
  scheduler.commit(scheduler.plan());
  CHECK(scheduler.running() == 4);
  CHECK(scheduler.waiting() == 2);
  scheduler.remove(2);
  const auto items = scheduler.plan();
  CHECK(scheduler.running() == 4);
  CHECK(items.back().id == 5);
}

TEST_CASE("a second prompt with the same beginning finds its blocks, at least one token is left") {
  Scheduler scheduler(32, limits());
  scheduler.add(1, tokens_of(48), "t");
  run(scheduler, 1, 1);
  scheduler.remove(1);
  scheduler.add(2, tokens_of(48), "t");
  const auto items = scheduler.plan();
  REQUIRE(items.size() == 1);
  CHECK(scheduler.view(2).cached == 32);
  CHECK(items[0].first == 32);
  CHECK(items[0].count == 16);
  scheduler.add(3, tokens_of(48), "other");
  scheduler.commit(items);
  (void)scheduler.plan();
  CHECK(scheduler.view(3).cached == 0);
}

TEST_CASE("out of blocks: the youngest gives way, and is computed again later") {
  SchedulerLimits tight = limits();
  tight.prefix_cache = false;
  Scheduler scheduler(5, tight);
  scheduler.add(1, tokens_of(30), "");
  scheduler.add(2, tokens_of(30), "");
  run(scheduler, 1, 18);
  CHECK(scheduler.preemptions() == 1);
  CHECK(scheduler.running() == 1);
  scheduler.remove(1);
  const auto items = scheduler.plan();
  REQUIRE(items.size() == 1);
  CHECK(items[0].id == 2);
  CHECK(items[0].first == 0);
}

TEST_CASE("fits: a prompt and one token more must fit into all blocks") {
  const Scheduler scheduler(2, limits());
  CHECK(scheduler.fits(31));
  CHECK_FALSE(scheduler.fits(32));
}

namespace {

// Random arrivals, ends and cancels; checks the books after every step.
class Model {
 public:
  Model(std::uint32_t blocks, unsigned seed)
      : scheduler_(blocks, limits()), blocks_(blocks), generator_(seed) {}

  void step() {
    if (random() % 3 == 0 && left_.size() < 40) arrive();
    if (random() % 11 == 0) cancel();
    const auto items = scheduler_.plan();
    if (items.empty()) {
      CHECK(left_.empty());
      return;
    }
    check(items);
    scheduler_.commit(items);
    for (const StepItem& item : items) {
      if (!item.samples) continue;
      idle_[item.id] = 0;
      if (--left_[item.id] == 0) {
        end(item.id);
      } else {
        scheduler_.append(item.id, static_cast<Token>(random() % 50));
      }
    }
    for (auto& [id, steps] : idle_) CHECK(++steps < 20'000);  // nobody starves
  }
  bool idle() const { return left_.empty(); }
  void check_empty() const {
    CHECK(scheduler_.pool().in_use() == 0);
    CHECK(scheduler_.running() + scheduler_.waiting() == 0);
  }
  std::uint64_t preemptions() const { return scheduler_.preemptions(); }
  std::uint64_t hits() const { return scheduler_.prefix_hits(); }
  bool arrivals = true;

 private:
  unsigned random() { return static_cast<unsigned>(generator_()); }

  void arrive() {
    if (!arrivals) return;
    const std::size_t prompt = 1 + random() % (blocks_ * kBlockTokens / 2);
    const int answer = 1 + static_cast<int>(random() % (blocks_ * kBlockTokens / 2 - 1));
    // Few different beginnings, so that prefixes are shared.
    scheduler_.add(next_, tokens_of(prompt, random() % 3), random() % 2 == 0 ? "a" : "b");
    left_[next_] = answer;
    idle_[next_] = 0;
    ++next_;
  }
  void cancel() {
    if (left_.empty()) return;
    auto at = left_.begin();
    std::advance(at, random() % left_.size());
    end(at->first);
  }
  void end(SequenceId id) {
    scheduler_.remove(id);
    left_.erase(id);
    idle_.erase(id);
  }
  void check(const std::vector<StepItem>& items) {
    std::uint32_t tokens = 0;
    std::set<BlockId> written;
    for (const StepItem& item : items) {
      tokens += item.count;
      const SequenceView view = scheduler_.view(item.id);
      CHECK(item.first == view.computed);
      CHECK(item.count > 0);
      REQUIRE(view.blocks.size() * kBlockTokens >= item.first + item.count);
      // A block that is written belongs to this sequence alone.
      for (std::size_t b = item.first / 16; b <= (item.first + item.count - 1) / 16; ++b) {
        CHECK(written.insert(view.blocks[b]).second);
        CHECK(scheduler_.pool().references(view.blocks[b]) == 1);
      }
    }
    CHECK(tokens <= limits().step_tokens);
    CHECK(scheduler_.running() <= limits().slots);
  }

  Scheduler scheduler_;
  std::uint32_t blocks_;
  std::mt19937 generator_;
  SequenceId next_ = 1;
  std::map<SequenceId, int> left_;  // tokens still to sample
  std::map<SequenceId, int> idle_;  // steps since the last one
};

}  // namespace

TEST_CASE("model test: random arrivals and cancels leak nothing and starve nobody") {
  std::uint64_t preemptions = 0;
  std::uint64_t hits = 0;
  for (unsigned seed = 1; seed <= 6; ++seed) {
    Model model(8 + 6 * seed, seed);
    for (int i = 0; i < 4'000; ++i) model.step();
    model.arrivals = false;
    for (int i = 0; i < 100'000 && !model.idle(); ++i) model.step();
    CHECK(model.idle());
    model.check_empty();
    preemptions += model.preemptions();
    hits += model.hits();
  }
  CHECK(preemptions > 0);
  CHECK(hits > 0);
}
