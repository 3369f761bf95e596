// How much an attempt may write, and what a hard budget holds for it (contract.md 10).
#include <algorithm>
#include <array>
#include <charconv>

#include "router/estimate.h"

namespace jevons {
namespace {

// A local answer is watched while it runs; the factor leaves room for a busy engine.
constexpr double local_time_margin = 2.0;

std::int64_t saturating_product(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

std::int64_t upper_prompt_tokens(const Target& target, const Classification& classification) {
  return std::max<std::int64_t>(
      0, classification.prompt_tokens_upper +
             saturating_product(classification.images,
                                target.image_tokens_max - image_tokens_upper_default));
}

// Modes that may be served and billed: standard (flex and priority fall back to it), the mode that
// was asked for, and priority where the provider may choose by itself.
std::vector<std::string> possible_modes(const Price& price, const ChatRequest& request) {
  std::vector<std::string> modes = {""};
  std::string asked = price_mode(request);
  if (asked.empty()) {
    const bool may_choose = request.service_tier.empty() || request.service_tier == "auto";
    if (may_choose && price.modes.count("priority") > 0) modes.push_back("priority");
  } else {
    modes.push_back(std::move(asked));
  }
  return modes;
}

// Sizes at which a cliff may begin, up to the bound: a later tier is not always the dearer one.
std::vector<std::int64_t> possible_inputs(const Price& price, const std::string& mode,
                                          std::int64_t upper) {
  std::vector<std::int64_t> sizes = {upper};
  const auto own = price.mode_tiers.find(mode);
  for (const PriceTier& tier : own == price.mode_tiers.end() ? price.tiers : own->second) {
    if (tier.from_tokens < upper) sizes.push_back(tier.from_tokens);
  }
  if (sizes.size() > 1) sizes.push_back(0);
  return sizes;
}

TokenClass dearest(const Rates& rates, std::initializer_list<TokenClass> classes) {
  TokenClass best = *classes.begin();
  for (const TokenClass c : classes) {
    if (rates[c] && (!rates[best] || *rates[c] > *rates[best])) best = c;
  }
  return best;
}

// "max_uses": 5 in a server tool; empty when it has no cap.
std::optional<std::int64_t> uses_of(const std::string& raw) {
  constexpr std::string_view key = "\"max_uses\":";
  const std::size_t at = raw.find(key);
  if (at == std::string::npos) return std::nullopt;
  const char* from = raw.data() + at + key.size();
  std::int64_t uses = 0;
  const auto [end, code] = std::from_chars(from, raw.data() + raw.size(), uses);
  if (code != std::errc() || uses < 0) return std::nullopt;
  return uses;
}

// Searches the upstream may run and bill by itself; empty when nothing caps them.
std::optional<std::int64_t> server_calls(const ChatRequest& request) {
  std::int64_t calls = 0;
  for (const NamedJson& field : request.extra) {
    if (field.name == "web_search_options") return std::nullopt;
  }
  for (const Tool& tool : request.tools) {
    if (tool.raw.find("web_search") == std::string::npos) continue;
    const auto uses = uses_of(tool.raw);
    if (!uses || __builtin_add_overflow(calls, *uses, &calls)) return std::nullopt;
  }
  return calls;
}

struct Bound {
  std::int64_t prompt = 0, completion = 0, calls = 0;
  bool audio = false;
};

Usage dearest_usage(const Rates& rates, const Bound& bound) {
  using enum TokenClass;
  Usage usage;
  usage[dearest(rates, {input, cache_write_5m, cache_write_1h, cache_read, image_input,
                        bound.audio ? audio_input : input})] = {bound.prompt};
  usage[dearest(rates, {output, reasoning, bound.audio ? audio_output : output})] = {
      bound.completion};
  usage.web_search_calls = bound.calls;
  return usage;
}

}  // namespace

std::int64_t output_cap(const ChatRequest& request, const Classification& classification,
                        const Target& target) {
  if (request.endpoint == Endpoint::embeddings) return 0;
  std::int64_t cap = target.max_output;
  if (request.max_completion_tokens) {
    const std::int64_t asked = std::max<std::int64_t>(0, *request.max_completion_tokens);
    if (asked == 0) return 0;  // Anthropic clients warm a cache this way
    cap = std::min(cap, asked);
  }
  return std::max<std::int64_t>(1, std::min(cap, target.context - classification.prompt_tokens));
}

std::optional<Nanodollars> reservation_of(const Catalog& catalog, const Target& target,
                                          const Classification& classification,
                                          std::int64_t output_cap, const ChatRequest& request,
                                          std::int64_t unix_s) {
  const std::int64_t completion = saturating_product(std::max<std::int64_t>(0, output_cap),
                                                     std::max<std::int64_t>(1, request.n));
  if (target.local_cost_per_hour) {
    const double busy_ms = target.ttft_ms + target.tpot_ms * static_cast<double>(completion);
    const double busy_us = std::min(9e18, busy_ms * 1000.0 * local_time_margin);
    return local_cost(*target.local_cost_per_hour, static_cast<std::int64_t>(busy_us));
  }
  const Price* price = price_at(catalog, target.price_id, unix_s);
  const auto calls = server_calls(request);
  if (price == nullptr || !calls) return std::nullopt;
  const Bound bound{.prompt = upper_prompt_tokens(target, classification),
                    .completion = completion,
                    .calls = *calls,
                    .audio = has(classification.needs, Capability::audio)};
  std::optional<Nanodollars> most;
  for (const std::string& mode : possible_modes(*price, request)) {
    for (const std::int64_t input : possible_inputs(*price, mode, bound.prompt)) {
      const PriceQuery query = price_query(target, mode, unix_s, input);
      const auto rates = effective_rates(*price, query);
      if (!rates) return std::nullopt;
      const auto cost = total_cost(*price, *rates, query, dearest_usage(*rates, bound));
      if (!cost) return std::nullopt;
      if (!most || *cost > *most) most = cost;
    }
  }
  return most;
}

}  // namespace jevons
