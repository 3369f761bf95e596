// `jevons explain`: which target a prompt would go to and why, decided from the configuration and
// from what outcomes have taught; live latencies, breakers and budgets are the gateway's own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gateway/cli/commands.h"
#include "gateway/config.h"
#include "router/replay.h"

namespace jevons {

struct ExplainOptions {
  std::string prompt;  // or the id of a request in the ledger
  std::string model = "auto";
  std::string policy;             // empty: the one that serves the model
  std::string key = "anonymous";  // whose request it would be
  std::vector<std::string> tags;  // name=value
  std::optional<double> quality;
  std::optional<std::int64_t> max_tokens;
  bool json = false;
};

Exit explain(const Config& config, const ExplainOptions& options, std::int64_t now_unix_s,
             const CliIo& io);

// A decision with what it was made from, and for a past request what the ledger has of it.
struct Explained {
  DecideInput input;
  Decision decision;
  const LoggedDecision* logged = nullptr;
  const RecordedDecision* recorded = nullptr;
  bool reproduced = false;
};
void print_explained(const Explained& explained, bool as_json, const CliIo& io);

}  // namespace jevons
