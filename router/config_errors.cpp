// How errors in configuration files are shown (contract: all at once, position, line, caret).
#include <algorithm>
#include <string_view>
#include <tuple>

#include "router/config_load.h"

namespace jevons {
namespace {

// A secret that someone wrote into the file must not travel on into terminals and logs with the
// quoted line: what looks like a provider's or our own key is starred out, length kept.
std::string without_secrets(std::string line) {
  constexpr std::size_t shortest = 16;
  for (const std::string_view prefix : {"sk-", "jv-", "gsk_", "xai-", "AIza"}) {
    for (std::size_t at = line.find(prefix); at != std::string::npos; at = line.find(prefix, at)) {
      const std::size_t begin = at + prefix.size();
      std::size_t end = begin;
      while (end < line.size() && line[end] != '"' && line[end] != '\'' && line[end] != ' ' &&
             line[end] != ',' && line[end] != '}' && line[end] != ']') {
        ++end;
      }
      if (end - at >= shortest) line.replace(begin, end - begin, end - begin, '*');
      at = end;
    }
  }
  return line;
}

}  // namespace

std::string config_error_text(const ConfigError& error) {
  if (error.line == 0) return error.file + ": " + error.message + "\n";
  std::string out = error.file + ":" + std::to_string(error.line) + ":" +
                    std::to_string(error.column) + ": " + error.message + "\n";
  if (error.quoted.empty()) return out;
  return out + without_secrets(error.quoted) + "\n" +
         std::string(static_cast<std::size_t>(error.caret), ' ') + "^\n";
}

std::string config_errors_text(const std::vector<ConfigError>& errors) {
  std::vector<ConfigError> sorted = errors;
  std::stable_sort(sorted.begin(), sorted.end(), [](const ConfigError& a, const ConfigError& b) {
    return std::tie(a.file, a.line, a.column) < std::tie(b.file, b.line, b.column);
  });
  std::string out;
  for (const ConfigError& error : sorted) out += config_error_text(error);
  return out + std::to_string(errors.size()) + (errors.size() == 1 ? " error" : " errors") +
         ", nothing was loaded\n";
}

}  // namespace jevons
