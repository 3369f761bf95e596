#include "local_engine/sampler.h"

#include <algorithm>
#include <cmath>

namespace jevons::engine {
namespace {

constexpr float kForbidden = -INFINITY;
// Tokens less likely than e^-20 of the best one are left out of a draw: together they are below the
// rounding of the rest even in a vocabulary of a million.
constexpr float kNegligible = 20;

// A uniform number in [0, 1) that depends on seed and index only (splitmix64).
double uniform(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t x = seed + (index + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  x ^= x >> 31U;
  return static_cast<double>(x >> 11U) * 0x1.0p-53;
}

}  // namespace

Sampler::Sampler(const Sampling& parameters, std::uint64_t seed, std::span<const Token> prompt,
                 const Kernels& kernels)
    : parameters_(parameters), seed_(seed), kernels_(&kernels) {
  if (parameters_.repetition_penalty == 1) return;
  for (const Token token : prompt) seen_[token] = true;
}

void Sampler::penalise(std::span<float> logits) const {
  const float repetition = parameters_.repetition_penalty;
  const auto repeat = [&](Token token) {
    if (token >= logits.size()) return;
    float& logit = logits[token];
    logit = logit > 0 ? logit / repetition : logit * repetition;
  };
  if (repetition != 1 && repetition > 0) {
    for (const auto& [token, seen] : seen_) repeat(token);
    for (const auto& [token, count] : counts_) {
      if (!seen_.contains(token)) repeat(token);
    }
  }
  if (parameters_.frequency_penalty == 0 && parameters_.presence_penalty == 0) return;
  for (const auto& [token, count] : counts_) {
    logits[token] -=
        parameters_.frequency_penalty * static_cast<float>(count) + parameters_.presence_penalty;
  }
}

Sampled Sampler::sample(std::span<float> logits, std::span<const std::uint64_t> allowed,
                        std::uint32_t index) {
  // A damaged model can produce NaN; it must not decide comparisons.
  for (float& logit : logits) {
    if (std::isnan(logit)) logit = kForbidden;
  }
  if (parameters_.logprobs) raw_.assign(logits.begin(), logits.end());
  penalise(logits);
  for (const LogitBias& bias : parameters_.logit_bias) {
    if (bias.token >= logits.size()) continue;
    logits[bias.token] = bias.bias <= -100 ? kForbidden : logits[bias.token] + bias.bias;
  }
  if (!allowed.empty()) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if ((allowed[i / 64] >> (i % 64) & 1U) == 0) logits[i] = kForbidden;
    }
  }
  Sampled out;
  out.token = choose(logits, index);
  if (parameters_.logprobs) describe(raw_, out);
  return out;
}

Token Sampler::choose(std::span<const float> logits, std::uint32_t index) {
  const float top = kernels_->max_of(logits.data(), logits.size());
  if (parameters_.temperature <= 0) {
    const auto best = std::find(logits.begin(), logits.end(), top);
    return static_cast<Token>(best == logits.end() ? 0 : best - logits.begin());
  }
  gather(logits, top);
  if (candidates_.empty()) return 0;
  cut();
  // Weights of what is left, likeliest first.
  double total = 0;
  const float best = candidates_.front().logit;
  const auto weight = [&](const Candidate& c) {
    return std::exp(static_cast<double>(c.logit - best) /
                    static_cast<double>(parameters_.temperature));
  };
  for (const Candidate& c : candidates_) total += weight(c);
  double left = uniform(seed_, index) * total;
  for (const Candidate& c : candidates_) {
    left -= weight(c);
    if (left < 0) return c.token;
  }
  return candidates_.back().token;
}

void Sampler::gather(std::span<const float> logits, float top) {
  candidates_.clear();
  const float least = top - kNegligible * std::max(parameters_.temperature, 1e-3F);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] >= least && logits[i] > kForbidden) {
      candidates_.push_back({logits[i], static_cast<Token>(i)});
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  });
}

// top_k, then min_p and top_p, all after temperature.
void Sampler::cut() {
  if (parameters_.top_k > 0 && candidates_.size() > parameters_.top_k) {
    candidates_.resize(parameters_.top_k);
  }
  const auto weight = [&](const Candidate& c) {
    return std::exp((c.logit - candidates_.front().logit) / parameters_.temperature);
  };
  if (parameters_.min_p > 0) {
    const auto end = std::find_if(candidates_.begin() + 1, candidates_.end(),
                                  [&](const auto& c) { return weight(c) < parameters_.min_p; });
    candidates_.erase(end, candidates_.end());
  }
  if (parameters_.top_p >= 1) return;
  float total = 0;
  for (const Candidate& c : candidates_) total += weight(c);
  float sum = 0;
  std::size_t keep = 0;
  while (keep < candidates_.size() && (keep == 0 || sum < parameters_.top_p * total)) {
    sum += weight(candidates_[keep++]);
  }
  candidates_.resize(keep);
}

void Sampler::describe(std::span<const float> logits, Sampled& out) const {
  const float top = kernels_->max_of(logits.data(), logits.size());
  const float log_sum = top + std::log(kernels_->exp_sum(logits.data(), logits.size(), top, 1));
  out.logprob = logits[out.token] - log_sum;
  const std::size_t wanted = std::min<std::size_t>(parameters_.top_logprobs, logits.size());
  if (wanted == 0) return;
  std::vector<Token> order(logits.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Token>(i);
  const auto likelier = [&](Token a, Token b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(wanted);
  std::partial_sort(order.begin(), end, order.end(), likelier);
  for (auto at = order.begin(); at != end; ++at) out.top.emplace_back(*at, logits[*at] - log_sum);
}

}  // namespace jevons::engine
