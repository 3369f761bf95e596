// What an attempt used, in disjoint classes after normalisation (wire.md 1.8): every token is in
// exactly one class, so that no token is billed twice.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "router/money.h"

namespace jevons {

enum class TokenClass : std::uint8_t {
  input,           // prompt tokens neither cached nor written to a cache, all modalities not below
  cache_read,      // prompt tokens read from the provider's prompt cache
  cache_write_5m,  // prompt tokens written to it, default or 5-minute lifetime
  cache_write_1h,
  audio_input,
  image_input,
  output,     // visible completion tokens, all modalities not below
  reasoning,  // hidden or summarised reasoning, not in output
  audio_output,
};
inline constexpr std::size_t token_class_count = 9;

// Whether a number was reported by the upstream, counted by us, or is not known. Zero reported by
// the upstream is measured; it is never replaced by an estimate.
enum class Provenance : std::uint8_t { absent, estimated, measured };

struct TokenCount {
  std::int64_t count = 0;
  Provenance source = Provenance::absent;
  bool operator==(const TokenCount&) const = default;
};

struct Usage {
  std::array<TokenCount, token_class_count> tokens{};
  std::int64_t web_search_calls = 0;
  // What the upstream itself says the call cost (OpenRouter, xAI): stored beside ours.
  std::optional<Nanodollars> reported_cost;
  // The upstream contradicted itself or our own count; why, for the ledger and metrics.
  std::string suspicion;

  TokenCount& operator[](TokenClass c) { return tokens[static_cast<std::size_t>(c)]; }
  const TokenCount& operator[](TokenClass c) const { return tokens[static_cast<std::size_t>(c)]; }

  // OpenAI's words: prompt includes cached and cache-write, completion includes reasoning.
  std::int64_t prompt_tokens() const;
  std::int64_t cached_tokens() const;
  std::int64_t cache_write_tokens() const;
  std::int64_t completion_tokens() const;
  std::int64_t reasoning_tokens() const;
  // Any class was reported by the upstream.
  bool any_measured() const;
  // Any class was estimated by us.
  bool any_estimated() const;

  bool operator==(const Usage&) const = default;
};

std::string_view token_class_name(TokenClass token_class);
std::string_view provenance_name(Provenance source);

}  // namespace jevons
