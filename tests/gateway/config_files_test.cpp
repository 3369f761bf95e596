// jevons.yaml and all that it names, loaded from texts in memory.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>

#include "gateway/config.h"

using namespace jevons;

namespace {

constexpr const char* small_catalog =
    "targets:\n"
    "  - {name: small, provider: up, model: s-1, price: up/s-1, tier: budget, ability: {overall: "
    "0.7}}\n"
    "  - {name: home, provider: local, model: ../m.gguf, tier: local, cost: {usd_per_hour: 0.9},\n"
    "     ability: {overall: 0.5}}\n";
constexpr const char* small_prices =
    "prices:\n  - {id: up/s-1, from: 2026-01-01, input: 0.1, output: 0.2}\n";
constexpr const char* small_policy = "policy: default\nserves: [auto]\nbaseline: small\n";
constexpr const char* small_config =
    "catalog: p/catalog.yaml\nprices: p/prices.yaml\npolicies: p/default.yaml\n"
    "providers:\n"
    "  up: {api: openai, base_url: \"https://up.example/v1\", key: \"env:UP\"}\n"
    "  local: {api: local}\n";

struct Fake {
  std::map<std::string, std::string> files = {{"/etc/j/jevons.yaml", small_config},
                                              {"/etc/j/p/catalog.yaml", small_catalog},
                                              {"/etc/j/p/prices.yaml", small_prices},
                                              {"/etc/j/p/default.yaml", small_policy},
                                              {"/usr/share/zoneinfo/Europe/Berlin", "TZif2"}};
  std::map<std::string, std::string> variables = {{"UP", "sk-up-0123456789"}};
  Config config;
  std::string errors;

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

  bool load() {
    std::vector<ConfigError> found;
    const bool ok = load_config("/etc/j/jevons.yaml", sources(), config, found);
    errors = ok ? "" : config_errors_text(found);
    CHECK(ok == found.empty());
    return ok;
  }
  // The errors of the small configuration with more text behind it.
  std::string with(const std::string& more) {
    files["/etc/j/jevons.yaml"] = small_config + more;
    load();
    return errors;
  }
};

}  // namespace

