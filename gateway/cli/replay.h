// `jevons replay`: what another policy would have cost on recorded traffic, and how good its
// answers would have been, as far as the ledger can say.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/cli/commands.h"
#include "gateway/config.h"
#include "router/replay.h"

namespace jevons {

struct ReplayOptions {
  std::string policy_file;                 // the new policy
  std::vector<std::string> from_policies;  // only what these decided; empty: whatever did
  std::string since = "7d", until;
  bool json = false;
  std::size_t width = 100;  // columns of the terminal
};
Exit replay_command(const Config& config, const ConfigSources& sources,
                    const ReplayOptions& options, std::int64_t now_unix_s, const CliIo& io);

// How the report is headed.
struct ReplayTitle {
  std::string today, changed;  // policy names; of today several, with commas between
  std::int64_t pinned = 0;     // requests that named their target and are left out
  std::int64_t from_unix_s = 0, until_unix_s = 0;
};
std::string replay_json(const ReplayReport& report, const ReplayTitle& title);
std::string replay_table(const ReplayReport& report, const ReplayTitle& title, bool color,
                         std::size_t width);

}  // namespace jevons
