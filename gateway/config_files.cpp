// Reads jevons.yaml and all that it names into one Config: everything or nothing.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "gateway/base_url.h"
#include "gateway/config.h"
#include "gateway/config_reader.h"
#include "router/decision_record.h"

namespace jevons {
namespace {

using std::string_view;

constexpr std::size_t admin_token_bytes_min = 32;

constexpr string_view config_keys[] = {
    "listen",         "tls",   "ledger",    "retain", "catalog", "prices", "policies",
    "default_policy", "admin", "providers", "keys",   "budgets", "cors"};
constexpr string_view listen_keys[] = {"data", "admin"};
constexpr string_view tls_keys[] = {"cert", "key"};
constexpr string_view admin_keys[] = {"token", "viewer_token"};
constexpr string_view cors_keys[] = {"origins"};

// SHA-256 over names, sizes and texts, fed in reading order.
class FilesHash {
 public:
  FilesHash() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
  ~FilesHash() { EVP_MD_CTX_free(context_); }
  FilesHash(const FilesHash&) = delete;
  FilesHash& operator=(const FilesHash&) = delete;
  void add(const YamlFile& file) {
    const std::string head = file.name + "\n" + std::to_string(file.text.size()) + "\n";
    EVP_DigestUpdate(context_, head.data(), head.size());
    EVP_DigestUpdate(context_, file.text.data(), file.text.size());
  }
  std::string hex() {
    std::array<unsigned char, 32> digest{};
    EVP_DigestFinal_ex(context_, digest.data(), nullptr);
    std::string out;
    for (const unsigned char byte : digest) {
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out;
  }

 private:
  EVP_MD_CTX* context_;
};

// Loads one configuration; the steps are in load().
class ConfigLoader {
 public:
  ConfigLoader(const YamlFile& file, const std::string& path, const ConfigSources& sources,
               std::vector<ConfigError>& errors)
      : errors_(errors),
        reader_(file, errors),
        shown_folder_(std::filesystem::path(file.name).parent_path()),
        context_{reader_, sources, std::filesystem::path(path).parent_path(), config_} {
    config_.file = path;
    hash_.add(file);
  }
  void load();
  bool load_ledger_part();
  Config take() { return std::move(config_); }

 private:
  void read_listen(const YamlMap& map);
  void read_admin(const YamlMap& map);
  void read_storage(const YamlMap& map);
  void read_cors(const YamlNode& node);
  void read_routing(const YamlMap& map);
  void check_routing(const YamlMap& map, const YamlFile& catalog);
  void check_target(const Target& target, YamlReader& catalog, const YamlNode& node);
  void check_reach(const YamlMap& map);
  std::optional<YamlFile> open(const YamlNode& node, string_view what);

