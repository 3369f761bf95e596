// What every command gets besides its own options. Results go to `out`, messages to `err`.
#pragma once

#include <ostream>

namespace jevons {

struct CliIo {
  std::ostream& out;
  std::ostream& err;
  bool color = false;  // ANSI colours are welcome on `out`
  bool tty = false;    // `err` is a terminal: progress bars are welcome
};

// Exit codes of every command (product.md 7).
enum class Exit : int { good = 0, failure = 1, usage = 2, budget = 3, config = 4 };

}  // namespace jevons
