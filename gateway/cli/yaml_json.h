// A YAML value as JSON text: policy tests write a request body in YAML like any other value.
#pragma once

#include <string>

#include "router/yaml_tree.h"

namespace jevons {

// Plain true, false, null and decimal numbers become those of JSON, everything else a string.
void append_yaml_as_json(const YamlNode& node, std::string& out);

}  // namespace jevons
