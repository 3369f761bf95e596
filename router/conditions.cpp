#include "router/conditions.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "router/config_load.h"
#include "router/decision.h"

namespace jevons {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::string_view tag_prefix = "tag.";

using Number = double (*)(const DecideInput&);
using Text = std::string_view (*)(const DecideInput&);

// One key. A key with a number takes ranges; with `yes_no`, true and false too (more than zero or
// not). A key with a text takes words, globs unless only `known` words make sense.
struct Row {
  ConditionHelp help;
  Number number = nullptr;
  bool yes_no = false;
  Text text = nullptr;
  std::string_view known;  // space-separated, empty: any
};

double as_number(bool value) { return value ? 1.0 : 0.0; }

bool has_image(const DecideInput& in) { return has(in.classification.needs, Capability::vision); }

constexpr std::string_view task_words =
    "chat code math reasoning knowledge extraction translation summarise classify tool-use "
    "agent-step";
constexpr std::string_view endpoint_words =
    "chat completions embeddings responses messages count_tokens route";

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {.help = {"task", "a task or a list", "what kind of work the request is"},
       .text = [](const DecideInput& in) { return task_name(in.classification.task); },
       .known = task_words},
      {.help = {"difficulty", "a range", "0 easy to 1 hard, as the router judges it"},
       .number = [](const DecideInput& in) { return in.classification.difficulty; }},
      {.help = {"uncertainty", "a range", "0 sure to 1 no evidence about the difficulty"},
       .number = [](const DecideInput& in) { return in.classification.uncertainty; }},
      {.help = {"prompt_tokens", "a range", "estimated prompt tokens"},
       .number = [](const DecideInput& in) { return double(in.classification.prompt_tokens); }},
      {.help = {"predicted_completion_tokens", "a range", "predicted completion tokens, median"},
       .number =
           [](const DecideInput& in) { return double(in.classification.completion_tokens_p50); }},
      {.help = {"turns", "a range", "user turns in the conversation"},
       .number = [](const DecideInput& in) { return double(in.classification.turns); }},
      {.help = {"tools", "true, false or a range", "tools are offered; or how many"},
       .number = [](const DecideInput& in) { return double(in.request.tools.size()); },
       .yes_no = true},
      {.help = {"json_schema", "true or false", "the answer must follow a JSON Schema"},
       .number =
           [](const DecideInput& in) {
             return as_number(in.request.response_format.kind == ResponseFormat::Kind::json_schema);
           },
       .yes_no = true},
      {.help = {"vision", "true or false", "the prompt holds images"},
       .number = [](const DecideInput& in) { return as_number(has_image(in)); },
       .yes_no = true},
      {.help = {"stream", "true or false", "the client asked for a stream"},
       .number = [](const DecideInput& in) { return as_number(in.request.stream); },
       .yes_no = true},
      {.help = {"in_tool_loop", "true or false", "a tool's result is being answered"},
       .number = [](const DecideInput& in) { return as_number(in.classification.in_tool_loop); },
       .yes_no = true},
      {.help = {"language", "a code or a list", "language of the question: en, zh, es, ..."},
       .text = [](const DecideInput& in) { return in.classification.language; }},
      {.help = {"model", "a name, glob or list", "the model the client asked for"},
       .text = [](const DecideInput& in) -> std::string_view {
         return in.request.requested_model;
       }},
      {.help = {"endpoint", "an endpoint or a list", "chat, completions, messages, responses, ..."},
       .text = [](const DecideInput& in) { return endpoint_name(in.request.endpoint); },
       .known = endpoint_words},
      {.help = {"key", "a name, glob or list", "name of the virtual key"},
       .text = [](const DecideInput& in) -> std::string_view { return in.caller.key_name; }},
      {.help = {"session", "a name, glob or list", "value of x-jevons-session"},
       .text = [](const DecideInput& in) -> std::string_view { return in.caller.session; }},
      {.help = {"tag.NAME", "a value, glob or list", "value of the tag NAME"}},
      {.help = {"budget_left_percent", "a range", "least left of all hard budgets; 100 without"},
       .number =
           [](const DecideInput& in) { return in.snapshot.budget_left_percent.value_or(100.0); }},
      {.help = {"time_utc", "HH:MM-HH:MM or a list", "time of day in UTC, end exclusive"}},
  };
  return table;
}

