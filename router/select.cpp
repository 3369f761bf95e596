// Globs and selectors: which targets a rule or a key means.
#include <algorithm>

#include "router/efforts.h"
#include "router/policy.h"

namespace jevons {
namespace {

bool any_glob(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [text](const std::string& pattern) { return glob_match(pattern, text); });
}

bool has_label(const Target& target, const std::string& name,
               const std::vector<std::string>& wanted) {
  const auto found = target.labels.find(name);
  if (found == target.labels.end()) return false;
  return std::find_first_of(found->second.begin(), found->second.end(), wanted.begin(),
                            wanted.end()) != found->second.end();
}

}  // namespace

// The first piece is anchored in front, the last at the end, and each piece between takes its
// leftmost place: no backtracking over stars, so the time is bounded by text x longest piece.
bool glob_match(std::string_view pattern, std::string_view text) {
  const std::size_t first_star = pattern.find('*');
  if (first_star == std::string_view::npos) return pattern == text;
  const std::size_t last_star = pattern.rfind('*');
  const std::string_view head = pattern.substr(0, first_star);
  const std::string_view tail = pattern.substr(last_star + 1);
  if (text.size() < head.size() + tail.size()) return false;
  if (text.substr(0, head.size()) != head) return false;
  if (text.substr(text.size() - tail.size()) != tail) return false;
  text = text.substr(head.size(), text.size() - head.size() - tail.size());
  std::string_view middle = pattern.substr(first_star, last_star - first_star);
  while (!middle.empty()) {
    middle.remove_prefix(1);  // the star
    const std::string_view piece = middle.substr(0, middle.find('*'));
    middle.remove_prefix(piece.size());
    const std::size_t at = text.find(piece);
    if (at == std::string_view::npos) return false;
    text.remove_prefix(at + piece.size());
  }
  return true;
}

bool selects(const Selector& selector, const Target& target) {
  // A row's name selects its arms, too.
  if (!selector.target.empty() && !any_glob(selector.target, target.name) &&
      !any_glob(selector.target, row_name(target)))
    return false;
  if (!selector.provider.empty() && !any_glob(selector.provider, target.provider)) return false;
  const auto& tiers = selector.tier;
  if (!tiers.empty() && std::find(tiers.begin(), tiers.end(), target.tier) == tiers.end()) {
    return false;
  }
  return std::all_of(selector.labels.begin(), selector.labels.end(), [&target](const auto& label) {
    return has_label(target, label.first, label.second);
  });
}

}  // namespace jevons
