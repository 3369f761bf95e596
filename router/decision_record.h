// A decision as the ledger keeps it: everything that `decide` looked at, in as few bytes as it
// takes, so that the same policy decides the same again and another policy can be tried on it,
// whatever was learned or measured in between.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/decision.h"
#include "router/estimate.h"

namespace jevons {

// Values are rounded to what the record holds before they are decided on; otherwise a replay could
// differ in the last bit. P(ok) in 1/50,000, times in tenths of a millisecond.
double recordable_p_ok(double p_ok);
Latency recordable(const Latency& latency);
// A bound on failures, rounded up to 1/50,000.
double recordable_bound(double failures_at_most);

// The request columns that stand beside the record in the ledger and are not repeated in it.
struct RecordedRequest {
  std::int64_t time_unix_ns = 0;
  std::uint64_t seed = 0;  // the lower half of the request id
  std::string key, session, requested_model;
  std::map<std::string, std::string> tags;
  Endpoint endpoint = Endpoint::chat;
  double difficulty = 0, uncertainty = 0;
};

// The names of a catalog's targets in its order, one a line: which target each entry is about.
std::string target_layout(const Catalog& catalog);

// `input` is what `decision` was made from.
std::string encode_decision(const DecideInput& input, const Decision& decision);

// A decision read back, for today's catalog. Owns what a DecideInput refers to.
struct RecordedDecision {
  ChatRequest request;
  Classification classification;
  Caller caller;
  Snapshot snapshot;
  std::shared_ptr<const std::string> language;  // what classification.language points into
  std::optional<std::size_t> pinned;
  std::vector<std::optional<TargetFacts>> facts;  // by target of today's catalog
  // What was decided: empty where the target left the catalog since.
  std::optional<std::size_t> chosen;
  bool had_target = false;  // it was feasible
  Reason reason = Reason::cheapest_above_floor;
  std::vector<std::pair<std::string, PlanOn>> plan;  // target names
  std::vector<double> propensity;                    // by target of today's catalog

  DecideInput input(const Catalog& catalog, const Policy* policy) const {
    return {.catalog = catalog,
            .policy = policy,
            .pinned = pinned,
            .request = request,
            .classification = classification,
            .caller = caller,
            .snapshot = snapshot,
            .recorded = &facts};
  }
};
// Errors: Fault::internal for bytes that no version of Jevons wrote.
Result<RecordedDecision> decode_decision(std::string_view bytes, std::string_view layout,
                                         const RecordedRequest& columns, const Catalog& catalog);

// Whether deciding again came to the same: target, reason and plan.
bool same_decision(const Decision& again, const RecordedDecision& recorded, const Catalog& catalog);

}  // namespace jevons