const Row* find_row(std::string_view key) {
  if (key.substr(0, tag_prefix.size()) == tag_prefix) {
    key = key.size() > tag_prefix.size() ? "tag.NAME" : "";
  }
  for (const Row& row : rows()) {
    if (row.help.key == key) return &row;
  }
  return nullptr;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::optional<double> number_of(std::string_view text) {
  text = trimmed(text);
  double value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(value > -infinity && value < infinity)) return std::nullopt;
  return value;
}

bool take(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// ">= 0.7", "> 0.7", "<= 3", "< 3", "0.3..0.6" (both ends included) or one number.
std::optional<Condition> range_of(std::string_view text) {
  Condition range{.kind = Condition::Kind::range, .low = -infinity, .high = infinity};
  text = trimmed(text);
  if (const std::size_t dots = text.find(".."); dots != std::string_view::npos) {
    const auto low = number_of(text.substr(0, dots)), high = number_of(text.substr(dots + 2));
    if (!low || !high || *low > *high) return std::nullopt;
    range.low = *low, range.high = *high;
    return range;
  }
  const bool at_least = take(text, ">="), more = !at_least && take(text, ">");
  const bool at_most = !at_least && !more && take(text, "<=");
  const bool less = !at_least && !more && !at_most && take(text, "<");
  const auto value = number_of(text);
  if (!value) return std::nullopt;
  if (!at_most && !less) range.low = *value;
  if (!at_least && !more) range.high = *value;
  range.low_inclusive = !more;
  range.high_inclusive = !less;
  return range;
}

std::optional<int> minute_of(std::string_view text) {
  const auto digit = [&text](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) {
    return std::nullopt;
  }
  const int hour = (text[0] - '0') * 10 + (text[1] - '0');
  const int minute = (text[3] - '0') * 10 + (text[4] - '0');
  if (minute > 59 || hour * 60 + minute > 24 * 60) return std::nullopt;
  return hour * 60 + minute;
}

std::optional<DailyWindow> window_of(std::string_view text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto from = minute_of(trimmed(text.substr(0, dash)));
  const auto until = minute_of(trimmed(text.substr(dash + 1)));
  if (!from || !until || *from == *until || *from == 24 * 60) return std::nullopt;
  return DailyWindow{.from_minute = *from, .until_minute = *until};
}

bool is_known(std::string_view known, std::string_view word) {
  while (!known.empty()) {
    const std::string_view next = known.substr(0, known.find(' '));
    if (next == word) return true;
    known.remove_prefix(std::min(known.size(), next.size() + 1));
  }
  return false;
}

Error bad_value(std::string_view key, std::string_view wants, std::string_view got) {
  std::string message(key);
  message.append(" takes ").append(wants).append(", got '").append(got).append("'");
  return Error(Fault::config, std::move(message));
}

Result<Condition> parse_words(const Row& row, const std::vector<std::string>& words) {
  Condition condition{.kind = Condition::Kind::words, .words = words};
  for (const std::string& word : words) {
    if (!row.known.empty() && !is_known(row.known, word)) {
      return bad_value(row.help.key, "one of: " + std::string(row.known), word);
    }
  }
  return condition;
}

Result<Condition> parse_times(const std::vector<std::string>& words) {
  Condition condition{.kind = Condition::Kind::times};
  for (const std::string& word : words) {
    const auto window = window_of(word);
    if (!window) return bad_value("time_utc", "windows such as \"22:00-06:00\"", word);
    condition.times.push_back(*window);
  }
  return condition;
}

Result<Condition> parse_number(const Row& row, const std::string& word) {
  if (row.yes_no && (word == "true" || word == "false")) {
    return Condition{.kind = Condition::Kind::boolean, .boolean = word == "true"};
  }
  const bool ranges = row.help.form.find("range") != std::string_view::npos;
  if (ranges) {
    if (auto range = range_of(word)) return *range;
  }
  std::string_view wants = "a range such as \">= 0.7\" or \"0.3..0.6\"";
  if (row.yes_no) wants = ranges ? "true, false or a range such as \">= 3\"" : "true or false";
  return bad_value(row.help.key, wants, word);
}

bool in_range(const Condition& condition, double value) {
  const bool above = condition.low_inclusive ? value >= condition.low : value > condition.low;
  const bool below = condition.high_inclusive ? value <= condition.high : value < condition.high;
  return above && below;
}

bool any_word(const Condition& condition, std::string_view text) {
  return std::any_of(condition.words.begin(), condition.words.end(),
                     [text](const std::string& word) { return glob_match(word, text); });
}

bool tag_matches(const Condition& condition, const DecideInput& input) {
  const auto tag = input.caller.tags.find(condition.key.substr(tag_prefix.size()));
  return tag != input.caller.tags.end() && any_word(condition, tag->second);
}

bool time_matches(const Condition& condition, const DecideInput& input) {
  const int minute = minute_of_day_utc(input.snapshot.now_unix_s);
  return std::any_of(
      condition.times.begin(), condition.times.end(),
      [minute](const DailyWindow& window) { return in_daily_window(window, minute); });
}

}  // namespace

