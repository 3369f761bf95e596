// check, init, policy test, policy conditions and prices list, on files in memory.
#include "gateway/cli/commands.h"

#include <doctest/doctest.h>

#include <map>
#include <sstream>

#include "gateway/starter.h"

using namespace jevons;

namespace {

constexpr std::int64_t november_2026 = 1'795'392'000;  // 2026-11-23 00:00 UTC

struct Run {
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> variables;
  std::ostringstream out, err;

  CliIo io() { return {out, err}; }
  ConfigSources sources() {
    return {.read_file = [this](const std::string& path,
                                std::string& why) -> std::optional<std::string> {
              const auto found = files.find(path);
              why = "no such file";
              return found == files.end() ? std::nullopt : std::optional(found->second);
            },
            .environment = [this](const std::string& name) -> std::optional<std::string> {
              const auto found = variables.find(name);
              return found == variables.end() ? std::nullopt : std::optional(found->second);
            },
            .exists = [this](const std::string& path) { return files.contains(path); }};
  }
  Exit init(InitOptions options) {
    options.folder = "/srv";
    options.write = [this](const std::string& path, const std::string& text, std::string&) {
      files[path] = text;
      return true;
    };
    return run_init(io(), sources(), options);
  }
  Exit check() { return run_check(io(), sources(), {.config = "/srv/jevons.yaml"}); }
  Exit policy_test(const std::string& text, bool json = false) {
    files["t.yaml"] = text;
    return run_policy_test(
        io(), sources(),
        {.config = "", .files = {"t.yaml"}, .json = json, .now_unix_s = november_2026});
  }
};

}  // namespace

TEST_CASE("init: what it writes passes check, with keys, with one, with none") {
  for (const std::string& variables :
       {std::string("OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY DEEPSEEK_API_KEY "
                    "MISTRAL_API_KEY GROQ_API_KEY TOGETHER_API_KEY OPENROUTER_API_KEY XAI_API_KEY"),
        std::string("MISTRAL_API_KEY"), std::string("XAI_API_KEY"), std::string()}) {
    CAPTURE(variables);
    Run run;
    std::istringstream names(variables);
    for (std::string name; names >> name;) run.variables[name] = "k";
    REQUIRE(run.init({}) == Exit::good);
    CHECK(run.files.contains("/srv/jevons.yaml"));
    CHECK(run.files.contains("/srv/policies/catalog.yaml"));
    CHECK(run.files.contains("/srv/policies/prices.yaml"));
    CHECK(run.check() == Exit::good);
  }
}

TEST_CASE("init: a catalog and a baseline of the providers that are there") {
  Run run;
  run.variables["MISTRAL_API_KEY"] = "k";
  REQUIRE(run.init({}) == Exit::good);
  CHECK(run.err.str() ==
        "found MISTRAL_API_KEY: provider mistral\n"
        "next: 'jevons check', then 'jevons serve'; undo by removing these files\n");
  const std::string& catalog = run.files["/srv/policies/catalog.yaml"];
  CHECK(catalog.find("provider: mistral") != std::string::npos);
  CHECK(catalog.find("provider: local") != std::string::npos);
  CHECK(catalog.find("provider: openai") == std::string::npos);
  CHECK(catalog.find("--- OpenAI") == std::string::npos);
  CHECK(run.files["/srv/policies/default.yaml"].find("\nbaseline: mistral-medium ") !=
        std::string::npos);
  CHECK(run.files["/srv/jevons.yaml"].find("\n  # openai: {api") != std::string::npos);
  CHECK(run.files["/srv/jevons.yaml"].find("\n  mistral: {api") != std::string::npos);
}

TEST_CASE("init: nothing is overwritten without --force") {
  Run run;
  run.files["/srv/policies/default.yaml"] = "mine";
  CHECK(run.init({}) == Exit::failure);
  CHECK(run.err.str() ==
        "/srv/policies/default.yaml exists already\nnothing was written; --force overwrites\n");
  CHECK(run.files.size() == 1);
  CHECK(run.init({.force = true}) == Exit::good);
  CHECK(run.files["/srv/policies/default.yaml"] != "mine");
}

