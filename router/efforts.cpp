#include "router/efforts.h"

namespace jevons {
namespace {

// The label's value where it was set by the loader: an operator's own label has no arms behind it.
std::string_view label_of(const Target& target) {
  static const std::string name(effort_label);
  const auto found = target.labels.find(name);
  return found == target.labels.end() || found->second.size() != 1 ? std::string_view()
                                                                   : found->second.front();
}

}  // namespace

std::string_view effort_of(const Target& target) {
  const std::string_view effort = label_of(target), name = target.name;
  const bool arm = !effort.empty() && effort != effort_stated && name.ends_with(effort) &&
                   name.size() > effort.size() + 1 && name[name.size() - effort.size() - 1] == ':';
  return arm ? effort : std::string_view();
}

bool has_arms(const Target& target) { return label_of(target) == effort_stated; }

std::string_view row_name(const Target& target) {
  const std::string_view effort = effort_of(target), name = target.name;
  return effort.empty() ? name : name.substr(0, name.size() - effort.size() - 1);
}

bool states_effort(const ChatRequest& request) {
  return !request.reasoning_effort.empty() || !request.thinking.empty();
}

double hidden_share(std::string_view effort) {
  if (effort == "minimal") return 0.2;
  if (effort == "low") return 0.7;
  if (effort == "medium") return 1.5;
  if (effort == "high") return 3;
  if (effort == "xhigh" || effort == "max") return 6;
  return 0;
}

}  // namespace jevons
