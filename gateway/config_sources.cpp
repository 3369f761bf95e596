// Where configuration comes from: files, the environment, and references to secrets.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "gateway/config.h"
#include "gateway/config_reader.h"

namespace jevons {
namespace {

constexpr std::size_t file_bytes_max = yaml_bytes_max + 1;  // one more, so that too much is seen

std::optional<std::string> read_whole_file(const std::string& path, std::string& why) {
  std::error_code code;
  if (std::filesystem::is_directory(path, code)) {
    why = "it is a folder";
    return {};
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    why = std::strerror(errno);
    return {};
  }
  std::string text, block(64 * 1024, '\0');
  while (text.size() < file_bytes_max && in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    text.append(block, 0, static_cast<std::size_t>(in.gcount()));
  }
  if (!in.bad()) return text;
  why = "reading failed";
  return {};
}

}  // namespace

std::string path_in(const std::string& folder, const std::string& path) {
  return (std::filesystem::path(folder) / path).lexically_normal().string();
}

std::optional<std::string> read_file_reference(ConfigContext& context, const YamlNode& node,
                                               std::string_view what) {
  const auto text = yaml_text(context.reader, node, what);
  if (!text) return {};
  if (!text->starts_with("file:") || text->size() == 5) {
    context.reader.fail(node, std::string(what) + " takes a file such as file:server.crt");
    return {};
  }
  std::string path = path_in(context.folder, text->substr(5));
  std::string why;
  if (!context.sources.read_file(path, why)) {
    context.reader.fail(node, "cannot read " + text->substr(5) + ": " + why);
    return {};
  }
  return path;
}

std::optional<Secret> read_secret(ConfigContext& context, const YamlNode& node,
                                  std::string_view what) {
  const auto text = yaml_word(context.reader, node, what);
  if (!text) return {};
  std::optional<std::string> value;
  std::string source, why;
  if (text->starts_with("env:") && text->size() > 4) {
    source = "environment variable " + text->substr(4);
    value = context.sources.environment(text->substr(4));
    why = "it is not set";
  } else if (text->starts_with("file:") && text->size() > 5) {
    source = "file " + text->substr(5);
    value = context.sources.read_file(path_in(context.folder, text->substr(5)), why);
  } else {
    // The text itself may be a secret: it is not repeated in the message, and not quoted either.
    context.reader.fail_unquoted(node, std::string(what) +
                                           " takes env:NAME or file:PATH; a secret "
                                           "itself does not belong in this file");
    return {};
  }
  if (!value) {
    context.reader.fail(node, "cannot read " + source + ": " + why);
    return {};
  }
  while (!value->empty() &&
         (value->back() == '\n' || value->back() == '\r' || value->back() == ' ')) {
    value->pop_back();
  }
  const bool printable =
      std::all_of(value->begin(), value->end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (value->empty() || value->size() > 8192 || !printable) {
    context.reader.fail(node, source + " must hold one secret of visible ASCII characters" +
                                  (value->empty() ? "; it is empty" : ""));
    return {};
  }
  return Secret(std::move(*value));
}

ConfigSources system_sources() {
  return {.read_file = read_whole_file,
          .environment = [](const std::string& name) -> std::optional<std::string> {
            const char* value = std::getenv(name.c_str());  // at start and on reload only
            return value == nullptr ? std::nullopt : std::optional<std::string>(value);
          },
          .exists = [](const std::string& path) { return access(path.c_str(), F_OK) == 0; }};
}

std::string find_config(const std::string& from_option, const ConfigSources& sources) {
  if (!from_option.empty()) return from_option;
  std::vector<std::string> places = {"jevons.yaml"};
  const auto home = sources.environment("HOME");
  if (const auto xdg = sources.environment("XDG_CONFIG_HOME"); xdg && !xdg->empty()) {
    places.push_back(*xdg + "/jevons/jevons.yaml");
  } else if (home && !home->empty()) {
    places.push_back(*home + "/.config/jevons/jevons.yaml");
  }
  places.push_back("/etc/jevons/jevons.yaml");
  for (const std::string& place : places) {
    if (sources.exists && sources.exists(place)) return place;
  }
  return {};
}

}  // namespace jevons
