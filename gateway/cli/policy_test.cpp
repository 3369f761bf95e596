// `jevons policy test FILES`: given this request and these conditions, expect this decision
// (contract.md 5). Runs what the gateway runs: the dialect's reader, classify and decide.
#include <algorithm>
#include <optional>
#include <utility>

#include "gateway/cli/commands.h"
#include "gateway/cli/yaml_json.h"
#include "gateway/dialects/dialect.h"
#include "providers/json.h"
#include "router/decision.h"
#include "router/yaml_values.h"

namespace jevons {
namespace {

using std::string_view;

constexpr string_view test_keys[] = {"name",   "policy",  "request",      "prompt",   "tags",
                                     "caller", "quality", "max_cost_usd", "snapshot", "expect"};
constexpr string_view caller_keys[] = {"key", "models", "min_quality", "session"};
constexpr string_view snapshot_keys[] = {"breakers",         "latency",
                                         "failures_at_most", "time",
                                         "budget_left_usd",  "budget_left_percent",
                                         "session_target",   "session_cached_tokens"};
constexpr string_view latency_keys[] = {"ttft_p50", "ttft_p95", "tpot"};
constexpr string_view expect_keys[] = {"target",  "reason", "rule",   "relaxed",
                                       "refused", "effort", "why_not"};
constexpr string_view breaker_words[] = {"closed", "open", "half_open"};

struct TestResult {
  std::string name;
  std::string where;    // file:line
  std::string failure;  // empty: passed
};

// One test file against one configuration.
class TestFile {
 public:
  TestFile(YamlReader& reader, const Config& config, std::int64_t now)
      : reader_(reader), config_(config), now_(now) {}
  std::vector<TestResult> run();

 private:
  struct Case {
    std::string name;
    std::string policy;
    std::optional<ChatRequest> request;
    Caller caller;
    Snapshot snapshot;
    const YamlNode* expect = nullptr;
  };
  Case read_case(const YamlNode& node);
  void read_request(const YamlMap& map, Case& one);
  void read_caller(const YamlMap& map, Case& one);
  void read_snapshot(const YamlNode& node, Case& one);
  void read_target_states(const YamlMap& map, Snapshot& snapshot);
  std::optional<std::size_t> target_index(const YamlNode& node, const std::string& name);
  std::string judge(const Case& one);
  std::string compare(const Decision& decision, const YamlNode& expect);
  std::string compare_why_not(const Decision& decision, const YamlNode& expected);
  std::string name_of(std::size_t target) const { return config_.catalog.targets[target].name; }

