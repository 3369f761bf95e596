#include "gateway/accounting.h"

#include <algorithm>

namespace jevons {
namespace {

constexpr std::int64_t bytes_per_token = 4;

std::int64_t tokens_of(std::int64_t bytes) {
  return (bytes + bytes_per_token - 1) / bytes_per_token;
}

TokenCount estimate(std::int64_t count) {
  return TokenCount{.count = count, .source = Provenance::estimated};
}

void suspect(Usage& usage, std::string why) {
  if (!usage.suspicion.empty()) usage.suspicion += "; ";
  usage.suspicion += why;
}

bool prompt_reported(const Usage& usage) {
  for (const TokenClass c :
       {TokenClass::input, TokenClass::cache_read, TokenClass::cache_write_5m,
        TokenClass::cache_write_1h, TokenClass::audio_input, TokenClass::image_input})
    if (usage[c].source == Provenance::measured) return true;
  return false;
}

bool completion_reported(const Usage& usage) {
  return usage[TokenClass::output].source == Provenance::measured ||
         usage[TokenClass::reasoning].source == Provenance::measured;
}

void estimate_prompt(Usage& usage, const AttemptFacts& facts) {
  for (const TokenClass c :
       {TokenClass::cache_read, TokenClass::cache_write_5m, TokenClass::cache_write_1h,
        TokenClass::audio_input, TokenClass::image_input})
    usage[c] = TokenCount{};
  usage[TokenClass::input] = estimate(facts.classification->prompt_tokens);
}

void estimate_completion(Usage& usage, const AttemptFacts& facts) {
  usage[TokenClass::audio_output] = TokenCount{};
  usage[TokenClass::output] = estimate(tokens_of(facts.output_bytes));
  usage[TokenClass::reasoning] =
      facts.reasoning_bytes > 0 ? estimate(tokens_of(facts.reasoning_bytes)) : TokenCount{};
}

// A provider that counts uncached input apart may have botched that count alone: what the other
// classes leave of our own estimate takes its place, because unknown is never zero.
void complete_prompt(Usage& usage, const AttemptFacts& facts) {
  if (!prompt_reported(usage)) return estimate_prompt(usage, facts);
  TokenCount& input = usage[TokenClass::input];
  if (input.source != Provenance::absent) return;
  const std::int64_t rest = facts.classification->prompt_tokens - usage.prompt_tokens();
  input = estimate(std::max<std::int64_t>(rest, 0));
}

// Bounds beyond which a claim is no count: what a model cannot have read or written. Below them the
// provider bills what it claims (server tools read pages into the prompt, hidden reasoning is
// inside the cap), so that is what was spent, flagged where our own count says otherwise.
std::int64_t prompt_bound(const AttemptFacts& facts) {
  return std::max(facts.target->context, 4 * facts.classification->prompt_tokens_upper + 8'192);
}
std::int64_t completion_bound(const AttemptFacts& facts) {
  return 2 * std::max(facts.output_cap, facts.target->max_output) + 4'096;
}

std::string region_of(const Target& target) {
  const auto found = target.labels.find("region");
  return found == target.labels.end() || found->second.empty() ? std::string()
                                                               : found->second.front();
}

// More than our own upper count and a tenth. Templates add some hundred tokens to a prompt.
bool above_what_was_sent(const Usage& usage, const AttemptFacts& facts) {
  const std::int64_t upper = facts.classification->prompt_tokens_upper;
  return usage.prompt_tokens() > upper + upper / 10 + 512;
}
// A token shows at least one byte; reasoning that is hidden is counted apart.
bool above_what_came(const Usage& usage, const AttemptFacts& facts) {
  const std::int64_t bytes = facts.output_bytes + facts.reasoning_bytes;
  return usage[TokenClass::output].count > bytes + bytes / 10 + 64;
}

struct Priced {
  std::optional<CostBreakdown> cost;
  std::string price_id;
};

Priced price(const AttemptFacts& facts, const Target& target, const std::string& mode,
             const Usage& usage) {
  Priced priced;
  if (target.local_cost_per_hour) {
    CostBreakdown cost;
    cost.total = local_cost(*target.local_cost_per_hour, facts.engine_microseconds);
    cost.output = cost.total;
    priced.cost = cost;
    return priced;
  }
  const Price* row = price_at(*facts.catalog, target.price_id, facts.intent_unix_s);
  if (!row) return priced;
  priced.price_id = row->row_id;
  const PriceQuery query{.unix_s = facts.intent_unix_s,
                         .mode = mode,
                         .total_input = usage.prompt_tokens(),
                         .region = region_of(target)};
  priced.cost = cost_of(*row, query, usage, facts.engine_microseconds / 1'000);
  return priced;
}

}  // namespace

Usage settled_usage(const AttemptFacts& facts) {
  Usage usage = facts.claimed.value_or(Usage{});
  if (prompt_reported(usage) && usage.prompt_tokens() > prompt_bound(facts)) {
    suspect(usage, "prompt tokens far above the request's size");
    estimate_prompt(usage, facts);
  } else if (prompt_reported(usage) && above_what_was_sent(usage, facts)) {
    suspect(usage, "prompt tokens above the request's size");
  }
  if (facts.no_output) {
    complete_prompt(usage, facts);
    return usage;
  }
  const bool reported = completion_reported(usage);
  if (reported && usage.completion_tokens() > completion_bound(facts)) {
    suspect(usage, "completion tokens far above the cap");
    estimate_completion(usage, facts);
  } else if (reported && facts.output_cap > 0 && usage.completion_tokens() > facts.output_cap) {
    suspect(usage, "completion tokens above the cap");
  } else if (reported && facts.complete && above_what_came(usage, facts)) {
    suspect(usage, "completion tokens above what the answer shows");
  } else if (reported && usage.completion_tokens() == 0 && facts.output_bytes > 0) {
    suspect(usage, "no completion tokens for an answer that shows some");
  }
  complete_prompt(usage, facts);
  // A cut stream may carry an early count (Anthropic's message_start says 1): what arrived since
  // then is counted by us.
  const bool stale = !facts.complete && usage.completion_tokens() < tokens_of(facts.output_bytes);
  if (!completion_reported(usage) || stale) estimate_completion(usage, facts);
  return usage;
}

std::string price_mode(const std::string& served_tier) {
  if (served_tier == "default" || served_tier == "standard" || served_tier == "auto") return {};
  return served_tier;
}

AttemptCost attempt_cost(const AttemptFacts& facts, const Usage& usage) {
  AttemptCost result;
  result.mode = price_mode(facts.served_tier);
  const Priced own = price(facts, *facts.target, result.mode, usage);
  result.cost = own.cost;
  result.price_id = own.price_id;
  if (!facts.baseline || facts.baseline == facts.target) {
    if (own.cost) result.baseline = own.cost->total;
    return result;
  }
  const Priced baseline = price(facts, *facts.baseline, {}, usage);
  if (baseline.cost) result.baseline = baseline.cost->total;
  return result;
}

Usage estimated_usage(const Classification& classification, std::int64_t output_cap) {
  Usage usage;
  usage[TokenClass::input] = estimate(classification.prompt_tokens);
  usage[TokenClass::output] = estimate(
      std::min(classification.completion_tokens_p50, std::max<std::int64_t>(output_cap, 0)));
  return usage;
}

}  // namespace jevons
