// What must hold for the errors of any configuration file, however broken.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "router/config_load.h"

namespace jevons {

// Every error has a place inside the file and a caret inside its quoted line; all can be printed.
inline void check_errors(const YamlFile& file, const std::vector<ConfigError>& errors) {
  const auto lines = std::count(file.text.begin(), file.text.end(), '\n') + 1;
  for (const ConfigError& error : errors) {
    const bool sound = !error.message.empty() && error.message.size() < 2'000 &&
                       error.quoted.size() < 2'000 && error.line >= 0 && error.line <= lines &&
                       (error.line == 0 || error.column >= 1) && error.caret >= 0 &&
                       static_cast<std::size_t>(error.caret) <= error.quoted.size();
    if (!sound) std::abort();
  }
  if (errors.size() > 200) std::abort();
  if (config_errors_text(errors).empty()) std::abort();
}

}  // namespace jevons
