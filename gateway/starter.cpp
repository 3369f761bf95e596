#include "gateway/starter.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "gateway/embedded_files.h"

namespace jevons {
namespace {

using std::string_view;

constexpr string_view main_file = "policies/jevons.yaml";  // written as jevons.yaml
constexpr string_view catalog_file = "policies/catalog.yaml";
constexpr string_view built_in_folder = "/(built in)";

std::vector<string_view> lines_of(string_view text) {
  std::vector<string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

// The text between two marks of a line, empty without them.
string_view between(string_view line, string_view before, string_view after) {
  const std::size_t begin = line.find(before);
  if (begin == string_view::npos) return {};
  const string_view rest = line.substr(begin + before.size());
  return rest.substr(0, rest.find_first_of(after));
}

bool contains(const std::vector<std::string>& names, string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string main_text(const std::vector<std::string>& providers) {
  std::vector<std::string> out;
  for (const string_view line : lines_of(embedded_file(main_file))) {
    const bool is_provider = !between(line, "\"env:", "\"").empty() && line.starts_with("  ") &&
                             !line.starts_with("  #");
    const string_view name = is_provider ? between(line, "  ", ":") : "";
    out.emplace_back(line);
    if (is_provider && !contains(providers, name)) out.back() = "  # " + out.back().substr(2);
    const std::size_t schema = out.back().find("$schema=schemas/");
    if (schema != std::string::npos) out.back().insert(schema + 8, "policies/");
  }
  return joined(out);
}

// Drops targets of other providers, and section headings that are left without a target.
std::string catalog_text(const std::vector<std::string>& providers) {
  std::vector<std::string> out, heading, target;
  bool kept = true;
  const auto flush = [&] {
    if (kept && !target.empty()) {
      out.insert(out.end(), heading.begin(), heading.end());
      out.insert(out.end(), target.begin(), target.end());
      heading.clear();
    }
    target.clear();
  };
  bool in_targets = false;
  for (const string_view line : lines_of(embedded_file(catalog_file))) {
    if (!in_targets) {
      out.emplace_back(line);
      in_targets = line == "targets:";
      continue;
    }
    if (line.empty() || line.starts_with("  # ---")) {
      flush();
      if (line.starts_with("  # ---")) heading = {"", std::string(line)};
      continue;
    }
    if (line.starts_with("  - ")) {
      flush();
      kept = false;
    }
    const string_view provider = between(line, "provider: ", ",");
    if (!provider.empty()) kept = provider == "local" || contains(providers, provider);
    target.emplace_back(line);
  }
  flush();
  return joined(out);
}

// What savings are measured against when the usual baseline is not there: the flagship that people
// would have used, not the dearest model, which would flatter the savings; else the strongest.
std::string other_baseline(const Catalog& catalog) {
  for (const string_view usual : {"gpt-6-sol", "gemini-3.1-pro", "deepseek-v4-pro", "kimi-k3"}) {
    if (catalog.find(usual) != nullptr) return std::string(usual);
  }
  std::string best;
  double most = -1;
  for (const Target& target : catalog.targets) {
    const double overall = target.ability.at("overall");
    if (!has(target.can, Capability::chat) || overall <= most) continue;
    most = overall;
    best = target.name;
  }
  return best;
}

// A policy whose baseline is not in the catalog gets another one.
std::string policy_text(string_view text, const Catalog& catalog) {
  std::vector<std::string> out;
  for (const string_view line : lines_of(text)) {
    out.emplace_back(line);
    constexpr string_view key = "baseline: ";
    if (!line.starts_with(key)) continue;
    const string_view name = between(line, key, " #");
    if (catalog.find(name) != nullptr) continue;
    out.back().replace(key.size(), name.size(), other_baseline(catalog));
  }
  return joined(out);
}

}  // namespace

std::vector<StarterProvider> starter_providers() {
  std::vector<StarterProvider> found;
  for (const string_view line : lines_of(embedded_file(main_file))) {
    const string_view variable = between(line, "\"env:", "\"");
    if (variable.empty() || !line.starts_with("  ") || line.starts_with("  #")) continue;
    found.push_back({std::string(between(line, "  ", ":")), std::string(variable)});
  }
  return found;
}

std::vector<std::string> providers_with_keys(const ConfigSources& sources) {
  std::vector<std::string> names;
  for (const StarterProvider& provider : starter_providers()) {
    const auto value = sources.environment(provider.variable);
    if (value && !value->empty()) names.push_back(provider.name);
  }
  return names;
}

std::vector<StarterFile> starter_files(const std::vector<std::string>& providers) {
  const std::string catalog_yaml = catalog_text(providers);
  Catalog catalog;
  std::vector<ConfigError> errors;
  load_targets({std::string(catalog_file), catalog_yaml}, catalog, errors);
  std::vector<StarterFile> files = {{"jevons.yaml", main_text(providers)}};
  for (const EmbeddedFile& file : embedded_files()) {
    if (file.path == main_file) continue;
    std::string text(file.text);
    if (file.path == catalog_file) text = catalog_yaml;
    if (text.find("\npolicy: ") != std::string::npos) text = policy_text(text, catalog);
    files.push_back({std::string(file.path), std::move(text)});
  }
  return files;
}

bool load_starter(const std::vector<std::string>& providers, const std::string& folder,
                  const ConfigSources& sources, Config& out, std::vector<ConfigError>& errors) {
  const std::vector<StarterFile> files = starter_files(providers);
  ConfigSources overlay = sources;
  overlay.read_file = [&](const std::string& path, std::string& why) -> std::optional<std::string> {
    for (const StarterFile& file : files) {
      if (path == std::string(built_in_folder) + "/" + file.path) return file.text;
    }
    return sources.read_file(path, why);
  };
  Config config;
  if (!load_config(std::string(built_in_folder) + "/jevons.yaml", overlay, config, errors)) {
    return false;
  }
  const std::filesystem::path home(folder);
  config.file.clear();
  config.ledger_path = (home / "jevons.db").lexically_normal().string();
  for (Target& target : config.catalog.targets) {
    const ProviderConfig* provider = config.provider(target.provider);
    if (provider == nullptr || provider->api != Api::local) continue;
    const auto relative = std::filesystem::path(target.model).lexically_relative(built_in_folder);
    target.model = (home / relative).lexically_normal().string();
  }
  out = std::move(config);
  return true;
}

}  // namespace jevons
