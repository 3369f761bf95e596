#include "gateway/learning_journal.h"

#include <doctest/doctest.h>

#include "tests/gateway/cli/routing_files.h"

using namespace jevons;

namespace {

OutcomeLine line_of(std::uint64_t id) {
  OutcomeLine line;
  line.time_unix_s = 1'795'392'000;
  line.target = "cheap";
  line.source = "feedback:user \"x\"";
  line.weights_id = "w1-1";
  line.sample.id = id;
  line.sample.key = "team-α";
  line.sample.input.prior_logit = -1.25;
  line.sample.input.ability_logit = 0.75;
  line.sample.request = 99;
  line.sample.input.task = Task::tool_use;
  line.sample.input.trunk[0] = -128;
  line.sample.input.trunk[137] = 127;
  line.sample.score = 0.25;
  line.sample.weight = 0.5;
  line.sample.observed = true;
  return line;
}

}  // namespace

TEST_CASE("an outcome reads back as it was written") {
  const OutcomeLine line = line_of(18'446'744'073'709'551'615u);
  const Result<OutcomeLine> read = read_outcome(outcome_text(line));
  REQUIRE(read.has_value());
  CHECK(read->target == line.target);
  CHECK(read->source == line.source);
  CHECK(read->weights_id == line.weights_id);
  CHECK(read->time_unix_s == line.time_unix_s);
  CHECK(read->sample.id == line.sample.id);
  CHECK(read->sample.key == line.sample.key);
  CHECK(read->sample.input.prior_logit == line.sample.input.prior_logit);
  CHECK(read->sample.input.ability_logit == 0.75);
  CHECK(read->sample.request == 99);
  CHECK(read->sample.input.task == Task::tool_use);
  CHECK(read->sample.input.trunk == line.sample.input.trunk);
  CHECK(read->sample.score == line.sample.score);
  CHECK(read->sample.weight == line.sample.weight);
  CHECK(read->sample.observed);
}

TEST_CASE("a length reads back as it was written, and is no outcome") {
  OutcomeLine line = line_of(3);
  line.length_residual = -0.75;
  const Result<OutcomeLine> read = read_outcome(outcome_text(line));
  REQUIRE(read.has_value());
  CHECK(read->length_residual == -0.75);
  CHECK(read->target == line.target);
  CHECK(read->weights_id == line.weights_id);
  CHECK(read->sample.key == line.sample.key);
  CHECK(read->sample.input.task == Task::tool_use);
  CHECK(read->sample.weight == 1);
  CHECK_FALSE(read_outcome(outcome_text(line_of(3)))->length_residual.has_value());
}

TEST_CASE("what is no outcome is an error that says why") {
  const std::string good = outcome_text(line_of(1));
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  struct {
    std::string text, message;
  } rows[] = {
      {with("\"v\":1", "\"v\":2"), "outcome: not a line of version 1"},
      {with("\"cheap\"", "\"\""), "outcome: a name is missing"},
      {with("tool-use", "juggling"), "outcome: no such task"},
      {with("\"score\":0.25", "\"score\":null"), "outcome: a number is missing"},
      {with("\"trunk\":\"80", "\"trunk\":\"8z"), "outcome: the trunk is broken"},
      {with("\"trunk\":\"80", "\"trunk\":\""), "outcome: the trunk is broken"},
  };
  for (const auto& row : rows) {
    const Result<OutcomeLine> read = read_outcome(row.text);
    REQUIRE(read.has_error());
    CHECK(read.error().message() == row.message);
  }
  CHECK(read_outcome("{\"v\":").has_error());
  CHECK(read_outcome("").has_error());
}

TEST_CASE("journal: lines survive, a torn end is passed over and swallows nothing") {
  const RowsFolder folder;
  const std::string path = folder.path("j");
  {
    LearningJournal journal(path);
    REQUIRE(journal.append(outcome_text(line_of(1)) + outcome_text(line_of(2))).has_value());
    REQUIRE(journal.append(outcome_text(line_of(3)).substr(0, 40)).has_value());
  }
  LearningJournal journal(path);
  REQUIRE(journal.append(outcome_text(line_of(4))).has_value());
  std::vector<std::uint64_t> ids;
  const auto take = [&ids](OutcomeLine line) { ids.push_back(line.sample.id); };
  CHECK(journal.read(take) == 1);
  CHECK(ids == std::vector<std::uint64_t>{1, 2, 4});
  REQUIRE(journal.rewrite(outcome_text(line_of(9))).has_value());
  REQUIRE(journal.append(outcome_text(line_of(10))).has_value());
  ids.clear();
  CHECK(journal.read(take) == 0);
  CHECK(ids == std::vector<std::uint64_t>{9, 10});
}

TEST_CASE("journal: without a path nothing is kept; where nothing can be written it is said") {
  LearningJournal nowhere("");
  CHECK(nowhere.append("x\n").has_value());
  CHECK(nowhere.read([](OutcomeLine) {}) == 0);
  LearningJournal journal("/nowhere/j");
  CHECK(journal.append("x\n").error().message() == "/nowhere/j: No such file or directory");
  CHECK(journal.rewrite("x\n").error().message() == "/nowhere/j.new: No such file or directory");
}
