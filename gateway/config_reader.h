// What the parts that read jevons.yaml share. Only config_*.cpp include this.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gateway/config.h"
#include "router/yaml_values.h"

namespace jevons {

struct ConfigContext {
  YamlReader& reader;
  const ConfigSources& sources;
  std::string folder;  // absolute, of jevons.yaml
  Config& config;
};

// A path in a file means: relative to that file's folder.
std::string path_in(const std::string& folder, const std::string& path);
// "file:server.crt" -> an absolute path that can be read; reports what is wrong.
std::optional<std::string> read_file_reference(ConfigContext& context, const YamlNode& node,
                                               std::string_view what);
// "env:NAME" or "file:PATH" -> the secret behind it, without the line end of a file.
std::optional<Secret> read_secret(ConfigContext& context, const YamlNode& node,
                                  std::string_view what);

void read_providers(ConfigContext& context, const YamlNode& node);
void read_keys(ConfigContext& context, std::span<const YamlNode> nodes);
void read_budgets(ConfigContext& context, std::span<const YamlNode> nodes);
// After the catalog and the policies are known: what keys and budgets name must exist.
void check_keys(ConfigContext& context, std::span<const YamlNode> nodes);
void check_budgets(ConfigContext& context);

}  // namespace jevons
