// What every command gets besides its own options, and the commands themselves. Results go to
// `out`, messages to `err`. Command lines are parsed elsewhere (cli.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "gateway/config.h"

namespace jevons {

struct CliIo {
  std::ostream& out;
  std::ostream& err;
  bool color = false;  // ANSI colours are welcome on `out`
  bool tty = false;    // `err` is a terminal: progress bars are welcome
};

// Exit codes of every command (product.md 7).
enum class Exit : int { good = 0, failure = 1, usage = 2, budget = 3, config = 4 };

// `jevons check`: every error of the configuration; exit 4 if there is one.
struct CheckOptions {
  std::string config;  // --config, empty: the usual places
  bool json = false;
  std::vector<std::string> files;  // several configurations, in place of `config`
};
Exit run_check(const CliIo& io, const ConfigSources& sources, const CheckOptions& options);

// `jevons init`: writes a starter configuration for the providers whose keys the environment has.
struct InitOptions {
  std::string folder = ".";
  bool force = false;    // overwrite
  bool dry_run = false;  // only say what would be written
  bool json = false;
  // Creates folders as needed; false with what went wrong in `why`.
  std::function<bool(const std::string& path, const std::string& text, std::string& why)> write;
};
Exit run_init(const CliIo& io, const ConfigSources& sources, const InitOptions& options);
// InitOptions::write on the disk: the whole file or none of it.
bool write_file(const std::string& path, const std::string& text, std::string& why);

// `jevons policy test FILES`: the operator's expectations (contract.md 5); exit 1 if one fails.
struct PolicyTestOptions {
  std::string config;
  std::vector<std::string> files;
  bool json = false;
  std::int64_t now_unix_s = 0;  // for prices and time_utc, where a test gives no time
};
Exit run_policy_test(const CliIo& io, const ConfigSources& sources,
                     const PolicyTestOptions& options);

// `jevons policy conditions`: what `when` can ask.
struct PolicyConditionsOptions {
  bool json = false;
};
Exit run_policy_conditions(const CliIo& io, const PolicyConditionsOptions& options);

// `jevons prices list`: the rows valid at a time.
struct PricesListOptions {
  std::string config;
  std::string model;  // a glob on price ids, empty: all
  std::string at;     // YYYY-MM-DD, empty: now
  std::int64_t now_unix_s = 0;
  bool all = false;  // every row, whenever it is valid
  bool json = false;
  bool csv = false;
};
Exit run_prices_list(const CliIo& io, const ConfigSources& sources,
                     const PricesListOptions& options);

// Loads the configuration for a command that calls no provider: secrets that are not there do not
// matter. Without any file the built-in one with all providers. Prints all errors; false then.
bool load_for_reading(const CliIo& io, const ConfigSources& sources, const std::string& config,
                      Config& out);
// The same for `spend`, `keys`, `ledger` and `audit`: where something else is broken, the errors go
// to `err` as a warning and only what leads to the ledger is read.
bool load_for_ledger(const CliIo& io, const ConfigSources& sources, const std::string& config,
                     Config& out);

}  // namespace jevons
