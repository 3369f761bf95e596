#include "local_engine/sampler.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "local_engine/stop.h"

using namespace jevons::engine;

namespace {

Token draw(const Sampling& parameters, std::vector<float> logits, std::uint32_t index = 0,
           std::vector<std::uint64_t> allowed = {}, std::uint64_t seed = 1) {
  Sampler sampler(parameters, seed, {}, best_kernels());
  return sampler.sample(logits, allowed, index).token;
}

// How often each token comes in 4,000 draws.
std::map<Token, double> shares(const Sampling& parameters, const std::vector<float>& logits) {
  std::map<Token, double> out;
  for (std::uint32_t i = 0; i < 4'000; ++i) out[draw(parameters, logits, i)] += 1.0 / 4'000;
  return out;
}

Sampling greedy() {
  Sampling out;
  out.temperature = 0;
  return out;
}

}  // namespace

TEST_CASE("greedy takes the likeliest, the lower id on a tie, and survives NaN") {
  CHECK(draw(greedy(), {1, 3, 2}) == 1);
  CHECK(draw(greedy(), {3, 1, 3}) == 0);
  CHECK(draw(greedy(), {NAN, 1, 2}) == 2);
  CHECK(draw(greedy(), {NAN, NAN}) < 2);
}

TEST_CASE("draws follow softmax at the temperature") {
  const std::vector<float> logits = {std::log(1.0F), std::log(2.0F), std::log(5.0F)};
  Sampling parameters;
  auto share = shares(parameters, logits);
  CHECK(share[0] == doctest::Approx(0.125).epsilon(0.15));
  CHECK(share[1] == doctest::Approx(0.25).epsilon(0.1));
  CHECK(share[2] == doctest::Approx(0.625).epsilon(0.05));
  parameters.temperature = 0.5F;
  share = shares(parameters, logits);
  CHECK(share[2] == doctest::Approx(25.0 / 30).epsilon(0.05));
}

TEST_CASE("top_k, top_p and min_p cut the tail") {
  const std::vector<float> logits = {std::log(4.0F), std::log(3.0F), std::log(2.0F),
                                     std::log(1.0F)};
  Sampling parameters;
  parameters.top_k = 2;
  CHECK(shares(parameters, logits).size() == 2);
  parameters = {};
  parameters.top_p = 0.65F;
  CHECK(shares(parameters, logits).size() == 2);
  parameters = {};
  parameters.top_p = 0;
  CHECK(shares(parameters, logits).size() == 1);
  parameters = {};
  parameters.min_p = 0.45F;
  CHECK(shares(parameters, logits).size() == 3);
}

TEST_CASE("penalties: frequency, presence and repetition") {
  Sampling parameters = greedy();
  parameters.frequency_penalty = 0.6F;
  Sampler frequency(parameters, 1, {}, best_kernels());
  std::vector<float> logits = {2, 1};
  frequency.accept(0);
  CHECK(frequency.sample(logits, {}, 0).token == 0);
  frequency.accept(0);
  logits = {2, 1};
  CHECK(frequency.sample(logits, {}, 1).token == 1);
  parameters = greedy();
  parameters.repetition_penalty = 3;
  const std::vector<Token> prompt = {0};
  Sampler repetition(parameters, 1, prompt, best_kernels());
  logits = {2, 1};
  CHECK(repetition.sample(logits, {}, 0).token == 1);
  logits = {-0.5F, -1};
  CHECK(repetition.sample(logits, {}, 0).token == 1);
}

TEST_CASE("only allowed tokens come, bias or not") {
  Sampling parameters = greedy();
  CHECK(draw(parameters, {9, 1, 2}, 0, {0b110}) == 2);
  parameters.logit_bias = {{0, 100}, {7, 5}};
  CHECK(draw(parameters, {9, 1, 2}, 0, {0b010}) == 1);
}

TEST_CASE("logprobs are of the model's own distribution") {
  Sampling parameters = greedy();
  parameters.logprobs = true;
  parameters.top_logprobs = 2;
  parameters.logit_bias = {{0, 100}};
  Sampler sampler(parameters, 1, {}, best_kernels());
  std::vector<float> logits = {std::log(1.0F), std::log(3.0F), std::log(4.0F)};
  const Sampled out = sampler.sample(logits, {}, 0);
  CHECK(out.token == 0);
  CHECK(std::exp(out.logprob) == doctest::Approx(0.125));
  REQUIRE(out.top.size() == 2);
  CHECK(out.top[0].first == 2);
  CHECK(std::exp(out.top[0].second) == doctest::Approx(0.5));
  CHECK(out.top[1].first == 1);
}

TEST_CASE("stop strings: at once, in pieces, overlapping, never") {
  StopMatcher plain({"END"});
  CHECK(plain.push("say END now") == "say ");
  CHECK(plain.stopped());
  CHECK(plain.push("more").empty());
  CHECK(plain.finish().empty());
  StopMatcher pieces({"<stop>", "sto!"});
  CHECK(pieces.push("a<s") == "a");
  CHECK(pieces.push("to") == "");
  CHECK(pieces.push("ne") == "<stone");
  CHECK(pieces.push("<stop>") == "");
  CHECK(pieces.stopped());
  StopMatcher repeated({"aab"});
  CHECK(repeated.push("aaa") == "a");
  CHECK(repeated.push("b") == "");
  CHECK(repeated.stopped());
  StopMatcher never({"", "xyz"});
  CHECK(never.push("ax") == "a");
  CHECK(never.finish() == "x");
  CHECK_FALSE(never.stopped());
}

TEST_CASE("the earliest of several stop strings counts") {
  StopMatcher matcher({"later", "now"});
  CHECK(matcher.push("a now and later") == "a ");
}