TEST_CASE("init: a dry run writes nothing") {
  Run run;
  CHECK(run.init({.dry_run = true}) == Exit::good);
  CHECK(run.files.empty());
  CHECK(run.out.str().starts_with("would write /srv/jevons.yaml\n"));
}

TEST_CASE("check: all errors, on stderr, exit 4") {
  Run run;
  run.variables["MISTRAL_API_KEY"] = "k";
  REQUIRE(run.init({}) == Exit::good);
  std::string& policy = run.files["/srv/policies/private.yaml"];
  policy += "stricct_params: true\nfallback: {attempts: many}\n";
  run.out.str("");
  run.err.str("");
  CHECK(run.check() == Exit::config);
  CHECK(run.out.str().empty());
  CHECK(run.err.str().find(
            "/srv/policies/private.yaml:20:1: key 'fallback' is given twice; first "
            "in line 17\nfallback: {attempts: many}\n^\n2 errors, nothing was loaded\n") !=
        std::string::npos);
  CHECK(run.err.str().find("/srv/policies/private.yaml:19:1: unknown key 'stricct_params'") !=
        std::string::npos);
  policy.replace(policy.find("fallback: {attempts: many}"), 26, "unpriced: maybe");
  run.err.str("");
  CHECK(run.check() == Exit::config);
  CHECK(run.err.str() ==
        "/srv/policies/private.yaml:19:1: unknown key 'stricct_params' in the policy; "
        "did you mean 'strict_params'?\nstricct_params: true\n^\n"
        "/srv/policies/private.yaml:20:11: unpriced takes refuse or allow, got 'maybe'\n"
        "unpriced: maybe\n          ^\n2 errors, nothing was loaded\n");
}

