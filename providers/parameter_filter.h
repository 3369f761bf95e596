// Which parameters of a request reach the wire. What a target cannot take is dropped and named, or
// refused when the policy is strict; it never disappears unnoticed.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/chat.h"
#include "router/error.h"
#include "router/target.h"

namespace jevons {

class ParameterFilter {
 public:
  ParameterFilter(const Target& target, bool strict) : target_(target), strict_(strict) {}

  // Whether to write a parameter: it is set and the catalog does not list it in `rejects`.
  bool takes(std::string_view name, bool is_set) {
    if (!is_set) return false;
    if (!rejected(name)) return true;
    drop(name);
    return false;
  }
  bool rejected(std::string_view name) const {
    return std::find(target_.rejects.begin(), target_.rejects.end(), name) != target_.rejects.end();
  }
  void drop(std::string_view name) {
    if (strict_ && !error_) {
      error_ = Error(Fault::unsupported_parameter, Origin::client,
                     "The target '" + target_.name + "' does not take '" + std::string(name) +
                         "', and the policy is strict. Leave the parameter out, or use another "
                         "target.")
                   .with_param(std::string(name));
    }
    if (std::find(dropped_.begin(), dropped_.end(), name) == dropped_.end()) {
      dropped_.emplace_back(name);
    }
  }
  // For names that are dropped whenever they are set.
  void drop_if(std::string_view name, bool is_set) {
    if (is_set) drop(name);
  }
  const std::optional<Error>& error() const { return error_; }
  std::vector<std::string> take_dropped() { return std::move(dropped_); }

 private:
  const Target& target_;
  bool strict_;
  std::vector<std::string> dropped_;
  std::optional<Error> error_;
};

// The effort that the target knows and that lies nearest to the one asked for, rounding down in a
// tie; the asked one if the target lists none. Order: none, minimal, low, medium, high, xhigh, max.
std::string nearest_effort(std::string_view asked, const std::vector<std::string>& known);

// An upper bound of thinking tokens as an effort, for upstreams that have no budget in tokens.
std::string_view effort_of_budget(std::int64_t budget_tokens);

}  // namespace jevons
