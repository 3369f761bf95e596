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

TEST_CASE("config: every key of the contract") {
  Fake fake;
  fake.files["/etc/j/server.crt"] = fake.files["/etc/j/server.key"] = "pem";
  fake.files["/etc/j/corp.pem"] = "pem";
  fake.files["/etc/j/admin.token"] = std::string(64, 'a') + "\n";
  fake.files["/etc/j/viewer.token"] = std::string(32, 'b');
  fake.variables["A"] = "key-a";
  fake.variables["B"] = "key-b";
  const std::string hash(64, 'f');
  fake.files["/etc/j/jevons.yaml"] =
      "listen: {data: \"[::1]:0\", admin: 127.0.0.1:0}\n"
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
      hash +
      "\", policies: [default], models: [\"*\", home],\n"
      "     min_quality: 0.5, tags: {team: search}, require_tags: [env], requests_per_minute: 60,\n"
      "     tokens_per_minute: 100000, expires: 2027-01-01}\n"
      "budgets:\n"
      "  - {name: ci-day, match: {key: ci}, usd: 5, window: day, kind: hard}\n"
      "  - {name: team, match: {tag.team: search}, usd: 0.5, window: month, kind: soft,\n"
      "     tz: Europe/Berlin, per: tag.env, alert_at: [0.5, 0.8, 1.0],\n"
      "     webhook: \"https://hooks.example/x?y=1\"}\n"
      "cors: {origins: [\"https://app.example\"]}\n";
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
