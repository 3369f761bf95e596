// A routing policy as loaded from YAML (contract.md 5, product.md 3): immutable.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/money.h"
#include "router/target.h"

namespace jevons {

enum class Objective : std::uint8_t { cheapest, best, fastest, value };
std::string_view objective_name(Objective objective);

// only / avoid / prefer: keys are ANDed, lists ORed. Values are globs for target and provider.
struct Selector {
  std::vector<std::string> target, provider;
  std::vector<Tier> tier;
  std::map<std::string, std::vector<std::string>> labels;
  bool empty() const {
    return target.empty() && provider.empty() && tier.empty() && labels.empty();
  }
};
bool selects(const Selector& selector, const Target& target);

// One test inside `when`. Which keys exist, and how each is parsed and matched, is one table in
// router/conditions.cpp.
struct Condition {
  std::string key;  // "task", "difficulty", "tag.team"
  enum class Kind : std::uint8_t { words, range, boolean, times } kind = Kind::words;
  std::vector<std::string> words;  // any of; globs where the table says so
  double low = 0, high = 0;        // range
  bool low_inclusive = true, high_inclusive = true;
  bool boolean = false;
  std::vector<DailyWindow> times;  // time_utc
};

struct Rule {
  std::string name;
  std::vector<Condition> when;  // all must hold
  std::optional<Selector> only, avoid, prefer;
  std::optional<double> floor;
  std::string effort;
  std::string refuse;  // message, empty: no refusal
};

enum class Relax : std::uint8_t { sla_ttft, sla_total, max_cost, quality_floor };
std::string_view relax_name(
    Relax relax);  // "sla.ttft_p95", "sla.total_p95", "sla.max_cost_usd", "quality.floor"

enum class EscalateOn : std::uint8_t {
  refusal,
  invalid_json,
  truncated,
  low_confidence,
  disagreement,
  invalid_tool_call
};

// Which outcomes of a policy's requests teach the router. `none`: neither taught nor used.
enum class Learn : std::uint8_t { none, feedback, all };

struct Policy {
  std::string name;
  std::string file;                 // for messages
  std::vector<std::string> serves;  // names or globs
  std::string baseline;             // target name, empty: none
  Objective objective = Objective::cheapest;
  std::optional<Nanodollars> value_per_success;
  double quality_floor = 0.0;
  bool floor_relative = true;  // relative_to: best
  // A target other than the best serves only where its outcomes prove that it fails no more often.
  std::optional<double> fail_at_most;
  std::optional<double> ttft_p95_ms, total_p95_ms;
  std::optional<Nanodollars> max_cost;
  std::vector<Relax> relax;  // empty = refuse
  bool refuse_infeasible = false;
  std::vector<Rule> rules;
  std::vector<EscalateOn> escalate_on;
  std::optional<Selector> escalate_to;
  int escalate_max = 0;
  int fallback_attempts = 3;
  bool fallback_pinned = false;
  std::optional<double> hedge_after_ms;  // fixed time
  bool hedge_after_ttft_p95 = false;     // or the target's own p95
  double hedge_at_most = 0.0;            // share of requests, 0..1
  bool session_sticky = true;
  double explore_rate = 0.0;
  std::optional<Nanodollars> explore_budget_per_day;
  Learn learn = Learn::all;
  bool strict_params = false;
  bool allow_unpriced = false;
};

bool glob_match(std::string_view pattern, std::string_view text);  // only `*`, linear time

}  // namespace jevons
