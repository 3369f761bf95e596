#include "providers/parameter_filter.h"

#include <array>
#include <cstdlib>

namespace jevons {
namespace {

constexpr std::array<std::string_view, 7> efforts = {"none", "minimal", "low", "medium",
                                                     "high", "xhigh",   "max"};

std::optional<int> rank_of(std::string_view effort) {
  const auto found = std::find(efforts.begin(), efforts.end(), effort);
  if (found == efforts.end()) return std::nullopt;
  return static_cast<int>(found - efforts.begin());
}

}  // namespace

std::string nearest_effort(std::string_view asked, const std::vector<std::string>& known) {
  const std::optional<int> wanted = rank_of(asked);
  if (known.empty() || !wanted) return std::string(asked);
  std::string best(asked);
  int best_distance = INT32_MAX;
  for (const std::string& effort : known) {
    const std::optional<int> rank = rank_of(effort);
    if (!rank) continue;
    // Twice the distance, and one less for the cheaper side, so that ties round down.
    const int distance = 2 * std::abs(*rank - *wanted) - (*rank < *wanted ? 1 : 0);
    if (distance < best_distance) {
      best_distance = distance;
      best = effort;
    }
  }
  return best;
}

std::string_view effort_of_budget(std::int64_t budget_tokens) {
  if (budget_tokens <= 0) return "none";
  if (budget_tokens <= 2'048) return "low";
  if (budget_tokens <= 12'288) return "medium";
  return "high";
}

}  // namespace jevons
