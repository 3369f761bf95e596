// Stop strings over token borders: text that may yet become a stop string is held back.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace jevons::engine {

class StopMatcher {
 public:
  explicit StopMatcher(std::vector<std::string> stops);

  // Text that is certain to be part of the answer. Once a stop string is complete, what was before
  // it, and stopped() holds.
  std::string push(std::string_view text);
  // The rest, at the end of the answer.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::vector<std::string> stops_;  // none empty
  std::string held_;
  bool stopped_ = false;
};

}  // namespace jevons::engine