bool in_daily_window(const DailyWindow& window, int minute_of_day) {
  if (window.from_minute <= window.until_minute) {
    return minute_of_day >= window.from_minute && minute_of_day < window.until_minute;
  }
  return minute_of_day >= window.from_minute || minute_of_day < window.until_minute;
}

int minute_of_day_utc(std::int64_t unix_s) {
  constexpr std::int64_t day = 86'400;
  const std::int64_t second = unix_s % day;
  return static_cast<int>((second < 0 ? second + day : second) / 60);
}

const std::vector<ConditionHelp>& condition_table() {
  static const std::vector<ConditionHelp> table = [] {
    std::vector<ConditionHelp> help;
    for (const Row& row : rows()) help.push_back(row.help);
    return help;
  }();
  return table;
}

bool condition_takes_words(std::string_view key) {
  const Row* row = find_row(key);
  return row == nullptr || row->number == nullptr;
}

Result<Condition> parse_condition(std::string_view key, const std::vector<std::string>& words) {
  const Row* row = find_row(key);
  if (row == nullptr) {
    return Error(Fault::config, "unknown condition '" + std::string(key) + "'");
  }
  if (words.empty()) return bad_value(key, row->help.form, "");
  const bool numeric = row->number != nullptr;
  if (numeric && words.size() > 1) return bad_value(key, "one value, not a list", words[1]);
  Result<Condition> condition = numeric                       ? parse_number(*row, words[0])
                                : row->help.key == "time_utc" ? parse_times(words)
                                                              : parse_words(*row, words);
  if (condition) condition->key = key;
  return condition;
}

bool matches(const Condition& condition, const DecideInput& input) {
  const Row* row = find_row(condition.key);
  if (row == nullptr) return false;
  switch (condition.kind) {
    case Condition::Kind::times:
      return time_matches(condition, input);
    case Condition::Kind::range:
      return row->number != nullptr && in_range(condition, row->number(input));
    case Condition::Kind::boolean:
      return row->number != nullptr && (row->number(input) > 0) == condition.boolean;
    case Condition::Kind::words:
      if (row->text == nullptr) return tag_matches(condition, input);
      return any_word(condition, row->text(input));
  }
  return false;
}

bool about_caller(const Rule& rule) {
  return std::any_of(rule.when.begin(), rule.when.end(), [](const Condition& condition) {
    return condition.key == "key" || condition.key.rfind(tag_prefix, 0) == 0;
  });
}

}  // namespace jevons
