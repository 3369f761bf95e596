// Outcomes on disk, so that what was learnt survives a restart: one JSON object a line, appended.
// Text of a prompt is never in it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "router/error.h"
#include "router/learned.h"

namespace jevons {

struct OutcomeLine {
  std::int64_t time_unix_s = 0;
  std::string target;
  std::string source;      // "feedback:NAME", "answer of TARGET", "asked again" or "length"
  std::string weights_id;  // of the trunk: another weight file's trunk says nothing
  OutcomeSample sample;
  // With a value the line tells how long an answer was (router/lengths.h) and no outcome; its key
  // and task are those of `sample`.
  std::optional<double> length_residual;
};

std::string outcome_text(const OutcomeLine& line);  // with its line feed
// Errors: invalid_json or invalid_value; a line of a later version is invalid_value.
Result<OutcomeLine> read_outcome(std::string_view text);

// One file, used by one thread. An empty path keeps nothing.
class LearningJournal {
 public:
  explicit LearningJournal(std::string path) : path_(std::move(path)) {}
  ~LearningJournal();
  LearningJournal(const LearningJournal&) = delete;
  LearningJournal& operator=(const LearningJournal&) = delete;

  // Every readable line in order; says how many others were passed over (a crash may tear the
  // last).
  std::size_t read(const std::function<void(OutcomeLine)>& take);
  // Appends and syncs. Errors: ledger_unavailable with the system's words.
  Result<void> append(std::string_view lines);
  // Replaces the content, all or nothing.
  Result<void> rewrite(std::string_view lines);

 private:
  std::string path_;
  int file_ = -1;
};

}  // namespace jevons
