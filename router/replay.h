// What other rules would have done with recorded decisions: cost, quality and where the requests
// would have gone. Pure; decisions are added one by one, memory does not grow with them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router/decision.h"
#include "router/decision_record.h"
#include "router/ledger_record.h"

namespace jevons {

// One attempt of a recorded request, as it settled.
struct LoggedAttempt {
  int attempt = 1;
  std::string on, target;
  std::optional<Nanodollars> cost;  // empty: unpriced
  bool delivered = false;
  Usage usage;
};

struct LoggedDecision {
  std::int64_t seq = 0;
  RequestRecord request;
  std::vector<LoggedAttempt> attempts;  // in order
  std::optional<double> score;          // mean of its feedback, 0..1
};

// How good the answers were or would be, from the scores of recorded requests: doubly robust, with
// the logged chances of each target. Scores are taken to be missing at random.
struct QualityEstimate {
  double value = 0, low = 0, high = 1;  // 95 %, widened by what the log cannot say
  std::int64_t scored = 0;              // requests with feedback
  double effective = 0;                 // as many of them as count for this policy
  double unsupported = 0;               // share of its choices that were never tried
  bool enough = false;
  std::string why_not_enough;
};

struct ReplayShare {  // of one target
  std::int64_t requests = 0;
  Nanodollars cost;
};

struct ReplaySide {
  Nanodollars cost;           // what was paid, where the choice is the recorded one; else predicted
  Nanodollars input, output;  // of it
  std::int64_t predicted = 0;    // requests whose cost is a prediction
  std::int64_t unpriced = 0;     // requests without a known price
  std::int64_t refused = 0;      // requests no target may serve
  double ttft_ms = 0;            // mean of what was expected
  double predicted_quality = 0;  // mean P(ok)
  QualityEstimate quality;
  std::map<std::string, ReplayShare> targets;
};

struct ReplayReport {
  std::int64_t decisions = 0;
  std::int64_t reproduced = 0;  // decided by today's policy as recorded, to the plan
  std::int64_t changed = 0;     // to another target by the new policy
  std::int64_t unreadable = 0;
  std::int64_t gone = 0;         // the target that was chosen left the catalog
  std::int64_t policy_gone = 0;  // of `decisions`, their policy left the configuration
  ReplaySide today, changed_policy;
  // Targets whose escalations could not be predicted: too few requests began there.
  std::vector<std::string> unknown_escalations;
};

// What the ledger's columns hold of it beside the record.
RecordedRequest columns_of(const LoggedDecision& logged);

class Replay {
 public:
  // Both outlive the replay.
  Replay(const Catalog& catalog, const Policy& changed);
  // `today` decided it, as it is configured now; null: no longer, and what was recorded stands.
  void add(const LoggedDecision& logged, const Policy* today);
  ReplayReport report() const;

 private:
  struct Moments {  // sums of a doubly robust estimate
    double terms = 0, squares = 0, weights = 0, weight_squares = 0, unsupported = 0;
    double unsupported_value = 0;
  };
  struct Escalation {  // requests that would begin here, at another cost than recorded
    double to_cost = 0;
  };
  struct Began {
    std::int64_t requests = 0, escalated = 0;
  };
  struct Side {
    ReplaySide sums;
    Moments moments;
    std::map<std::size_t, Escalation> escalations;
  };

  void add_to(Side& side, const Decision& decision, const RecordedDecision& recorded,
              const LoggedDecision& logged);
  void add_quality(Side& side, const Decision& decision, const RecordedDecision& recorded,
                   double score);
  ReplaySide finished(const Side& side, std::vector<std::string>& unknown) const;

  const Catalog& catalog_;
  const Policy& policy_;
  Side today_, changed_;
  ReplayReport counts_;
  std::int64_t scored_ = 0;
  std::map<std::size_t, Began> began_;  // as recorded, by target
};

}  // namespace jevons
