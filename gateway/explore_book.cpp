#include "gateway/explore_book.h"

#include <algorithm>

#include "router/decision_record.h"

namespace jevons {
namespace {

constexpr Nanodollars nothing{0};

// A target of a draw: with its chance of coming, and whether it could have served at all.
struct Drawn {
  double chance = 0;
  std::optional<Nanodollars> cost;
  bool possible = true;
};

// All that were only tried have the same chance; the choice without exploration has another.
Nanodollars greedy_among(const std::vector<Drawn>& targets, std::size_t chosen) {
  std::optional<Nanodollars> cheapest;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Drawn& one = targets[i];
    if (i == chosen || !one.cost) continue;
    if (one.chance > 0 && one.chance != targets[chosen].chance) return *one.cost;
    if (one.possible && (!cheapest || *one.cost < *cheapest)) cheapest = one.cost;
  }
  return cheapest.value_or(nothing);
}

Nanodollars paid(const LoggedDecision& logged) {
  Nanodollars sum;
  for (const LoggedAttempt& attempt : logged.attempts)
    if (attempt.cost) sum = sum + *attempt.cost;
  return sum;
}

// What a request cost above the choice without exploration. A record that cannot be read, or whose
// targets left the catalog, counts whole.
Nanodollars explored_by(const LoggedDecision& logged, const Catalog& catalog) {
  const Nanodollars cost = paid(logged);
  RecordedRequest columns;
  columns.time_unix_ns = logged.request.time_unix_ns;
  columns.seed = logged.request.id.low;
  columns.endpoint = logged.request.endpoint;
  const auto recorded =
      decode_decision(logged.request.decision, logged.request.target_layout, columns, catalog);
  if (recorded.has_error() || !recorded->chosen) return cost;
  std::vector<Drawn> targets(recorded->facts.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto& facts = recorded->facts[i];
    targets[i].chance = recorded->propensity[i];
    if (facts) targets[i].cost = facts->cost, targets[i].possible = facts->hard == 0;
  }
  return std::max(nothing, cost - greedy_among(targets, *recorded->chosen));
}

}  // namespace

ExploreBook::Day& ExploreBook::today(const std::string& policy, std::int64_t unix_s) {
  Day& day = days_[policy];
  const std::int64_t start = day_start(unix_s);
  // A clock that went back a day does not give that day's budget again.
  if (start > day.day) day = Day{.day = start, .spent = nothing};
  return day;
}

Nanodollars ExploreBook::left(const std::string& policy, Nanodollars per_day, std::int64_t unix_s) {
  std::lock_guard lock(mutex_);
  return std::max(nothing, per_day - today(policy, unix_s).spent);
}

bool ExploreBook::hold(const ExploreHold& hold, Nanodollars per_day) {
  std::lock_guard lock(mutex_);
  Day& day = today(hold.policy, hold.unix_s);
  if (hold.held > nothing && hold.held > per_day - day.spent) return false;
  day.spent = day.spent + hold.held;
  return true;
}

void ExploreBook::settle(const ExploreHold& hold, Nanodollars cost) {
  std::lock_guard lock(mutex_);
  Day& day = today(hold.policy, hold.unix_s);
  if (day.day != day_start(hold.unix_s)) return;  // that day is over
  day.spent = day.spent - hold.held + std::max(nothing, cost - hold.greedy);
}

void ExploreBook::restore(const ExploreSpend& spent, std::int64_t unix_s) {
  std::lock_guard lock(mutex_);
  if (restored_) return;
  restored_ = true;
  for (const auto& [policy, cost] : spent) {
    Day& day = today(policy, unix_s);
    day.spent = day.spent + cost;
  }
}

bool ExploreBook::restored() {
  std::lock_guard lock(mutex_);
  return restored_;
}

Nanodollars greedy_cost(const Decision& decision) {
  std::vector<Drawn> targets;
  for (const Candidate& candidate : decision.candidates)
    targets.push_back({.chance = candidate.propensity,
                       .cost = candidate.facts.cost,
                       .possible = candidate.facts.hard == 0});
  return decision.target ? greedy_among(targets, *decision.target) : nothing;
}

Result<ExploreSpend> explore_spend_since(Ledger& ledger, const Catalog& catalog,
                                         std::int64_t unix_s) {
  ExploreSpend spent;
  DecisionQuery query{.from_unix_ns = unix_s * 1'000'000'000,
                      .reason = std::string(reason_name(Reason::explore))};
  for (;;) {
    const Result<DecisionPage> page = ledger.decisions(query);
    if (page.has_error()) return page.error();
    for (const LoggedDecision& logged : page->rows) {
      Nanodollars& sum = spent[logged.request.policy];
      sum = sum + explored_by(logged, catalog);
      query.after = logged.seq;
    }
    if (!page->more) return spent;
  }
}

}  // namespace jevons