TEST_CASE("check: as JSON") {
  Run run;
  run.files["/srv/jevons.yaml"] = "a: 1\n";
  CHECK(run_check(run.io(), run.sources(), {.config = "/srv/jevons.yaml", .json = true}) ==
        Exit::config);
  CHECK(run.out.str().starts_with(
      R"({"file":"/srv/jevons.yaml","ok":false,"errors":[{"file":"/srv/jevons.yaml","line":1,)"
      R"("column":1,"message":"unknown key 'a' in the configuration (known: listen, tls,)"));
}

TEST_CASE("check: without any file it says where it looked") {
  Run run;
  CHECK(run_check(run.io(), run.sources(), {}) == Exit::config);
  CHECK(run.err.str() ==
        "no configuration found (./jevons.yaml, $XDG_CONFIG_HOME/jevons/jevons.yaml, "
        "/etc/jevons/jevons.yaml); 'jevons init' writes one\n");
}

TEST_CASE("policy test: passes and failures") {
  Run run;
  CHECK(run.policy_test("- {name: a name, request: {model: haiku, messages: [{role: user, "
                        "content: Hi}]}, expect: {target: haiku, reason: pinned_model}}\n") ==
        Exit::good);
  CHECK(run.out.str() == "pass  a name\n1 passed, 0 failed\n");
  run.out.str("");
  CHECK(run.policy_test("- {name: wrong, request: {model: haiku, messages: [{role: user, "
                        "content: Hi}]}, expect: {target: gpt-5, reason: best}}\n") ==
        Exit::failure);
  CHECK(run.out.str().starts_with(
      "FAIL  wrong  (t.yaml:1)\n      target is 'claude-haiku', expected 'gpt-5'; reason is "
      "'pinned_model', expected 'best'\n      (task "));
  CHECK(run.out.str().ends_with("0 passed, 1 failed\n"));
}

TEST_CASE("policy test: mistakes in a test file") {
  static const struct {
    const char* text;
    const char* error;
  } rows[] = {
      {"- {name: x, prompt: Hi, expect: {target: claude-opsu}}\n",
       "t.yaml:1:42: unknown target 'claude-opsu'; did you mean 'claude-opus'?"},
      {"- {name: x, expect: {target: gpt-5}}\n",
       "t.yaml:1:3: a test takes either 'request' (a chat body) or 'prompt' (one question)"},
      {"- {name: x, prompt: Hi, expct: {}, expect: {}}\n",
       "t.yaml:1:25: unknown key 'expct' in a policy test; did you mean 'expect'?"},
      {"- {name: x, prompt: Hi, policy: defualt, expect: {}}\n",
       "t.yaml:1:33: unknown policy 'defualt'; did you mean 'default'?"},
      {"- {name: x, prompt: Hi, snapshot: {breakers: {gpt-5: ajar}}, expect: {}}\n",
       "t.yaml:1:54: breakers takes closed, open or half_open, got 'ajar'"},
      {"- {name: x, prompt: Hi, snapshot: {failures_at_most: {gpt-5: 1.5}}, expect: {}}\n",
       "t.yaml:1:62: failures_at_most takes a plain decimal from 0 to 1, got '1.5'"},
      {"- {name: x, prompt: Hi, snapshot: {time: noon}, expect: {}}\n",
       "t.yaml:1:42: time takes a date or \"2026-11-23 07:30\", UTC"},
      {"prompt: Hi\n", "t.yaml:1:1: a policy test file is a list: - {name, prompt, expect}"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    Run run;
    CHECK(run.policy_test(row.text) == Exit::config);
    CHECK(run.err.str().substr(0, run.err.str().find('\n')) == row.error);
  }
}

TEST_CASE("policy test: the shipped policies keep the shipped promises") {
  const ConfigSources disk = system_sources();
  std::vector<std::string> files;
  for (const char* name : {"default", "cheapest", "private"}) {
    files.push_back(std::string(JEVONS_SOURCE_DIR) + "/policies/tests/" + name + ".yaml");
  }
  Run run;
  ConfigSources sources = run.sources();
  sources.read_file = disk.read_file;
  const Exit code = run_policy_test(run.io(), sources,
                                    {.config = "", .files = files, .now_unix_s = november_2026});
  const std::string said = run.out.str() + run.err.str();
  CHECK_MESSAGE(code == Exit::good, said);
}

TEST_CASE("policy conditions: one line a key") {
  Run run;
  CHECK(run_policy_conditions(run.io(), {}) == Exit::good);
  CHECK(run.out.str().find("\ndifficulty  ") != std::string::npos);
  std::ostringstream out, err;
  CHECK(run_policy_conditions({out, err}, {.json = true}) == Exit::good);
  CHECK(out.str().starts_with(R"([{"key":"task","takes":"a task or a list","help":)"));
}

TEST_CASE("prices list: the rows of a time, exactly") {
  Run run;
  CHECK(run_prices_list(run.io(), run.sources(),
                        {.model = "deepseek/*-flash", .at = "2026-08-16"}) == Exit::good);
  CHECK(run.out.str() ==
        "price                                  input  cached  write  output  besides\n"
        "deepseek/deepseek-v4-flash@2026-01-01   0.14  0.0028           0.28\n");
  run.out.str("");
  CHECK(run_prices_list(run.io(), run.sources(),
                        {.model = "deepseek/*-flash", .now_unix_s = november_2026, .csv = true}) ==
        Exit::good);
  CHECK(run.out.str() ==
        "row_id,id,from,until,input,cache_read,cache_write_5m,cache_write_1h,output,reasoning,"
        "audio_input,image_input,audio_output,extras,source\n"
        "deepseek/deepseek-v4-flash@2026-08-17,deepseek/deepseek-v4-flash,2026-08-17,,0.22,0.007,,,"
        "0.66,,,,,window 01:00-04:00 06:00-10:00,\"genai-prices 0.1.8, 2026-09-23\"\n");
  run.out.str("");
  CHECK(run_prices_list(run.io(), run.sources(),
                        {.model = "gemini/gemini-3.8-flash", .at = "2027-01-01", .json = true}) ==
        Exit::good);
  CHECK(run.out.str().find(
            R"("usd_per_million_tokens":{"input":1.5,"cache_read":0.15,"output":7.5})") !=
        std::string::npos);
  CHECK(run_prices_list(run.io(), run.sources(), {.at = "tomorrow"}) == Exit::usage);
  CHECK(run_prices_list(run.io(), run.sources(), {.model = "nobody/*"}) == Exit::failure);
}
