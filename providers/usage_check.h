// Bounds on what an upstream claims to have used. A claim that cannot be true is never billed as it
// stands and never repaired in silence: the usage carries a suspicion, which the ledger and the
// metrics show.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "providers/json.h"
#include "router/usage.h"

namespace jevons {

// No answer has more tokens; and up to here every JSON reader agrees on the number.
inline constexpr std::int64_t usage_count_max = std::int64_t{1} << 53;

class UsageCheck {
 public:
  // A reported count. Empty when absent or null, and, with a suspicion, when it is negative, above
  // usage_count_max, fractional, or not a number: such a count stays absent and will be estimated.
  std::optional<std::int64_t> count(JsonView value, std::string_view name);
  // A count that the provider says is inside another one. More than that is suspicious and is
  // counted only up to the whole, so that no leaf turns negative.
  std::int64_t inside(std::int64_t part, std::int64_t whole, std::string_view what);
  void suspect(std::string_view what);
  std::string take() { return std::move(suspicion_); }

 private:
  std::string suspicion_;
};

// Flags `now` when a class shrank since `before`: cumulative counts of one stream only grow.
void check_usage_progress(const Usage& before, Usage& now);

// Marks a reported number as measured; an absent one leaves the class absent.
void set_measured(Usage& usage, TokenClass token_class, std::optional<std::int64_t> count);

}  // namespace jevons
