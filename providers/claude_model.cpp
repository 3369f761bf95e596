#include "providers/claude_model.h"

#include <array>
#include <cctype>

namespace jevons {
namespace {

constexpr std::array<std::string_view, 4> families = {"opus", "sonnet", "haiku", "fable"};

// A version part is one or two digits between dashes; eight digits are a date.
int version_part(std::string_view& text) {
  if (text.empty() || (text[0] != '-' && text[0] != '.')) return -1;
  std::size_t end = 1;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  const std::string_view digits = text.substr(1, end - 1);
  if (digits.empty() || digits.size() > 2) return -1;
  int number = 0;
  for (const char digit : digits) number = number * 10 + (digit - '0');
  text.remove_prefix(end);
  return number;
}

}  // namespace

ClaudeModel claude_model(std::string_view name) {
  ClaudeModel model;
  std::string_view family;
  std::string_view rest;
  for (const std::string_view known : families) {
    const std::size_t at = name.find(known);
    if (at == std::string_view::npos) continue;
    family = known;
    rest = name.substr(at + known.size());
  }
  int major = version_part(rest);
  if (major < 0) {  // claude-3-7-sonnet
    const std::size_t at = name.find("claude");
    if (at == std::string_view::npos) return model;
    rest = name.substr(at + 6);
    major = version_part(rest);
  }
  if (major < 0) return model;
  model.major = major;
  const int minor = version_part(rest);
  model.minor = minor < 0 ? 0 : minor;
  const auto at_least = [&](int wanted_major, int wanted_minor) {
    return model.major > wanted_major ||
           (model.major == wanted_major && model.minor >= wanted_minor);
  };
  const bool newest = family == "opus" ? at_least(4, 7) : at_least(5, 0);
  model.refuses_sampling = newest && family != "haiku";
  model.effort_xhigh = newest && family != "haiku";
  model.adaptive_thinking = at_least(4, 6);
  return model;
}

}  // namespace jevons
