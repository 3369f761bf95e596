// What the loader of a part of the catalog makes of a text, and what it says about it.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "router/config_load.h"

namespace jevons::testing {

// `load` is load_prices or load_targets.
template <class Load>
std::string catalog_errors(Load load, const YamlFile& file) {
  Catalog catalog;
  std::vector<ConfigError> errors;
  load(file, catalog, errors);
  std::string out;
  for (const ConfigError& error : errors) out += config_error_text(error);
  return out;
}

template <class Load>
Catalog catalog_of(Load load, const YamlFile& file) {
  Catalog catalog;
  std::vector<ConfigError> errors;
  load(file, catalog, errors);
  const std::string said = config_errors_text(errors);
  REQUIRE_MESSAGE(errors.empty(), said);
  return catalog;
}

}  // namespace jevons::testing
