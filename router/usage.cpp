#include "router/usage.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace jevons {
namespace {

// Saturates: an upstream may claim anything, and a claim must never become negative by wrapping.
std::int64_t sum_of(const Usage& usage, std::initializer_list<TokenClass> classes) {
  std::int64_t sum = 0;
  for (const TokenClass c : classes) {
    if (__builtin_add_overflow(sum, usage[c].count, &sum)) {
      return std::numeric_limits<std::int64_t>::max();
    }
  }
  return sum;
}

bool any_from(const Usage& usage, Provenance source) {
  return std::any_of(usage.tokens.begin(), usage.tokens.end(),
                     [source](const TokenCount& tokens) { return tokens.source == source; });
}

}  // namespace

std::int64_t Usage::prompt_tokens() const {
  using enum TokenClass;
  return sum_of(*this,
                {input, cache_read, cache_write_5m, cache_write_1h, audio_input, image_input});
}

std::int64_t Usage::cached_tokens() const { return (*this)[TokenClass::cache_read].count; }

std::int64_t Usage::cache_write_tokens() const {
  return sum_of(*this, {TokenClass::cache_write_5m, TokenClass::cache_write_1h});
}

std::int64_t Usage::completion_tokens() const {
  using enum TokenClass;
  return sum_of(*this, {output, reasoning, audio_output});
}

std::int64_t Usage::reasoning_tokens() const { return (*this)[TokenClass::reasoning].count; }

bool Usage::any_measured() const { return any_from(*this, Provenance::measured); }

bool Usage::any_estimated() const { return any_from(*this, Provenance::estimated); }

std::string_view token_class_name(TokenClass token_class) {
  switch (token_class) {
    case TokenClass::input:
      return "input";
    case TokenClass::cache_read:
      return "cache_read";
    case TokenClass::cache_write_5m:
      return "cache_write_5m";
    case TokenClass::cache_write_1h:
      return "cache_write_1h";
    case TokenClass::audio_input:
      return "audio_input";
    case TokenClass::image_input:
      return "image_input";
    case TokenClass::output:
      return "output";
    case TokenClass::reasoning:
      return "reasoning";
    case TokenClass::audio_output:
      return "audio_output";
  }
  return "unknown";
}

std::string_view provenance_name(Provenance source) {
  switch (source) {
    case Provenance::absent:
      return "absent";
    case Provenance::estimated:
      return "estimated";
    case Provenance::measured:
      return "measured";
  }
  return "absent";
}

}  // namespace jevons
