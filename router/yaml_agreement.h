// A second reader: what the strict reader took from a file must be exactly what yaml-cpp takes from
// it. A file that two readers understand differently is refused, so that no editor, linter or
// deployment tool sees another policy than the gateway does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "router/yaml_tree.h"

namespace jevons {

struct YamlDisagreement {
  std::uint32_t line = 0, offset = 0;
  std::string message;
};

// The first place where yaml-cpp reads something else than `root`, or nothing. The strict reader
// has bounded size, depth and aliases before, so yaml-cpp never meets a hostile file.
std::optional<YamlDisagreement> yaml_disagreement(const std::string& text, const YamlNode& root);

}  // namespace jevons
