#include "router/estimate.h"

#include <algorithm>
#include <cmath>

#include "router/efforts.h"

namespace jevons {
namespace {

constexpr double difficulty_slope = 4.0;
constexpr double ability_unknown = 0.5;

double logit(double p) {
  const double clamped = std::clamp(p, 0.001, 0.999);
  return std::log(clamped / (1.0 - clamped));
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double ability_of(const Target& target, Task task) {
  for (const std::string_view skill : {task_name(task), std::string_view("overall")}) {
    for (const auto& [name, ability] : target.ability) {
      if (name == skill) return ability;
    }
  }
  return ability_unknown;
}

constexpr double p90_sigmas = 1.2816;  // of a normal distribution

// Completion lengths are close to log-normal: the standard deviation of their logarithm.
double log_spread(std::int64_t p50, std::int64_t p90) {
  const double median = std::max(1.0, static_cast<double>(p50));
  return std::log(std::max(median, static_cast<double>(p90)) / median) / p90_sigmas;
}

// Their mean lies above the median.
double mean_completion(const Classification& classification) {
  const double sigma =
      log_spread(classification.completion_tokens_p50, classification.completion_tokens_p90);
  return std::max(1.0, static_cast<double>(classification.completion_tokens_p50)) *
         std::exp(sigma * sigma / 2.0);
}

// Hidden tokens before the answer, as a multiple of the visible ones.
double reasoning_share(const ChatRequest& request, const Target& target) {
  if (target.efforts.empty() && !has(target.can, Capability::thinking)) return 0;
  if (!request.reasoning_effort.empty()) return hidden_share(request.reasoning_effort);
  const bool thinks = request.thinking.find("enabled") != std::string::npos ||
                      request.thinking.find("adaptive") != std::string::npos;
  return thinks ? hidden_share("medium") : hidden_share(effort_of(target));
}

bool learns(const DecideInput& input) {
  const bool wanted = input.policy == nullptr || input.policy->learn != Learn::none;
  return wanted && input.snapshot.learned != nullptr;
}

// Null: nothing was learned of it, or the policy does not use what was.
const TargetHeads* heads_of(const DecideInput& input, const Target& target) {
  return learns(input) ? input.snapshot.learned->find(target.name) : nullptr;
}

TokenCount estimated(double count) {
  return {.count = std::llround(std::clamp(count, 0.0, 1e15)), .source = Provenance::estimated};
}

}  // namespace

HeadInput head_input(const Target& target, const Classification& classification) {
  const double difficulty = std::clamp(classification.difficulty, 0.0, 1.0);
  const double ability = logit(ability_of(target, classification.task));
  return {.prior_logit = ability + difficulty_slope * (0.5 - difficulty),
          .ability_logit = ability,
          .task = classification.task,
          .trunk = classification.trunk};
}

double p_ok_of(const Target& target, const Classification& classification) {
  return sigmoid(head_input(target, classification).prior_logit);
}

double failures_at_most(const DecideInput& input, const Target& target, const TargetState& state) {
  if (state.failures_at_most) return *state.failures_at_most;
  const TargetHeads* heads = heads_of(input, target);
  if (heads == nullptr || heads->proofs.empty()) return 1;
  return heads->failures_at_most(input.caller.key_name, head_input(target, input.classification));
}

double p_ok_of(const DecideInput& input, const Target& target) {
  const HeadInput prior = head_input(target, input.classification);
  if (const TargetHeads* heads = heads_of(input, target))
    return heads->head_for(input.caller.key_name).p_ok(prior);
  return sigmoid(prior.prior_logit);
}

double typical_completion(const ChatRequest& request, const Classification& classification,
                          const Target& target) {
  return static_cast<double>(classification.uncapped_p50) * (1 + reasoning_share(request, target));
}

Classification answered_by(const DecideInput& input, const Target& target) {
  Classification result = input.classification;
  if (result.uncapped_p50 <= 0 || !learns(input)) return result;
  const TargetLengths* lengths = input.snapshot.learned->find_lengths(target.name);
  if (lengths == nullptr) return result;
  const LengthShift& learned = lengths->shift_for(input.caller.key_name);
  const double predicted_sigma = log_spread(result.uncapped_p50, result.uncapped_p90);
  const double trust = static_cast<double>(learned.sigma_trust);
  const double sigma =
      predicted_sigma + trust * (static_cast<double>(learned.sigma) - predicted_sigma);
  const double shift = static_cast<double>(learned.shift[static_cast<std::size_t>(result.task)]);
  const double p50 = static_cast<double>(result.uncapped_p50) * std::exp(shift);
  const double p90 = p50 * std::exp(p90_sigmas * sigma);
  const double cap =
      input.request.max_completion_tokens
          ? static_cast<double>(std::max<std::int64_t>(0, *input.request.max_completion_tokens))
          : 1e15;
  result.completion_tokens_p50 = std::llround(std::min(cap, std::max(1.0, p50)));
  result.completion_tokens_p90 = std::llround(std::min(cap, std::max(1.0, p90)));
  return result;
}

std::string price_mode(const ChatRequest& request) {
  for (const NamedJson& field : request.extra) {
    if (field.name == "speed" && field.json == "\"fast\"") return "fast";
  }
  const std::string& tier = request.service_tier;
  for (const std::string_view standard : {"", "auto", "default", "standard", "standard_only"}) {
    if (tier == standard) return "";
  }
  return tier;
}

PriceQuery price_query(const Target& target, std::string mode, std::int64_t unix_s,
                       std::int64_t total_input) {
  PriceQuery query{.unix_s = unix_s, .mode = std::move(mode), .total_input = total_input};
  const auto region = target.labels.find("region");
  if (region != target.labels.end() && !region->second.empty()) query.region = region->second[0];
  return query;
}

Usage expected_usage(const ChatRequest& request, const Classification& classification,
                     const Target& target, std::int64_t cached_tokens) {
  Usage usage;
  const std::int64_t prompt = classification.prompt_tokens;
  const std::int64_t cached = std::clamp<std::int64_t>(cached_tokens, 0, prompt);
  usage[TokenClass::cache_read] = estimated(static_cast<double>(cached));
  const TokenClass fresh =
      classification.marks_cache ? TokenClass::cache_write_5m : TokenClass::input;
  usage[fresh] = estimated(static_cast<double>(prompt - cached));
  if (request.endpoint == Endpoint::embeddings) return usage;
  const auto cap = static_cast<double>(output_cap(request, classification, target));
  const auto choices = static_cast<double>(std::max<std::int64_t>(1, request.n));
  const double visible = std::min(mean_completion(classification), cap);
  const double hidden = std::min(visible * reasoning_share(request, target), cap - visible);
  usage[TokenClass::output] = estimated(visible * choices);
  usage[TokenClass::reasoning] = estimated(hidden * choices);
  return usage;
}

Latency latency_of(const Target& target, const TargetState& state,
                   const Classification& classification) {
  Latency latency;
  const double tpot = state.tpot_ms.value_or(target.tpot_ms);
  latency.ttft_ms = state.ttft_ms_p50.value_or(state.ttft_ms_p95.value_or(target.ttft_ms));
  // Until an arm was measured, what it thinks comes before its first token.
  if (!state.ttft_ms_p50 && !state.ttft_ms_p95)
    latency.ttft_ms += tpot * hidden_share(effort_of(target)) *
                       static_cast<double>(classification.completion_tokens_p50);
  latency.ttft_p95_ms = state.ttft_ms_p95.value_or(latency.ttft_ms);
  latency.total_ms =
      latency.ttft_ms + tpot * static_cast<double>(classification.completion_tokens_p50);
  latency.total_p95_ms =
      latency.ttft_p95_ms + tpot * static_cast<double>(classification.completion_tokens_p90);
  return latency;
}

std::optional<Nanodollars> expected_cost(const DecideInput& input, const Target& target,
                                         std::int64_t cached_tokens) {
  if (target.local_cost_per_hour) {
    const auto index = static_cast<std::size_t>(&target - input.catalog.targets.data());
    const TargetState state =
        index < input.snapshot.targets.size() ? input.snapshot.targets[index] : TargetState{};
    const double busy_ms = latency_of(target, state, answered_by(input, target)).total_ms;
    return local_cost(*target.local_cost_per_hour, std::llround(busy_ms * 1000.0));
  }
  const Price* price = price_at(input.catalog, target.price_id, input.snapshot.now_unix_s);
  if (price == nullptr) return std::nullopt;
  const Usage usage =
      expected_usage(input.request, answered_by(input, target), target, cached_tokens);
  const PriceQuery query = price_query(target, price_mode(input.request), input.snapshot.now_unix_s,
                                       usage.prompt_tokens());
  const auto rates = effective_rates(*price, query);
  return rates ? total_cost(*price, *rates, query, usage) : std::nullopt;
}

}  // namespace jevons
