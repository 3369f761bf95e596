// Loading catalog, prices and policies from YAML text: all errors at once, each with
// file:line:col, the quoted line, a caret and a remedy (style.md example 11). Takes text, not
// files, so it is testable without a disk.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/policy.h"
#include "router/target.h"

namespace jevons {

struct ConfigError {
  std::string file;
  int line = 0;    // 1-based; 0: the whole file
  int column = 0;  // 1-based
  std::string message;
  std::string quoted;  // the line at fault, or a window of it where the line is very long
  int caret = 0;       // characters of `quoted` before the fault
};
// "policies/default.yaml:14:9: unknown condition ...\n        prompt...\n        ^"
std::string config_error_text(const ConfigError& error);
// All of them, sorted by file and position, then "2 errors, nothing was loaded".
std::string config_errors_text(const std::vector<ConfigError>& errors);

struct YamlFile {
  std::string name;  // as shown in messages
  std::string text;
};

// Each appends to `errors` and returns what it could read; the caller loads nothing if any.
void load_prices(const YamlFile& file, Catalog& catalog, std::vector<ConfigError>& errors);
void load_targets(const YamlFile& file, Catalog& catalog, std::vector<ConfigError>& errors);
Policy load_policy(const YamlFile& file, const Catalog& catalog, std::vector<ConfigError>& errors);
// Checks across files: baselines exist, exact serves entries are not catalogued names, names
// unique.
void check_policies(const std::vector<Policy>& policies, const Catalog& catalog,
                    std::vector<ConfigError>& errors);

// One line a condition key: name, form and help (`jevons policy conditions`).
struct ConditionHelp {
  std::string_view key, form, help;
};
const std::vector<ConditionHelp>& condition_table();

// "did you mean": the nearest of `known` within edit distance 3, empty if none.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known);

}  // namespace jevons
