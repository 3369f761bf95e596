// `jevons spend`, `keys`, `ledger` and `audit`: each takes its parsed options, prints, and returns
// the exit code.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/admin/spend_report.h"
#include "gateway/cli/commands.h"
#include "gateway/config.h"

namespace jevons {

struct SpendOptions {
  SpendWords words;
  bool json = false, csv = false;
  std::size_t width = 100;  // columns of the terminal
};
Exit spend_command(const Config& config, const SpendOptions& options, const CliIo& io);

struct NewKeyOptions {
  std::string name;
  std::vector<std::string> policies, models, require_tags;
  std::vector<std::string> tags;  // name=value
  double min_quality = 0;
  std::int64_t requests_per_minute = 0, tokens_per_minute = 0;
  std::string expires;  // date or instant, empty: never
  bool json = false;
};
Exit keys_create_command(const Config& config, const NewKeyOptions& options, const CliIo& io);
Exit keys_list_command(const Config& config, bool json, const CliIo& io);
Exit keys_revoke_command(const Config& config, const std::string& name, bool json, const CliIo& io);
// `overlap`: "24h", "7d", "30m", "0": how long the old secret works beside the new one.
Exit keys_rotate_command(const Config& config, const std::string& name, const std::string& overlap,
                         bool json, const CliIo& io);

Exit ledger_backup_command(const Config& config, const std::string& file, const CliIo& io);
Exit ledger_verify_command(const Config& config, bool json, const CliIo& io);
Exit ledger_export_command(const Config& config, const CliIo& io);

// `since`: date or instant, empty: everything.
Exit audit_command(const Config& config, const std::string& since, bool json, const CliIo& io);

}  // namespace jevons