  std::vector<ConfigError>& errors_;
  Config config_;
  YamlReader reader_;
  std::filesystem::path shown_folder_;
  ConfigContext context_;
  FilesHash hash_;
};

std::optional<YamlFile> ConfigLoader::open(const YamlNode& node, string_view what) {
  const auto path = yaml_text(reader_, node, what);
  if (!path) return {};
  std::string why;
  auto text = context_.sources.read_file(path_in(context_.folder, *path), why);
  if (!text) {
    reader_.fail(node, "cannot read " + *path + ": " + why);
    return {};
  }
  YamlFile file{(shown_folder_ / *path).lexically_normal().string(), std::move(*text)};
  hash_.add(file);
  return file;
}

void ConfigLoader::read_listen(const YamlMap& map) {
  const YamlNode* node = map.get("listen");
  if (node == nullptr) return;
  const YamlMap listen(reader_, *node, "listen", listen_keys);
  const auto read = [&](string_view key, ListenAddress& address) {
    std::string text, why;
    if (!listen.text(key, text) || parse_listen(text, address.host, address.port, why)) return;
    reader_.fail(*listen.get(key), std::string(key) + ": " + why);
  };
  read("data", config_.data);
  read("admin", config_.admin);
  if (config_.data.port != 0 && config_.data.port == config_.admin.port &&
      config_.data.host == config_.admin.host) {
    reader_.fail(*node, "data and admin must not share an address");
  }
}

void ConfigLoader::read_admin(const YamlMap& map) {
  if (const YamlNode* node = map.get("tls")) {
    const YamlMap tls(reader_, *node, "tls", tls_keys);
    const YamlNode* certificate = tls.need("cert");
    const YamlNode* key = tls.need("key");
    if (certificate != nullptr) {
      config_.tls.certificate = read_file_reference(context_, *certificate, "cert").value_or("");
    }
    if (key != nullptr) config_.tls.key = read_file_reference(context_, *key, "key").value_or("");
  }
  const YamlNode* node = map.get("admin");
  if (node == nullptr) return;
  const YamlMap admin(reader_, *node, "admin", admin_keys);
  const auto read = [&](string_view key, Secret& out) {
    const YamlNode* reference = admin.get(key);
    if (reference == nullptr) return;
    const auto secret = read_secret(context_, *reference, key);
    if (!secret) return;
    if (secret->reveal().size() < admin_token_bytes_min) {
      reader_.fail(*reference, std::string(key) +
                                   " must have at least 32 characters; make one with "
                                   "'openssl rand -hex 32'");
    }
    out = *secret;
  };
  read("token", config_.admin_token);
  read("viewer_token", config_.viewer_token);
  if (!config_.viewer_token.empty() &&
      config_.viewer_token.reveal() == config_.admin_token.reveal()) {
    reader_.fail(*node, "token and viewer_token must differ: a viewer may not change anything");
  }
  if (!config_.viewer_token.empty() && admin.get("token") == nullptr) {
    reader_.fail(*node, "viewer_token needs a token beside it");
  }
}

void ConfigLoader::read_storage(const YamlMap& map) {
  std::string ledger = "sqlite:jevons.db";
  map.text("ledger", ledger);
  if (ledger.starts_with("postgresql:")) {
    reader_.fail(*map.get("ledger"), "this build keeps its ledger in SQLite: write sqlite:PATH");
  } else if (!ledger.starts_with("sqlite:") || ledger.size() == 7) {
    reader_.fail(*map.get("ledger"), "ledger takes sqlite:PATH, got '" + ledger + "'");
  } else {
    config_.ledger_path = path_in(context_.folder, ledger.substr(7));
  }
  std::int64_t retain_ms = 0;
  if (map.duration_ms("retain", retain_ms)) config_.retain_s = retain_ms / 1000;
  if (config_.retain_s < 86'400) {
    reader_.fail(*map.get("retain"),
                 "retain must be at least 1d: budgets look back a day and more");
  }
}

void ConfigLoader::read_cors(const YamlNode& node) {
  const YamlMap cors(reader_, node, "cors", cors_keys);
  if (cors.get("origins") == nullptr) return;
  cors.words("origins", config_.cors_origins);
  for (std::string& origin : config_.cors_origins) {
    BaseUrl url;
    std::string why;
    if (!parse_base_url(origin, url, why) || !url.path.empty() || origin.ends_with('/')) {
      reader_.fail(*cors.get("origins"), "'" + origin +
                                             "' is not an origin; write each one out, "
                                             "such as https://app.example.com");
    }
  }
}

void ConfigLoader::read_routing(const YamlMap& map) {
  const YamlNode* prices = map.need("prices");
  if (prices != nullptr) {
    if (const auto file = open(*prices, "prices")) load_prices(*file, config_.catalog, errors_);
  }
  std::optional<YamlFile> catalog;
  if (const YamlNode* node = map.need("catalog")) {
    catalog = open(*node, "catalog");
    if (catalog) load_targets(*catalog, config_.catalog, errors_);
    config_.target_layout = target_layout(config_.catalog);
  }
  if (const YamlNode* node = map.need("policies")) {
    for (const YamlNode* one : yaml_several(reader_, *node, "policies")) {
      const auto file = open(*one, "policies");
      if (file) config_.policies.push_back(load_policy(*file, config_.catalog, errors_));
    }
    check_policies(config_.policies, config_.catalog, errors_);
  }
  if (catalog) check_routing(map, *catalog);
}

// What one target needs from the other files. `catalog` and `node` are its own file.
void ConfigLoader::check_target(const Target& target, YamlReader& catalog, const YamlNode& node) {
  std::vector<string_view> names;
  for (const ProviderConfig& provider : config_.providers) names.push_back(provider.name);
  const ProviderConfig* provider = config_.provider(target.provider);
  const YamlNode* provider_node = node.find("provider");
  if (provider == nullptr) {
    if (!target.provider.empty()) {
      catalog.fail(*provider_node, unknown_word("provider", target.provider, names));
    }
    return;
  }
  if (provider->api == Api::local && target.tier != Tier::local) {
    catalog.fail(*provider_node, "a target of the in-process engine has tier local");
  }
  if (const YamlNode* efforts = node.find("by_effort");
      efforts != nullptr && provider->api == Api::local) {
    catalog.fail(*efforts, "by_effort is for remote targets; the in-process engine takes none");
  }
  const auto priced = [&](const Price& price) { return price.id == target.price_id; };
  const auto& prices = config_.catalog.prices;
  const std::string start = "target '" + target.name + "': ";
  if (target.price_id.empty() && !target.local_cost_per_hour) {
    config_.warnings.push_back(start + "price unknown (no 'price'" +
                               (target.tier == Tier::local ? " and no 'cost'" : "") +
                               "): refused unless a policy says 'unpriced: allow'");
  } else if (!target.price_id.empty() && std::none_of(prices.begin(), prices.end(), priced)) {
    std::vector<string_view> ids;
    for (const Price& price : prices) ids.push_back(price.id);
    const string_view near = nearest(target.price_id, ids);
    config_.warnings.push_back(start + "price unknown: '" + target.price_id +
                               "' is not in the price table" +
                               (near.empty() ? "" : ", did you mean '" + std::string(near) + "'?") +
                               ": refused unless a policy says 'unpriced: allow'");
  }
  if (node.find("ability") == nullptr && node.find("like") == nullptr &&
      has(target.can, Capability::chat)) {
    config_.warnings.push_back(start + "no 'ability': taken as 0.5 until outcomes are known");
  }
}

void ConfigLoader::check_routing(const YamlMap& map, const YamlFile& file) {
  std::vector<ConfigError> known;  // its errors have been reported by load_targets
  YamlReader catalog(file, known);
  const YamlNode* list = catalog.ok() ? catalog.root().find("targets") : nullptr;
  const std::string folder =
      std::filesystem::path(path_in(context_.folder, map.get("catalog")->text))
          .parent_path()
          .string();
  const std::size_t known_count = known.size();
  for (std::size_t i = 0; i < config_.catalog.targets.size() && list != nullptr; ++i) {
    Target& target = config_.catalog.targets[i];
    // Arms stand behind the rows of the file and have been checked with theirs.
    if (i < list->items.size()) check_target(target, catalog, list->items[i]);
    const ProviderConfig* provider = config_.provider(target.provider);
    if (provider != nullptr && provider->api == Api::local && !target.model.empty()) {
      target.model = path_in(folder, target.model);
    }
  }
  errors_.insert(errors_.end(), known.begin() + static_cast<std::ptrdiff_t>(known_count),
                 known.end());
  std::vector<string_view> policies;
  for (const Policy& policy : config_.policies) policies.push_back(policy.name);
  config_.default_policy = policies.empty() ? "" : std::string(policies.front());
  if (map.text("default_policy", config_.default_policy) &&
      config_.policy(config_.default_policy) == nullptr) {
    reader_.fail(*map.get("default_policy"),
                 unknown_word("policy", config_.default_policy, policies));
  }
}

// Who can reach the listeners, and what protects them then.
void ConfigLoader::check_reach(const YamlMap& map) {
  const YamlNode* listen = map.get("listen");
  if (listen == nullptr || listen->kind != YamlNode::Kind::map) return;
  const auto open_to_others = [](const ListenAddress& address) {
    return address_class(address.host) != AddressClass::loopback;
  };
  if (open_to_others(config_.data) && config_.keys.empty()) {
    config_.needs_ledger_key = true;
    if (!context_.sources.exists || !context_.sources.exists(config_.ledger_path)) {
      reader_.fail(*listen->find("data"),
                   "this address can be reached from other machines, so a "
                   "key is needed: make one with 'jevons keys create NAME', "
                   "or listen on 127.0.0.1");
    }
  }
  if (open_to_others(config_.admin) && config_.admin_token.empty()) {
    reader_.fail(*listen->find("admin"),
                 "this address can be reached from other machines, so "
                 "admin needs a token, or listen on 127.0.0.1");
  }
}

void ConfigLoader::load() {
  if (!reader_.ok()) return;
  const YamlMap map(reader_, reader_.root(), "the configuration", config_keys);
  read_listen(map);
  read_storage(map);
  read_admin(map);
  if (const YamlNode* node = map.need("providers")) read_providers(context_, *node);
  const auto keys = map.list("keys");
  read_keys(context_, keys);
  read_budgets(context_, map.list("budgets"));
  if (const YamlNode* node = map.get("cors")) read_cors(*node);
  read_routing(map);
  check_keys(context_, keys);
  check_budgets(context_);
  check_reach(map);
  config_.hash = hash_.hex();
}

bool ConfigLoader::load_ledger_part() {
  if (!reader_.ok() || reader_.root().kind != YamlNode::Kind::map) return false;
  const YamlMap map(reader_, reader_.root(), "the configuration", config_keys);
  const std::size_t before = errors_.size();
  read_storage(map);
  read_admin(map);
  const bool good = errors_.size() == before;
  read_keys(context_, map.list("keys"));
  return good;
}

}  // namespace

bool load_config(const std::string& path, const ConfigSources& sources, Config& out,
                 std::vector<ConfigError>& errors) {
  const std::size_t before = errors.size();
  const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  std::string why;
  auto text = sources.read_file(absolute, why);
  if (!text) {
    errors.push_back({path, 0, 0, "cannot read the configuration: " + why, "", 0});
    return false;
  }
  ConfigLoader loader({path, std::move(*text)}, absolute, sources, errors);
  loader.load();
  if (errors.size() > before) return false;
  out = loader.take();
  return true;
}

bool load_ledger_config(const std::string& path, const ConfigSources& sources, Config& out) {
  const std::string absolute = std::filesystem::absolute(path).lexically_normal().string();
  std::string why;
  auto text = sources.read_file(absolute, why);
  if (!text) return false;
  std::vector<ConfigError> known;  // load_config has reported them
  ConfigLoader loader({path, std::move(*text)}, absolute, sources, known);
  if (!loader.load_ledger_part()) return false;
  out = loader.take();
  return true;
}

}  // namespace jevons
