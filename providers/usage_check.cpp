#include "providers/usage_check.h"

#include <algorithm>

namespace jevons {
namespace {

void append_finding(std::string& suspicion, std::string_view what) {
  // A hostile upstream must not make the ledger row grow without end.
  if (suspicion.size() > 300) return;
  if (!suspicion.empty()) suspicion += "; ";
  suspicion += what;
}

}  // namespace

void UsageCheck::suspect(std::string_view what) { append_finding(suspicion_, what); }

std::optional<std::int64_t> UsageCheck::count(JsonView value, std::string_view name) {
  if (!value.present()) return std::nullopt;
  const std::string field(name);
  if (!value.is_number()) {
    suspect(field + " is " + std::string(json_kind_name(value.kind())));
    return std::nullopt;
  }
  const std::optional<std::int64_t> count = value.integer();
  if (count && *count >= 0 && *count <= usage_count_max) return count;
  const bool fraction = value.number() && *value.number() >= 0 && *value.number() < 9e15 && !count;
  const bool negative = value.text().substr(0, 1) == "-";
  suspect(field + (negative ? " is negative" : fraction ? " is a fraction" : " is above 2^53"));
  return std::nullopt;
}

std::int64_t UsageCheck::inside(std::int64_t part, std::int64_t whole, std::string_view what) {
  if (part > whole) suspect(what);
  return std::min(part, whole);
}

void check_usage_progress(const Usage& before, Usage& now) {
  for (std::size_t i = 0; i < token_class_count; ++i) {
    const TokenCount& earlier = before.tokens[i];
    const TokenCount& later = now.tokens[i];
    if (later.source == Provenance::measured && later.count < earlier.count) {
      append_finding(now.suspicion, std::string(token_class_name(static_cast<TokenClass>(i))) +
                                        " tokens decreased from " + std::to_string(earlier.count) +
                                        " to " + std::to_string(later.count));
    }
  }
}

void set_measured(Usage& usage, TokenClass token_class, std::optional<std::int64_t> count) {
  if (count) usage[token_class] = {*count, Provenance::measured};
}

}  // namespace jevons
