#include "router/conditions.h"

#include <doctest/doctest.h>

#include "router/config_load.h"
#include "router/decision.h"

using namespace jevons;

namespace {

// A request in the middle of everything, for conditions to be tried on.
struct World {
  Catalog catalog;
  ChatRequest request;
  Classification classification;
  Caller caller;
  Snapshot snapshot;

  World() {
    request.requested_model = "gpt-5-mini";
    request.stream = true;
    request.tools.resize(2);
    classification = {.task = Task::code,
                      .difficulty = 0.7,
                      .uncertainty = 0.3,
                      .prompt_tokens = 1000,
                      .completion_tokens_p50 = 200,
                      .in_tool_loop = true,
                      .turns = 3,
                      .language = "es"};
    caller = {.key_name = "ci-bot", .session = "run-7", .tags = {{"team", "search"}}};
    snapshot.now_unix_s = 1'790'000'000 / 86'400 * 86'400 + 23 * 3600;
  }
  DecideInput input() const {
    return {.catalog = catalog,
            .request = request,
            .classification = classification,
            .caller = caller,
            .snapshot = snapshot};
  }
};

bool holds(std::string_view key, std::vector<std::string> words, const World& world = {}) {
  auto condition = parse_condition(key, words);
  REQUIRE(condition.has_value());
  return matches(*condition, world.input());
}

}  // namespace

TEST_CASE("conditions: a value is read and matched") {
  struct {
    std::string key;
    std::vector<std::string> words;
    bool holds;
  } rows[] = {
      {"task", {"code"}, true},
      {"task", {"math", "code"}, true},
      {"task", {"agent-step"}, false},
      {"difficulty", {">= 0.7"}, true},
      {"difficulty", {"> 0.7"}, false},
      {"difficulty", {"<= 0.7"}, true},
      {"difficulty", {"< 0.7"}, false},
      {"difficulty", {">=0.7"}, true},
      {"difficulty", {"0.3..0.7"}, true},
      {"difficulty", {"0.71..1"}, false},
      {"uncertainty", {"0.3"}, true},
      {"prompt_tokens", {"> 8000"}, false},
      {"predicted_completion_tokens", {"<= 200"}, true},
      {"turns", {"3"}, true},
      {"tools", {"true"}, true},
      {"tools", {"false"}, false},
      {"tools", {">= 3"}, false},
      {"json_schema", {"true"}, false},
      {"json_schema", {"false"}, true},
      {"vision", {"false"}, true},
      {"stream", {"true"}, true},
      {"in_tool_loop", {"true"}, true},
      {"language", {"es", "fr"}, true},
      {"language", {"en"}, false},
      {"model", {"gpt-*"}, true},
      {"model", {"gpt-5"}, false},
      {"endpoint", {"chat"}, true},
      {"endpoint", {"messages"}, false},
      {"key", {"ci-*"}, true},
      {"session", {"run-7"}, true},
      {"tag.team", {"search"}, true},
      {"tag.team", {"ads", "sea*"}, true},
      {"tag.data", {"*"}, false},
      {"budget_left_percent", {"< 20"}, false},
      {"budget_left_percent", {">= 100"}, true},
      {"time_utc", {"22:00-06:00"}, true},
      {"time_utc", {"08:00-18:00"}, false},
      {"time_utc", {"08:00-18:00", "23:00-24:00"}, true},
      {"time_utc", {"22:00-23:00"}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.key);
    CAPTURE(row.words[0]);
    CHECK(holds(row.key, row.words) == row.holds);
  }
}

TEST_CASE("conditions: a budget that is nearly spent is seen") {
  World world;
  world.snapshot.budget_left_percent = 12.5;
  CHECK(holds("budget_left_percent", {"< 20"}, world));
}

TEST_CASE("conditions: a value that cannot be meant is told with what to write") {
  struct {
    std::string key;
    std::vector<std::string> words;
    const char* message;
  } rows[] = {
      {"difficulty",
       {"hard"},
       "difficulty takes a range such as \">= 0.7\" or \"0.3..0.6\", got 'hard'"},
      {"difficulty",
       {"0.9..0.1"},
       "difficulty takes a range such as \">= 0.7\" or \"0.3..0.6\", got '0.9..0.1'"},
      {"difficulty",
       {">= "},
       "difficulty takes a range such as \">= 0.7\" or \"0.3..0.6\", got '>= '"},
      {"turns", {"nan"}, "turns takes a range such as \">= 0.7\" or \"0.3..0.6\", got 'nan'"},
      {"turns", {"true"}, "turns takes a range such as \">= 0.7\" or \"0.3..0.6\", got 'true'"},
      {"turns", {"1", "2"}, "turns takes one value, not a list, got '2'"},
      {"stream", {"yes"}, "stream takes true or false, got 'yes'"},
      {"stream", {">= 1"}, "stream takes true or false, got '>= 1'"},
      {"tools", {"many"}, "tools takes true, false or a range such as \">= 3\", got 'many'"},
      {"task",
       {"coding"},
       "task takes one of: chat code math reasoning knowledge extraction translation summarise "
       "classify tool-use agent-step, got 'coding'"},
      {"endpoint",
       {"complete"},
       "endpoint takes one of: chat completions embeddings responses messages count_tokens route, "
       "got 'complete'"},
      {"time_utc",
       {"9:00-17:00"},
       "time_utc takes windows such as \"22:00-06:00\", got '9:00-17:00'"},
      {"time_utc",
       {"24:00-06:00"},
       "time_utc takes windows such as \"22:00-06:00\", got '24:00-06:00'"},
      {"time_utc",
       {"10:00-10:00"},
       "time_utc takes windows such as \"22:00-06:00\", got '10:00-10:00'"},
      {"key", {}, "key takes a name, glob or list, got ''"},
      {"prompt_token", {"1"}, "unknown condition 'prompt_token'"},
      {"tag.", {"x"}, "unknown condition 'tag.'"},
      {"tag", {"x"}, "unknown condition 'tag'"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.key);
    const auto condition = parse_condition(row.key, row.words);
    REQUIRE_FALSE(condition.has_value());
    CHECK(condition.error().message() == row.message);
    CHECK(condition.error().fault() == Fault::config);
  }
}

TEST_CASE("conditions: the table names exactly the keys of the contract") {
  std::string keys;
  for (const ConditionHelp& row : condition_table()) {
    keys.append(row.key).append(" ");
    CHECK_FALSE(row.form.empty());
    CHECK_FALSE(row.help.empty());
  }
  CHECK(keys ==
        "task difficulty uncertainty prompt_tokens predicted_completion_tokens turns tools "
        "json_schema vision stream in_tool_loop language model endpoint key session tag.NAME "
        "budget_left_percent time_utc ");
}