TEST_CASE("config: the small configuration and its defaults") {
  Fake fake;
  REQUIRE_MESSAGE(fake.load(), fake.errors);
  const Config& config = fake.config;
  CHECK(config.file == "/etc/j/jevons.yaml");
  CHECK(config.data.host == "127.0.0.1");
  CHECK(config.data.port == 8080);
  CHECK(config.admin.port == 8081);
  CHECK(config.ledger_path == "/etc/j/jevons.db");
  CHECK(config.retain_s == 400LL * 86'400);
  CHECK(config.default_policy == "default");
  CHECK(config.providers.size() == 2);
  CHECK(config.provider("up")->keys.at(0).reveal() == "sk-up-0123456789");
  CHECK(config.catalog.find("home")->model == "/etc/j/m.gguf");
  CHECK(config.catalog.find("home")->local_cost_per_hour == Nanodollars{900'000'000});
  CHECK(config.hash.size() == 64);
  CHECK(config.warnings.empty());
  CHECK_FALSE(config.needs_ledger_key);
}

namespace {

// Every key that jevons.yaml knows.
std::string full_config() {
  return "listen: {data: \"[::1]:0\", admin: 127.0.0.1:0}\n"
         "tls: {cert: file:server.crt, key: file:server.key}\n"
         "ledger: sqlite:var/j.db\nretain: 30d\n"
         "catalog: p/catalog.yaml\nprices: p/prices.yaml\npolicies: [p/default.yaml]\n"
         "default_policy: default\n"
         "admin: {token: \"file:admin.token\", viewer_token: \"file:viewer.token\"}\n"
         "providers:\n"
         "  up:\n"
         "    api: anthropic\n"
         "    key: [\"env:A\", \"env:B\"]\n"
         "    quirks: deepseek\n"
         "    auth_header: Api-Key\n"
         "    proxy: \"http://egress:3128\"\n"
         "    ca: \"file:corp.pem\"\n"
         "    headers: {x-org: abc}\n"
         "    on_disconnect: drain\n"
         "    timeouts: {connect: 500ms, first_byte: 60s, total: 5m}\n"
         "    max_in_flight: 7\n"
         "  rack: {api: openai, base_url: \"http://10.0.0.7:8000/v1/\", insecure_http: true,\n"
         "         allow_private: true}\n"
         "  local: {api: local}\n"
         "keys:\n"
         "  - {name: ci, hash: \"hmac-sha256:" +
         std::string(64, 'f') +
         "\", policies: [default], models: [\"*\", home],\n"
         "     min_quality: 0.5, tags: {team: search}, require_tags: [env], requests_per_minute: "
         "60,\n"
         "     tokens_per_minute: 100000, expires: 2027-01-01}\n"
         "budgets:\n"
         "  - {name: ci-day, match: {key: ci}, usd: 5, window: day, kind: hard}\n"
         "  - {name: team, match: {tag.team: search}, usd: 0.5, window: month, kind: soft,\n"
         "     tz: Europe/Berlin, per: tag.env, alert_at: [0.5, 0.8, 1.0],\n"
         "     webhook: \"https://hooks.example/x?y=1\"}\n"
         "cors: {origins: [\"https://app.example\"]}\n";
}

Fake full_fake() {
  Fake fake;
  fake.files["/etc/j/server.crt"] = fake.files["/etc/j/server.key"] = "pem";
  fake.files["/etc/j/corp.pem"] = "pem";
  fake.files["/etc/j/admin.token"] = std::string(64, 'a') + "\n";
  fake.files["/etc/j/viewer.token"] = std::string(32, 'b');
  fake.variables["A"] = "key-a";
  fake.variables["B"] = "key-b";
  fake.files["/etc/j/jevons.yaml"] = full_config();
  return fake;
}

}  // namespace

TEST_CASE("config: every key of the contract") {
  Fake fake = full_fake();
  REQUIRE_MESSAGE(fake.load(), fake.errors);
  const Config& config = fake.config;
  CHECK(config.data.host == "::1");
  CHECK(config.data.port == 0);
  CHECK(config.tls.certificate == "/etc/j/server.crt");
  CHECK(config.tls.key == "/etc/j/server.key");
  CHECK(config.ledger_path == "/etc/j/var/j.db");
  CHECK(config.retain_s == 30 * 86'400);
  CHECK(config.admin_token.reveal() == std::string(64, 'a'));
  CHECK(config.viewer_token.reveal() == std::string(32, 'b'));

  const ProviderConfig& up = *config.provider("up");
  CHECK(up.api == Api::anthropic);
  CHECK(up.base_url == "https://api.anthropic.com");
  CHECK(up.keys.size() == 2);
  CHECK(up.keys.at(1).reveal() == "key-b");
  CHECK(up.quirks == Quirks::deepseek);
  CHECK(up.auth_header == "api-key");
  CHECK(up.proxy == "http://egress:3128");
  CHECK(up.ca_file == "/etc/j/corp.pem");
  CHECK(up.headers.at(0).name == "x-org");
  CHECK(up.on_disconnect == OnDisconnect::drain);
  CHECK(up.timeouts.connect_ms == 500);
  CHECK(up.timeouts.first_byte_ms == 60'000);
  CHECK(up.timeouts.first_byte_whole_ms == 590'000);
  CHECK(up.timeouts.total_ms == 300'000);
  CHECK(up.max_in_flight == 7);
  CHECK(config.provider("rack")->base_url == "http://10.0.0.7:8000/v1");
}

TEST_CASE("config: keys and budgets of the contract") {
  Fake fake = full_fake();
  REQUIRE_MESSAGE(fake.load(), fake.errors);
  const Config& config = fake.config;
  const std::string hash(64, 'f');
  const KeyRecord& key = config.keys.at(0);
  CHECK(key.name == "ci");
  CHECK(key.hash == "hmac-sha256:" + hash);
  CHECK(key.models == std::vector<std::string>{"*", "home"});
  CHECK(key.min_quality == 0.5);
  CHECK(key.tags.at("team") == "search");
  CHECK(key.require_tags == std::vector<std::string>{"env"});
  CHECK(key.requests_per_minute == 60);
  CHECK(key.tokens_per_minute == 100'000);
  CHECK(key.expires_unix_s == 1'798'761'600);
  CHECK(key.from_config);

  CHECK(config.budgets.at(0).match_key == "ci");
  CHECK(config.budgets.at(0).limit == Nanodollars{5'000'000'000});
  CHECK(config.budgets.at(0).hard);
  const Budget& team = config.budgets.at(1);
  CHECK(team.match_tags.at("team") == "search");
  CHECK(team.window == Window::month);
  CHECK_FALSE(team.hard);
  CHECK(team.tz == "Europe/Berlin");
  CHECK(team.per == "tag.env");
  CHECK(team.alert_at == std::vector<double>{0.5, 0.8, 1.0});
  CHECK(config.cors_origins.at(0) == "https://app.example");
}

TEST_CASE("config: the shipped files load") {
  Fake fake;
  const std::filesystem::path policies = std::string(JEVONS_SOURCE_DIR) + "/policies";
  const auto disk = system_sources();
  for (const char* name : {"catalog", "prices", "default", "cheapest", "private"}) {
    std::string why;
    const auto text = disk.read_file((policies / (std::string(name) + ".yaml")).string(), why);
    REQUIRE_MESSAGE(text.has_value(), why);
    fake.files["/etc/j/policies/" + std::string(name) + ".yaml"] = *text;
  }
  std::string why;
  fake.files["/etc/j/jevons.yaml"] =
      disk.read_file((policies / "jevons.yaml").string(), why).value();
  for (const char* name :
       {"OPENAI", "ANTHROPIC", "GEMINI", "DEEPSEEK", "MISTRAL", "GROQ", "TOGETHER", "OPENROUTER",
        "XAI", "MOONSHOT", "ZAI", "FIREWORKS", "DEEPINFRA", "CEREBRAS", "NVIDIA"}) {
    fake.variables[std::string(name) + "_API_KEY"] = "key";
  }
  REQUIRE_MESSAGE(fake.load(), fake.errors);
  CHECK(fake.config.warnings.empty());
  CHECK(fake.config.policies.size() == 3);
  CHECK(fake.config.catalog.targets.size() == 72);
  CHECK(fake.config.catalog.prices.size() == 83);
  CHECK(fake.config.policy("default")->baseline == "claude-opus");
}

namespace {

const std::string good_hash = "hmac-sha256:" + std::string(64, '0');

// `line` is added behind the small configuration, as its line 7; the message is that of its error.
const struct {
  const char* when;
  std::string line;
  const char* error;
} mistakes[] = {
    {"a misspelt key", "lsten: {}",
     "7:1: unknown key 'lsten' in the configuration; did you mean 'listen'?"},
    {"a port that is none", "listen: {data: 127.0.0.1:99999}",
     "7:16: data: an address such as 127.0.0.1:8080 or [::1]:8080 is needed; port 0 takes a free "
     "one"},
    {"a listener without a port", "listen: {data: 127.0.0.1}",
     "7:16: data: an address such as 127.0.0.1:8080 or [::1]:8080 is needed; port 0 takes a free "
     "one"},
    {"both listeners on one address", "listen: {data: 127.0.0.1:80, admin: 127.0.0.1:80}",
     "7:9: data and admin must not share an address"},
    {"open to the network without a key", "listen: {data: 0.0.0.0:8080}",
     "7:16: this address can be reached from other machines, so a key is needed: make one with "
     "'jevons keys create NAME', or listen on 127.0.0.1"},
    {"admin open to the network without a token", "listen: {admin: \"[::]:8081\"}",
     "7:17: this address can be reached from other machines, so admin needs a token, or listen on "
     "127.0.0.1"},
    {"a certificate that is not there", "tls: {cert: file:x.crt, key: file:/etc/j/p/prices.yaml}",
     "7:13: cannot read x.crt: no such file"},
    {"a ledger elsewhere", "ledger: mysql:x", "7:9: ledger takes sqlite:PATH, got 'mysql:x'"},
    {"a ledger that is not built yet", "ledger: postgresql://db/j",
     "7:9: this build keeps its ledger in SQLite: write sqlite:PATH"},
    {"kept too shortly", "retain: 5m",
     "7:9: retain must be at least 1d: budgets look back a day and more"},
    {"a policy that is not there", "default_policy: defalt",
     "7:17: unknown policy 'defalt'; did you mean 'default'?"},
    {"a token in the file itself", "admin: {token: 0123456789abcdef0123456789abcdef}",
     "7:16: token takes env:NAME or file:PATH; a secret itself does not belong in this file"},
    {"a token from nowhere", "admin: {token: \"env:NOPE\"}",
     "7:16: cannot read environment variable NOPE: it is not set"},
    {"an empty token", "admin: {token: \"env:EMPTY\"}",
     "7:16: environment variable EMPTY must hold one secret of visible ASCII characters; it is "
     "empty"},
    {"a short token", "admin: {token: \"env:UP\"}",
     "7:16: token must have at least 32 characters; make one with 'openssl rand -hex 32'"},
    {"a key hash that is none", "keys: [{name: a, hash: abc}]",
     "7:24: hash takes hmac-sha256: and 64 hex digits, as printed by 'jevons keys create NAME "
     "--json'"},
    {"a key named like nobody", "keys: [{name: anonymous, hash: \"" + good_hash + "\"}]",
     "7:15: 'anonymous' is the name of requests without a key; take another"},
    {"a key with an unknown policy",
     "keys: [{name: a, hash: \"" + good_hash + "\", policies: [privat]}]",
     "7:114: unknown policy 'privat' (known: default)"},
    {"a key with an unknown model",
     "keys: [{name: a, hash: \"" + good_hash + "\", models: [smal]}]",
     "7:112: unknown target 'smal'; did you mean 'small'?"},
    {"a budget without a limit", "budgets: [{name: b, window: day, kind: hard}]",
     "7:11: a budget needs 'usd'"},
    {"a budget with cents in words", "budgets: [{name: b, usd: 5$, window: day, kind: hard}]",
     "7:26: usd takes dollars such as 5 or 0.05, at most 9 decimals, got '5$'"},
    {"an unknown window", "budgets: [{name: b, usd: 5, window: year, kind: hard}]",
     "7:37: window takes minute, hour, day, week or month, got 'year'"},
    {"an unknown zone", "budgets: [{name: b, usd: 5, window: day, kind: hard, tz: Mars/Olympus}]",
     "7:58: unknown time zone 'Mars/Olympus'; write one such as Europe/Berlin, or UTC (zones come "
     "from the package tzdata)"},
    {"a zone outside the folder",
     "budgets: [{name: b, usd: 5, window: day, kind: hard, tz: ../../etc/passwd}]",
     "7:58: unknown time zone '../../etc/passwd'; write one such as Europe/Berlin, or UTC (zones "
     "come from the package tzdata)"},
    {"a match that matches nothing",
     "budgets: [{name: b, usd: 5, window: day, kind: hard, match: {kye: ci}}]",
     "7:62: unknown key 'kye' in match; did you mean 'key'?"},
    {"alerts out of order",
     "budgets: [{name: b, usd: 5, window: day, kind: soft, alert_at: [0.8, 0.5]}]",
     "7:70: alert_at must be ascending shares of the limit, such as [0.5, 0.8, 1.0]"},
    {"two budgets of one name",
     "budgets: [{name: b, usd: 5, window: day, kind: soft}, {name: b, usd: 5, window: day, kind: "
     "soft}]",
     "7:55: two budgets are named 'b'"},
    {"an origin with a path", "cors: {origins: [\"https://a.example/x\"]}",
     "7:17: 'https://a.example/x' is not an origin; write each one out, such as "
     "https://app.example.com"},
    {"every origin", "cors: {origins: \"*\"}",
     "7:17: '*' is not an origin; write each one out, such as https://app.example.com"},
};

// `line` is one more provider, as line 7.
const struct {
  const char* when;
  const char* line;
  const char* error;
} provider_mistakes[] = {
    {"plain http", "  x: {api: openai, base_url: \"http://api.example/v1\"}",
     "7:30: plain http sends keys and prompts unencrypted: use https, or set 'insecure_http: true' "
     "for provider 'x'"},
    {"a private address", "  x: {api: openai, base_url: \"https://10.0.0.7/v1\"}",
     "7:30: '10.0.0.7' is a private address: set 'allow_private: true' for provider 'x' if that is "
     "meant"},
    {"the cloud's metadata service", "  x: {api: openai, base_url: \"https://169.254.169.254\"}",
     "7:30: '169.254.169.254' is a private address: set 'allow_private: true' for provider 'x' if "
     "that is meant"},
    {"a private address inside an IPv6 one",
     "  x: {api: openai, base_url: \"https://[::ffff:10.0.0.7]\"}",
     "7:30: '::ffff:10.0.0.7' is a private address: set 'allow_private: true' for provider 'x' if "
     "that is meant"},
    {"a number for an address", "  x: {api: openai, base_url: \"https://2130706433\"}",
     "7:30: base_url: a URL such as https://api.example.com/v1 is needed"},
    {"a hexadecimal address", "  x: {api: openai, base_url: \"https://0x7f.1\"}",
     "7:30: base_url: a URL such as https://api.example.com/v1 is needed"},
    {"another scheme", "  x: {api: openai, base_url: \"file:///etc/passwd\"}",
     "7:30: base_url: a URL such as https://api.example.com/v1 is needed"},
    {"a password in the URL", "  x: {api: openai, base_url: \"https://me:pw@api.example\"}",
     "7:30: base_url: a user name or password does not belong in a URL; use 'key'"},
    {"a query", "  x: {api: openai, base_url: \"https://api.example/v1?key=1\"}",
     "7:30: base_url: a base URL has no query ('?') and no fragment ('#')"},
    {"no URL", "  x: {api: openai}", "7:6: a provider needs 'base_url'"},
    {"an unknown API", "  x: {api: opneai, base_url: \"https://a.example\"}",
     "7:12: api takes openai, anthropic, gemini or local, got 'opneai'"},
    {"a header that is ours", "  x: {api: anthropic, headers: {Host: b}}",
     "7:33: header 'host' is written by the gateway itself"},
    {"a header with a line end", "  x: {api: anthropic, headers: {x-a: \"b\\r\\nc\"}}",
     "7:38: x-a must not hold line ends or control characters"},
    {"a URL for the local engine", "  x: {api: local, base_url: \"https://a.example\"}",
     "7:29: base_url means nothing for api local, which runs in the gateway"},
    {"a timeout without a unit", "  x: {api: anthropic, timeouts: {total: 60}}",
     "7:41: total takes a duration such as 500ms, 2s, 15m, 24h or 400d, got '60'"},
};

}  // namespace

TEST_CASE("config: mistakes, each with its message") {
  for (const auto& row : mistakes) {
    CAPTURE(row.when);
    Fake fake;
    fake.variables["EMPTY"] = "";
    const std::string said = fake.with(row.line + "\n");
    CHECK(said.substr(0, said.find('\n')) == std::string("/etc/j/jevons.yaml:") + row.error);
    CHECK(said.ends_with("\n1 error, nothing was loaded\n"));
  }
}

TEST_CASE("config: mistakes of providers, each with its message") {
  for (const auto& row : provider_mistakes) {
    CAPTURE(row.when);
    Fake fake;
    const std::string said = fake.with(std::string(row.line) + "\n");
    CHECK(said.substr(0, said.find('\n')) == std::string("/etc/j/jevons.yaml:") + row.error);
    CHECK(said.ends_with("\n1 error, nothing was loaded\n"));
  }
}

TEST_CASE("config: a secret written into the file is not repeated in the message") {
  Fake fake;
  const std::string said = fake.with("  x: {api: anthropic, key: sk-secret-0123456789}\n");
  CHECK(said.find("secret-0123") == std::string::npos);
}

TEST_CASE("config: loopback needs no flags, and no key anywhere") {
  Fake fake;
  CHECK(fake.with("  a: {api: openai, base_url: \"http://127.0.0.1:1/v1\"}\n"
                  "  b: {api: openai, base_url: \"http://localhost:1\"}\n"
                  "  c: {api: openai, base_url: \"http://[::1]:1/v1\"}\n"
                  "listen: {data: \"localhost:0\", admin: \"[::1]:0\"}\n") == "");
}

TEST_CASE("config: with a ledger its keys may be what protects an open listener") {
  Fake fake;
  fake.files["/etc/j/jevons.db"] = "SQLite";
  CHECK(fake.with("listen: {data: 0.0.0.0:8080}\n") == "");
  CHECK(fake.config.needs_ledger_key);
}

TEST_CASE("config: what targets need from other files") {
  Fake fake;
  fake.files["/etc/j/p/catalog.yaml"] =
      "targets:\n"
      "  - {name: small, provider: upp, model: s, tier: budget, price: up/s-2}\n"
      "  - {name: local, provider: local, model: m, tier: budget, price: up/s-1}\n";
  fake.load();
  CHECK(fake.errors ==
        "/etc/j/p/catalog.yaml:2:29: unknown provider 'upp'; did you mean 'up'?\n"
        "  - {name: small, provider: upp, model: s, tier: budget, price: up/s-2}\n"
        "                            ^\n"
        "/etc/j/p/catalog.yaml:3:29: a target of the in-process engine has tier local\n"
        "  - {name: local, provider: local, model: m, tier: budget, price: up/s-1}\n"
        "                            ^\n"
        "2 errors, nothing was loaded\n");
  fake.files["/etc/j/p/catalog.yaml"] =
      "targets:\n"
      "  - {name: small, provider: local, model: m, tier: local, efforts: low,\n"
      "     by_effort: {low: {}}}\n";
  fake.load();
  CHECK(fake.errors ==
        "/etc/j/p/catalog.yaml:3:17: by_effort is for remote targets; the in-process engine takes "
        "none\n"
        "     by_effort: {low: {}}}\n"
        "                ^\n"
        "1 error, nothing was loaded\n");
  fake.files["/etc/j/p/catalog.yaml"] =
      "targets:\n  - {name: small, provider: up, model: s, tier: budget, price: up/s-2}\n"
      "  - {name: free, provider: up, model: s, tier: budget, like: small}\n";
  REQUIRE(fake.load());
  CHECK(fake.config.warnings ==
        std::vector<std::string>{
            "target 'small': price unknown: 'up/s-2' is not in the price table, did you mean "
            "'up/s-1'?: refused unless a policy says 'unpriced: allow'",
            "target 'small': no 'ability': taken as 0.5 until outcomes are known",
            "target 'free': price unknown (no 'price'): refused unless a policy says 'unpriced: "
            "allow'"});
}

TEST_CASE("config: a failed load leaves what was there") {
  Fake fake;
  REQUIRE(fake.load());
  const std::string hash = fake.config.hash;
  fake.files["/etc/j/p/default.yaml"] += "oops: 1\n";
  CHECK_FALSE(fake.load());
  CHECK(fake.config.hash == hash);
  CHECK(fake.config.policies.size() == 1);
  fake.files["/etc/j/p/default.yaml"] = std::string(small_policy) + "# a comment\n";
  REQUIRE(fake.load());
  CHECK(fake.config.hash != hash);
}

TEST_CASE("config: files that cannot be read, all at once with other errors") {
  Fake fake;
  fake.files.erase("/etc/j/p/prices.yaml");
  fake.files["/etc/j/p/default.yaml"] = "policy: default\nserve: [auto]\n";
  fake.load();
  CHECK(fake.errors ==
        "/etc/j/jevons.yaml:2:9: cannot read p/prices.yaml: no such file\n"
        "prices: p/prices.yaml\n        ^\n"
        "/etc/j/p/default.yaml:2:1: unknown key 'serve' in the policy; did you mean 'serves'?\n"
        "serve: [auto]\n^\n2 errors, nothing was loaded\n");
  fake.files.clear();
  fake.load();
  CHECK(fake.errors ==
        "/etc/j/jevons.yaml: cannot read the configuration: no such file\n"
        "1 error, nothing was loaded\n");
}

TEST_CASE("config: the usual places, in order") {
  Fake fake;
  fake.files.clear();
  CHECK(find_config("", fake.sources()).empty());
  CHECK(find_config("mine.yaml", fake.sources()) == "mine.yaml");
  fake.files["/etc/jevons/jevons.yaml"] = "";
  CHECK(find_config("", fake.sources()) == "/etc/jevons/jevons.yaml");
  fake.variables["HOME"] = "/home/a";
  fake.files["/home/a/.config/jevons/jevons.yaml"] = "";
  CHECK(find_config("", fake.sources()) == "/home/a/.config/jevons/jevons.yaml");
  fake.variables["XDG_CONFIG_HOME"] = "/x";
  fake.files["/x/jevons/jevons.yaml"] = "";
  CHECK(find_config("", fake.sources()) == "/x/jevons/jevons.yaml");
  fake.files["jevons.yaml"] = "";
  CHECK(find_config("", fake.sources()) == "jevons.yaml");
}