  YamlReader& reader_;
  const Config& config_;
  std::int64_t now_;
};

std::optional<std::size_t> TestFile::target_index(const YamlNode& node, const std::string& name) {
  const Target* target = config_.catalog.find(name);
  if (target != nullptr) return target - config_.catalog.targets.data();
  std::vector<string_view> known;
  for (const Target& one : config_.catalog.targets) known.push_back(one.name);
  reader_.fail(node, unknown_word("target", name, known));
  return {};
}

void TestFile::read_request(const YamlMap& map, Case& one) {
  const YamlNode* body = map.get("request");
  std::string prompt;
  const bool has_prompt = map.text("prompt", prompt);
  if ((body != nullptr) == has_prompt) {
    reader_.fail(map.node(),
                 "a test takes either 'request' (a chat body) or 'prompt' (one question)");
    return;
  }
  std::string json;
  if (body != nullptr) {
    append_yaml_as_json(*body, json);
    if (body->kind == YamlNode::Kind::map && body->find("model") == nullptr) {
      json.insert(1, body->keys.empty() ? "\"model\":\"auto\"" : "\"model\":\"auto\",");
    }
  } else {
    json = "{\"model\":\"auto\",\"messages\":[{\"role\":\"user\",\"content\":";
    append_json_string(json, prompt);
    json += "}]}";
  }
  auto request = dialect_of(Endpoint::chat)->read(json);
  if (request) {
    one.request = std::move(*request);
  } else {
    const Error error = request.error();
    reader_.fail(body == nullptr ? map.node() : *body,
                 "not a chat request: " + error.message() +
                     (error.param().empty() ? "" : " (" + error.param() + ")"));
  }
}

void TestFile::read_caller(const YamlMap& map, Case& one) {
  one.caller.key_name = "anonymous";
  if (const YamlNode* tags = map.get("tags")) {
    if (tags->kind != YamlNode::Kind::map) reader_.fail(*tags, "tags takes {name: value}");
    for (std::size_t i = 0; i < tags->keys.size(); ++i) {
      const auto value = yaml_text(reader_, tags->items[i], tags->keys[i].text);
      if (value) one.caller.tags[tags->keys[i].text] = *value;
    }
  }
  double quality = 0;
  if (map.decimal("quality", quality, 0, 1)) one.caller.quality = quality;
  map.dollars("max_cost_usd", one.caller.max_cost);
  const YamlNode* node = map.get("caller");
  if (node == nullptr) return;
  const YamlMap caller(reader_, *node, "caller", caller_keys);
  caller.text("key", one.caller.key_name);
  caller.words("models", one.caller.allowed_models);
  caller.decimal("min_quality", one.caller.min_quality, 0, 1);
  caller.text("session", one.caller.session);
}

void TestFile::read_target_states(const YamlMap& map, Snapshot& snapshot) {
  const auto each = [&](string_view key, auto&& read) {
    const YamlNode* node = map.get(key);
    if (node == nullptr) return;
    if (node->kind != YamlNode::Kind::map) {
      reader_.fail(*node, std::string(key) + " takes {target: ...}");
      return;
    }
    for (std::size_t i = 0; i < node->keys.size(); ++i) {
      const auto index = target_index(node->keys[i], node->keys[i].text);
      if (index) read(node->items[i], snapshot.targets[*index]);
    }
  };
  each("breakers", [&](const YamlNode& value, TargetState& state) {
    const auto word = yaml_choice(reader_, value, "breakers", breaker_words);
    if (word) state.breaker = static_cast<BreakerState>(*word);
  });
  each("failures_at_most", [&](const YamlNode& value, TargetState& state) {
    state.failures_at_most = yaml_decimal(reader_, value, "failures_at_most", 0, 1);
  });
  each("latency", [&](const YamlNode& value, TargetState& state) {
    if (value.kind != YamlNode::Kind::map) {  // one time: to the first token
      const auto ms = yaml_duration_ms(reader_, value, "latency");
      if (ms) state.ttft_ms_p50 = state.ttft_ms_p95 = static_cast<double>(*ms);
      return;
    }
    const YamlMap latency(reader_, value, "latency", latency_keys);
    std::int64_t ms = 0;
    if (latency.duration_ms("ttft_p50", ms)) state.ttft_ms_p50 = static_cast<double>(ms);
    if (latency.duration_ms("ttft_p95", ms)) state.ttft_ms_p95 = static_cast<double>(ms);
    if (latency.duration_ms("tpot", ms)) state.tpot_ms = static_cast<double>(ms);
  });
}

void TestFile::read_snapshot(const YamlNode& node, Case& one) {
  const YamlMap map(reader_, node, "snapshot", snapshot_keys);
  read_target_states(map, one.snapshot);
  map.dollars("budget_left_usd", one.snapshot.budget_left);
  double percent = 0;
  if (map.decimal("budget_left_percent", percent, 0, 100))
    one.snapshot.budget_left_percent = percent;
  map.integer("session_cached_tokens", one.snapshot.session_cached_tokens, 0, 1'000'000'000);
  std::string name;
  if (map.text("session_target", name)) {
    one.snapshot.session_target = target_index(*map.get("session_target"), name);
  }
  // "2026-11-23" or "2026-11-23 07:30", UTC.
  if (!map.text("time", name)) return;
  const YamlNode& time = *map.get("time");
  YamlNode day = time, hour = time;
  day.text = name.substr(0, 10);
  hour.text = name.size() == 16 && name[10] == ' ' ? name.substr(11) + "-24:00" : "00:00-24:00";
  const bool form = name.size() == 10 || (name.size() == 16 && name[10] == ' ');
  if (!form) {
    reader_.fail(time, "time takes a date or \"2026-11-23 07:30\", UTC");
    return;
  }
  const auto date = yaml_date(reader_, day, "time");
  const auto window = yaml_daily_window(reader_, hour, "time");
  if (date && window) one.snapshot.now_unix_s = *date + window->from_minute * 60;
}

TestFile::Case TestFile::read_case(const YamlNode& node) {
  const YamlMap map(reader_, node, "a policy test", test_keys);
  Case one;
  one.snapshot.now_unix_s = now_;
  one.snapshot.targets.resize(config_.catalog.targets.size());
  if (map.need("name") != nullptr) map.text("name", one.name);
  map.name("policy", one.policy);
  if (!one.policy.empty() && config_.policy(one.policy) == nullptr) {
    std::vector<string_view> known;
    for (const Policy& policy : config_.policies) known.push_back(policy.name);
    reader_.fail(*map.get("policy"), unknown_word("policy", one.policy, known));
  }
  read_request(map, one);
  read_caller(map, one);
  if (const YamlNode* snapshot = map.get("snapshot")) read_snapshot(*snapshot, one);
  if ((one.expect = map.need("expect")) != nullptr) {
    const YamlMap expect(reader_, *one.expect, "expect", expect_keys);
    if (const YamlNode* target = expect.get("target");
        target != nullptr && target->text != "none") {
      target_index(*target, target->text);
    }
  }
  return one;
}

std::string relaxed_text(const std::vector<Relax>& relaxed) {
  std::string out;
  for (const Relax one : relaxed) out += (out.empty() ? "" : ", ") + std::string(relax_name(one));
  return "[" + out + "]";
}

std::string TestFile::compare_why_not(const Decision& decision, const YamlNode& expected) {
  std::string out;
  for (std::size_t i = 0; i < expected.keys.size(); ++i) {
    const Target* target = config_.catalog.find(expected.keys[i].text);
    for (const Candidate& candidate : decision.candidates) {
      if (target == nullptr || name_of(candidate.target) != target->name) continue;
      const string_view got = why_not_name(candidate.why_not);
      if (got != expected.items[i].text) {
        out += "; why_not of " + target->name + " is " + quoted(got) + ", expected " +
               quoted(expected.items[i].text);
      }
    }
    if (target == nullptr) out += "; unknown target " + quoted(expected.keys[i].text);
  }
  return out;
}

// Every difference, empty if there is none.
std::string TestFile::compare(const Decision& decision, const YamlNode& expect) {
  std::string out;
  const auto differs = [&](string_view what, string_view got) {
    const YamlNode* expected = expect.find(what);
    if (expected == nullptr || expected->text == got) return;
    out += "; " + std::string(what) + " is " + quoted(got) + ", expected " + quoted(expected->text);
  };
  const std::string target = decision.target ? name_of(*decision.target) : "none";
  if (const YamlNode* expected = expect.find("target")) {
    const Target* named = config_.catalog.find(expected->text);
    const std::string wanted = expected->kind == YamlNode::Kind::null ? "none"
                               : named != nullptr                     ? named->name
                                                                      : expected->text;
    if (wanted != target) out += "; target is " + quoted(target) + ", expected " + quoted(wanted);
  }
  differs("reason", reason_name(decision.reason));
  differs("rule", decision.rule);
  differs("refused", decision.refuse_message);
  differs("effort", decision.effort);
  if (const YamlNode* expected = expect.find("relaxed")) {
    std::string wanted;
    for (const YamlNode& item : expected->items) wanted += (wanted.empty() ? "" : ", ") + item.text;
    if (expected->kind == YamlNode::Kind::scalar) wanted = expected->text;
    const std::string got = relaxed_text(decision.relaxed);
    if (got != "[" + wanted + "]") out += "; relaxed is " + got + ", expected [" + wanted + "]";
  }
  if (const YamlNode* expected = expect.find("why_not"))
    out += compare_why_not(decision, *expected);
  return out.empty() ? out : out.substr(2);
}

std::string TestFile::judge(const Case& one) {
  const Policy* policy = config_.policy(one.policy.empty() ? config_.default_policy : one.policy);
  std::optional<std::size_t> pinned;
  if (one.policy.empty()) {
    std::vector<std::string> all;
    for (const Policy& candidate : config_.policies) all.push_back(candidate.name);
    const auto resolved = resolve_model(config_.catalog, config_.policies, all, "",
                                        one.request->requested_model, one.request->endpoint);
    if (!resolved) return resolved.error().message();
    pinned = resolved->pinned;
    policy = resolved->policy;
  }
  const Classification classification = classify(*one.request);
  const Decision decision = decide({.catalog = config_.catalog,
                                    .policy = policy,
                                    .pinned = pinned,
                                    .request = *one.request,
                                    .classification = classification,
                                    .caller = one.caller,
                                    .snapshot = one.snapshot});
  const std::string difference = compare(decision, *one.expect);
  if (difference.empty()) return {};
  return difference + "\n      (task " + std::string(task_name(classification.task)) +
         ", difficulty " + std::to_string(classification.difficulty).substr(0, 4) +
         ", uncertainty " + std::to_string(classification.uncertainty).substr(0, 4) + ")";
}

std::vector<TestResult> TestFile::run() {
  std::vector<TestResult> outcomes;
  if (reader_.root().kind != YamlNode::Kind::list) {
    reader_.fail(reader_.root(), "a policy test file is a list: - {name, prompt, expect}");
    return outcomes;
  }
  for (const YamlNode& node : reader_.root().items) {
    const Case one = read_case(node);
    if (!one.request || one.expect == nullptr) continue;  // reported
    outcomes.push_back({one.name, reader_.file() + ":" + std::to_string(node.line), judge(one)});
  }
  return outcomes;
}

void print(const CliIo& io, const std::vector<TestResult>& outcomes, std::size_t failed,
           bool as_json) {
  if (as_json) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("passed").integer(static_cast<std::int64_t>(outcomes.size() - failed));
    json.key("failed").integer(static_cast<std::int64_t>(failed)).key("tests").begin_array();
    for (const TestResult& one : outcomes) {
      json.begin_object().key("name").string(one.name).key("where").string(one.where);
      json.key("ok").boolean(one.failure.empty()).key("failure");
      one.failure.empty() ? json.null() : json.string(one.failure);
      json.end_object();
    }
    json.end_array().end_object();
    io.out << out << "\n";
    return;
  }
  for (const TestResult& one : outcomes) {
    if (one.failure.empty()) {
      io.out << "pass  " << one.name << "\n";
    } else {
      io.out << "FAIL  " << one.name << "  (" << one.where << ")\n      " << one.failure << "\n";
    }
  }
  io.out << outcomes.size() - failed << " passed, " << failed << " failed\n";
}

}  // namespace

Exit run_policy_test(const CliIo& io, const ConfigSources& sources,
                     const PolicyTestOptions& options) {
  if (options.files.empty()) {
    io.err << "usage: jevons policy test FILE...   such as policies/tests/*.yaml\n";
    return Exit::usage;
  }
  Config config;
  if (!load_for_reading(io, sources, options.config, config)) return Exit::config;
  std::vector<ConfigError> errors;
  std::vector<TestResult> outcomes;
  for (const std::string& path : options.files) {
    std::string why;
    auto text = sources.read_file(path, why);
    if (!text) {
      errors.push_back({path, 0, 0, "cannot read the tests: " + why, "", 0});
      continue;
    }
    YamlReader reader({path, std::move(*text)}, errors);
    if (!reader.ok()) continue;
    const auto more = TestFile(reader, config, options.now_unix_s).run();
    outcomes.insert(outcomes.end(), more.begin(), more.end());
  }
  if (!errors.empty()) {
    io.err << config_errors_text(errors);
    return Exit::config;
  }
  const auto failed = static_cast<std::size_t>(
      std::count_if(outcomes.begin(), outcomes.end(),
                    [](const TestResult& one) { return !one.failure.empty(); }));
  print(io, outcomes, failed, options.json);
  return failed == 0 ? Exit::good : Exit::failure;
}

}  // namespace jevons
