#include "router/replay.h"

#include <algorithm>
#include <cmath>

#include "router/estimate.h"

namespace jevons {
namespace {

// Below these an estimate is not shown as one.
constexpr std::int64_t scored_min = 50;
constexpr double effective_min = 30;
constexpr double unsupported_max = 0.10;
constexpr std::int64_t began_min = 30;  // requests that tell how often a target escalates
constexpr double z_95 = 1.959964;

struct Split {
  std::optional<Nanodollars> total;
  Nanodollars input;
};

Nanodollars input_part(const CostBreakdown& cost) {
  return std::min(cost.input + cost.cache_read + cost.cache_write, cost.total);
}

// What was paid for the whole request, every attempt of it.
Split paid(const Catalog& catalog, const RecordedDecision& recorded, const LoggedDecision& logged) {
  Split split{.total = Nanodollars{0}, .input = {}};
  for (const LoggedAttempt& attempt : logged.attempts) {
    if (!attempt.cost) return {};
    *split.total += *attempt.cost;
    const Target* target = catalog.find(attempt.target);
    const Price* price = target == nullptr
                             ? nullptr
                             : price_at(catalog, target->price_id, recorded.snapshot.now_unix_s);
    if (price == nullptr) continue;
    const auto cost =
        cost_of(*price,
                price_query(*target, price_mode(recorded.request), recorded.snapshot.now_unix_s,
                            attempt.usage.prompt_tokens()),
                attempt.usage);
    if (cost) split.input += std::min(input_part(*cost), *attempt.cost);
  }
  return split;
}

// The attempt whose answer the client got, else the last that used anything.
const LoggedAttempt* answered(const LoggedDecision& logged) {
  const LoggedAttempt* best = nullptr;
  for (const LoggedAttempt& attempt : logged.attempts) {
    if (attempt.delivered) return &attempt;
    if (attempt.usage.prompt_tokens() > 0) best = &attempt;
  }
  return best;
}

// Prompt tokens as they were counted; of the answer as many visible tokens as there were, with the
// reasoning that this target is expected to add.
Usage usage_elsewhere(const RecordedDecision& recorded, const Target& target, std::size_t index,
                      const LoggedAttempt& answer) {
  const Snapshot& then = recorded.snapshot;
  const std::int64_t cached = then.session_target == index ? then.session_cached_tokens : 0;
  Classification counted = recorded.classification;
  counted.prompt_tokens = answer.usage.prompt_tokens();
  const Usage expected = expected_usage(recorded.request, counted, target, cached);
  Usage usage = expected;
  const std::int64_t visible = answer.usage[TokenClass::output].count;
  const double expected_visible =
      static_cast<double>(std::max<std::int64_t>(1, expected[TokenClass::output].count));
  const double reasoning = static_cast<double>(expected[TokenClass::reasoning].count) *
                           static_cast<double>(visible) / expected_visible;
  usage[TokenClass::output].count = visible;
  usage[TokenClass::reasoning].count = std::llround(reasoning);
  return usage;
}

Nanodollars local_cost_elsewhere(const RecordedDecision& recorded, const Target& target,
                                 std::size_t index, const Usage& usage) {
  const auto& facts = recorded.facts[index];
  const double predicted =
      std::max(1.0, static_cast<double>(recorded.classification.completion_tokens_p50));
  const double ttft = facts ? facts->ttft_ms : target.ttft_ms;
  const double tpot =
      facts ? std::max(0.0, facts->total_ms - facts->ttft_ms) / predicted : target.tpot_ms;
  const double busy_ms = ttft + tpot * static_cast<double>(usage.completion_tokens());
  return local_cost(*target.local_cost_per_hour, std::llround(busy_ms * 1000.0));
}

Split predicted(const Catalog& catalog, const RecordedDecision& recorded,
                const LoggedDecision& logged, std::size_t index) {
  const LoggedAttempt* answer = answered(logged);
  const Target& target = catalog.targets[index];
  if (answer == nullptr) return {.total = Nanodollars{0}, .input = {}};  // nothing was used
  const Usage usage = usage_elsewhere(recorded, target, index, *answer);
  if (target.local_cost_per_hour)
    return {.total = local_cost_elsewhere(recorded, target, index, usage), .input = {}};
  const std::int64_t then = recorded.snapshot.now_unix_s;
  const Price* price = price_at(catalog, target.price_id, then);
  if (price == nullptr) return {};
  const auto cost = cost_of(
      *price, price_query(target, price_mode(recorded.request), then, usage.prompt_tokens()),
      usage);
  if (!cost) return {};
  return {.total = cost->total, .input = input_part(*cost)};
}

bool escalated(const LoggedDecision& logged) {
  return std::any_of(logged.attempts.begin(), logged.attempts.end(),
                     [](const LoggedAttempt& attempt) { return attempt.on == "escalate"; });
}

std::optional<std::size_t> escalates_to(const Decision& decision) {
  for (const PlanStep& step : decision.plan)
    if (step.on == PlanOn::escalate) return step.target;
  return std::nullopt;
}

// Chance of each target under the decision's own draw.
double chance(const Decision& decision, std::size_t target) {
  return decision.candidates[target].propensity;
}

// The recorded decision as it was, where its policy cannot be asked again.
Decision as_recorded(const RecordedDecision& recorded) {
  Decision decision;
  decision.target = recorded.chosen;
  decision.reason = recorded.reason;
  for (std::size_t i = 0; i < recorded.facts.size(); ++i) {
    Candidate& candidate = decision.candidates.emplace_back();
    candidate.target = i;
    candidate.propensity = recorded.propensity[i];
    if (recorded.facts[i]) candidate.facts = *recorded.facts[i];
  }
  return decision;
}

}  // namespace

RecordedRequest columns_of(const LoggedDecision& logged) {
  const RequestRecord& request = logged.request;
  return {.time_unix_ns = request.time_unix_ns,
          .seed = request.id.low,
          .key = request.key,
          .session = request.session,
          .requested_model = request.requested_model,
          .tags = request.tags,
          .endpoint = request.endpoint,
          .difficulty = request.difficulty,
          .uncertainty = request.uncertainty};
}

Replay::Replay(const Catalog& catalog, const Policy& changed)
    : catalog_(catalog), policy_(changed) {}

void Replay::add(const LoggedDecision& logged, const Policy* policy) {
  const auto recorded = decode_decision(logged.request.decision, logged.request.target_layout,
                                        columns_of(logged), catalog_);
  if (!recorded) {
    ++counts_.unreadable;
    return;
  }
  if (!recorded->chosen) {
    ++counts_.gone;
    return;
  }
  ++counts_.decisions;
  Began& began = began_[*recorded->chosen];
  ++began.requests;
  if (escalated(logged)) ++began.escalated;
  if (logged.score) ++scored_;
  const Decision today =
      policy == nullptr ? as_recorded(*recorded) : decide(recorded->input(catalog_, policy));
  const Decision changed = decide(recorded->input(catalog_, &policy_));
  if (policy == nullptr) ++counts_.policy_gone;
  if (policy != nullptr && same_decision(today, *recorded, catalog_)) ++counts_.reproduced;
  if (changed.target != today.target) ++counts_.changed;
  add_to(today_, today, *recorded, logged);
  add_to(changed_, changed, *recorded, logged);
}

void Replay::add_to(Side& side, const Decision& decision, const RecordedDecision& recorded,
                    const LoggedDecision& logged) {
  ReplaySide& sums = side.sums;
  if (!decision.target) {
    ++sums.refused;
    return;
  }
  const std::size_t target = *decision.target;
  const Candidate& candidate = decision.candidates[target];
  sums.ttft_ms += candidate.facts.ttft_ms;
  sums.predicted_quality += candidate.facts.p_ok;
  const bool same = recorded.chosen == decision.target;
  if (!same) ++sums.predicted;
  const Split cost =
      same ? paid(catalog_, recorded, logged) : predicted(catalog_, recorded, logged, target);
  ReplayShare& share = sums.targets[catalog_.targets[target].name];
  ++share.requests;
  if (cost.total) {
    share.cost += *cost.total;
    sums.cost += *cost.total;
    sums.input += cost.input;
    sums.output += *cost.total - cost.input;
  } else {
    ++sums.unpriced;
  }
  if (const auto stronger = escalates_to(decision); stronger && !same) {
    const Split again = predicted(catalog_, recorded, logged, *stronger);
    side.escalations[target].to_cost +=
        static_cast<double>(again.total.value_or(Nanodollars{0}).value);
  }
  if (logged.score) add_quality(side, decision, recorded, *logged.score);
}

// Doubly robust: the mean P(ok) of the policy's choices, corrected by how far P(ok) was off where
// the recorded choice could have been this policy's, weighted by how much likelier it is here.
// What was never tried counts as anything between 0 and 1 in the interval.
void Replay::add_quality(Side& side, const Decision& decision, const RecordedDecision& recorded,
                         double score) {
  Moments& m = side.moments;
  double supported_value = 0, unsupported = 0;
  for (const Candidate& candidate : decision.candidates) {
    const double ours = chance(decision, candidate.target);
    if (ours <= 0) continue;
    const bool tried = recorded.propensity[candidate.target] > 0;
    if (tried) supported_value += ours * candidate.facts.p_ok;
    if (!tried) {
      unsupported += ours;
      m.unsupported_value += ours * candidate.facts.p_ok;
    }
  }
  const std::size_t seen = *recorded.chosen;
  const double logged_chance = recorded.propensity[seen];
  const double weight = logged_chance > 0 ? chance(decision, seen) / logged_chance : 0;
  const double believed = recorded.facts[seen] ? recorded.facts[seen]->p_ok : 0.5;
  const double term = supported_value + weight * (score - believed);
  m.terms += term;
  m.squares += term * term;
  m.weights += weight;
  m.weight_squares += weight * weight;
  m.unsupported += unsupported;
}

namespace {

std::string percent(double share) { return std::to_string(std::llround(share * 100)) + " %"; }

void judge(QualityEstimate& quality) {
  if (quality.scored < scored_min) {
    quality.why_not_enough = std::to_string(quality.scored) + " requests have feedback, " +
                             std::to_string(scored_min) + " are needed";
  } else if (quality.unsupported > unsupported_max) {
    quality.why_not_enough =
        percent(quality.unsupported) + " of its choices were never tried; `explore` would try them";
  } else if (quality.effective < effective_min) {
    quality.why_not_enough = "only " + std::to_string(std::llround(quality.effective)) +
                             " scored requests went where it would send them";
  } else {
    quality.enough = true;
  }
}

}  // namespace

ReplaySide Replay::finished(const Side& side, std::vector<std::string>& unknown) const {
  ReplaySide result = side.sums;
  const std::int64_t served = counts_.decisions - result.refused;
  if (served > 0) {
    result.ttft_ms /= static_cast<double>(served);
    result.predicted_quality /= static_cast<double>(served);
  }
  for (const auto& [target, escalation] : side.escalations) {
    const std::string& name = catalog_.targets[target].name;
    const auto began = began_.find(target);
    if (began == began_.end() || began->second.requests < began_min) {
      if (std::find(unknown.begin(), unknown.end(), name) == unknown.end()) unknown.push_back(name);
      continue;
    }
    const double share =
        static_cast<double>(began->second.escalated) / static_cast<double>(began->second.requests);
    const Nanodollars more{std::llround(escalation.to_cost * share)};
    result.cost += more;
    result.output += more;
    result.targets[name].cost += more;
  }
  QualityEstimate& quality = result.quality;
  quality.scored = scored_;
  if (scored_ > 0) {
    const Moments& m = side.moments;
    const auto n = static_cast<double>(scored_);
    const double mean = m.terms / n;
    // Scores near 0 or 1 vary less in a small sample than in truth: as Agresti and Coull do, two
    // good and two bad ones are imagined beside those that were seen.
    const double weight = m.weights > 0 ? m.weight_squares / m.weights : 0;
    const double imagined = 4 * weight * weight * 0.25;
    const double variance = std::max(0.0, (m.squares + imagined) / n - mean * mean);
    const double error = z_95 * std::sqrt(variance / std::max(1.0, n - 1));
    quality.unsupported = m.unsupported / n;
    quality.effective = m.weight_squares > 0 ? m.weights * m.weights / m.weight_squares : 0;
    quality.value = std::clamp(mean + m.unsupported_value / n, 0.0, 1.0);
    quality.low = std::clamp(mean - error, 0.0, 1.0);
    quality.high = std::clamp(mean + error + quality.unsupported, 0.0, 1.0);
  }
  judge(quality);
  return result;
}

ReplayReport Replay::report() const {
  ReplayReport report = counts_;
  report.today = finished(today_, report.unknown_escalations);
  report.changed_policy = finished(changed_, report.unknown_escalations);
  return report;
}

}  // namespace jevons
