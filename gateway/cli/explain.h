// `jevons explain`: which target a prompt would go to and why, decided offline from the
// configuration alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gateway/cli/commands.h"
#include "gateway/config.h"

namespace jevons {

struct ExplainOptions {
  std::string prompt;
  std::string model = "auto";
  std::string policy;             // empty: the one that serves the model
  std::vector<std::string> tags;  // name=value
  std::optional<double> quality;
  std::optional<std::int64_t> max_tokens;
  bool json = false;
};

Exit explain(const Config& config, const ExplainOptions& options, std::int64_t now_unix_s,
             const CliIo& io);

}  // namespace jevons
