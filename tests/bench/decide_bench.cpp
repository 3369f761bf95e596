// Time of classify + decide, as tests/bench/run prints it: p50 and p99 over prompts of 2,000
// characters with 8 targets, and how the time grows from 20,000 to 200,000 characters; with nothing
// learned yet, and with heads, calibration and lengths of every target learned from 600 outcomes.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "router/decision.h"

namespace {

using namespace jevons;
using Clock = std::chrono::steady_clock;

// Sentences with words, numbers, code and formulas drawn anew for each prompt, so that no two
// prompts take the same branches.
std::string prompt_of(std::size_t characters, std::uint64_t seed) {
  static const std::vector<std::string> pieces = {
      "Explain why the function returns a different value on the second call. ",
      "A train leaves at 14:35 and travels 212 km at 90 km/h; when does it arrive?\n",
      "```python\nfor i in range(10):\n    print(values[i] + 1)\n```\n",
      "Evaluate $\\int_0^1 x^2 e^{x} dx$ and simplify. ",
      "Quel est le plus long fleuve du pays et pourquoi ? ",
      "Summarize the minutes of the meeting in three sentences, without names. ",
      "The committee considered several alternatives before reaching an agreement. ",
      "请解释这个结果。",
      "Напишите короткое письмо коллеге. ",
  };
  std::string text;
  while (text.size() < characters) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    text += pieces[(seed >> 33) % pieces.size()];
  }
  text.resize(characters);
  return text;
}

ChatRequest request_of(std::size_t characters, std::uint64_t seed) {
  ChatRequest request;
  request.requested_model = "auto";
  request.messages.resize(2);
  request.messages[0].role = Role::system;
  request.messages[0].parts = {{.text = "You are a helpful assistant. Answer briefly."}};
  request.messages[1].parts = {{.text = prompt_of(characters, seed)}};
  return request;
}

Catalog catalog_of(std::size_t count) {
  Catalog catalog;
  for (std::size_t i = 0; i < count; ++i) {
    const auto scale = static_cast<std::int64_t>(i + 1);
    Price price{.id = "vendor/model-" + std::to_string(i)};
    price.base[TokenClass::input] = Picodollars{100'000 * scale};
    price.base[TokenClass::cache_read] = Picodollars{10'000 * scale};
    price.base[TokenClass::output] = Picodollars{600'000 * scale};
    price.tiers = {{.from_tokens = 272'000, .rates = price.base}};
    catalog.prices.push_back(price);
    catalog.targets.push_back({.name = "target-" + std::to_string(i),
                               .provider = "vendor",
                               .model = "model-" + std::to_string(i),
                               .price_id = price.id,
                               .tier = i < 2 ? Tier::budget : Tier::premium,
                               .context = 200'000,
                               .max_output = 16'000,
                               .can = 3,
                               .ability = {{"overall", 0.6 + 0.04 * double(i)}, {"code", 0.7}}});
  }
  return catalog;
}

Policy policy_of() {
  Policy policy;
  policy.name = "default";
  policy.serves = {"auto"};
  policy.baseline = "target-7";
  policy.quality_floor = 0.9;
  policy.ttft_p95_ms = 2'000;
  Rule rule;
  rule.name = "hard code goes premium";
  rule.when = {{.key = "task", .words = {"code"}},
               {.key = "difficulty", .kind = Condition::Kind::range, .low = 0.7, .high = 1}};
  rule.prefer = Selector{.tier = {Tier::premium}};
  policy.rules = {rule};
  return policy;
}

std::shared_ptr<const Learned> learned_of(const Catalog& catalog) {
  auto learned = std::make_shared<Learned>();
  std::uint64_t seed = 7;
  const auto draw = [&seed] { return (seed = seed * 6364136223846793005u + 1) >> 40; };
  for (const Target& target : catalog.targets) {
    TargetOutcomes outcomes;
    LengthWindow lengths;
    for (std::uint64_t i = 1; i <= 600; ++i) {
      OutcomeSample sample{.id = i, .key = i % 9 == 0 ? "other" : "bench"};
      sample.input.prior_logit = static_cast<double>(draw() % 400) / 100 - 1;
      sample.input.task = static_cast<Task>(draw() % task_count);
      for (auto& value : sample.input.trunk) value = static_cast<std::int8_t>(draw() % 120 - 60);
      sample.score = draw() % 10 < 7 ? 1 : 0;
      lengths.learn({.key = sample.key,
                     .task = sample.input.task,
                     .residual = static_cast<double>(draw() % 200) / 100 - 1.5});
      outcomes.learn(std::move(sample));
    }
    learned->targets[target.name] = std::make_shared<const TargetHeads>(outcomes.heads());
    learned->lengths[target.name] = std::make_shared<const TargetLengths>(lengths.lengths());
  }
  return learned;
}

// Microseconds of each decision, sorted.
std::vector<double> times_of(std::size_t characters, std::size_t prompts, std::size_t rounds,
                             const std::shared_ptr<const Learned>& learned = nullptr) {
  const Catalog catalog = catalog_of(8);
  const Policy policy = policy_of();
  Caller caller{.key_name = "bench"};
  Snapshot snapshot{.now_unix_s = 1'790'000'000};
  snapshot.targets.resize(8);
  snapshot.learned = learned;
  std::vector<ChatRequest> requests;
  for (std::size_t i = 0; i < prompts; ++i) requests.push_back(request_of(characters, i + 1));
  std::vector<double> times;
  std::size_t chosen = 0;
  for (std::size_t round = 0; round < rounds + 1; ++round) {
    for (const ChatRequest& request : requests) {
      const auto start = Clock::now();
      const Classification classification = classify(request);
      const Decision decision = decide({.catalog = catalog,
                                        .policy = &policy,
                                        .request = request,
                                        .classification = classification,
                                        .caller = caller,
                                        .snapshot = snapshot});
      const auto end = Clock::now();
      chosen += decision.target.value_or(0);
      const double us = std::chrono::duration<double, std::micro>(end - start).count();
      if (round > 0) times.push_back(us);  // the first round warms up
    }
  }
  if (chosen == SIZE_MAX) std::puts("");  // keeps the work
  std::sort(times.begin(), times.end());
  return times;
}

double at(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<std::size_t>(static_cast<double>(sorted.size() - 1) * share)];
}

}  // namespace

int main() {
  const auto usual = times_of(2'000, 200, 50);
  std::printf("router.decide_us_p50 %.2f\n", at(usual, 0.50));
  std::printf("router.decide_us_p99 %.2f\n", at(usual, 0.99));
  const auto longer = times_of(20'000, 20, 20), longest = times_of(200'000, 5, 20);
  std::printf("router.decide_growth %.2f\n", at(longest, 0.5) / at(longer, 0.5));
  const auto learned = learned_of(catalog_of(8));
  const auto after = times_of(2'000, 200, 50, learned);
  std::printf("router.decide_learned_us_p50 %.2f\n", at(after, 0.50));
  std::printf("router.decide_learned_us_p99 %.2f\n", at(after, 0.99));
  const auto long_after = times_of(20'000, 20, 20, learned),
             longest_after = times_of(200'000, 5, 20, learned);
  std::printf("router.decide_learned_growth %.2f\n", at(longest_after, 0.5) / at(long_after, 0.5));
  return 0;
}
