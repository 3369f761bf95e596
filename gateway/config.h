// The whole configuration of a gateway, as loaded: immutable, swapped as one pointer on reload.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/budgets.h"
#include "gateway/http/server.h"
#include "gateway/ledger/ledger.h"
#include "providers/provider_config.h"
#include "router/config_load.h"
#include "router/policy.h"
#include "router/target.h"

namespace jevons {

struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool operator==(const ListenAddress&) const = default;
};

struct Config {
  std::string file;  // absolute path of jevons.yaml, empty for the embedded default
  ListenAddress data{"127.0.0.1", 8080};
  ListenAddress admin{"127.0.0.1", 8081};
  TlsFiles tls;             // absolute paths
  std::string ledger_path;  // absolute path of the SQLite file
  std::int64_t retain_s = 400LL * 86'400;
  Catalog catalog;            // targets and prices
  std::string target_layout;  // of the catalog, for recorded decisions
  std::vector<Policy> policies;
  std::string default_policy;
  std::vector<ProviderConfig> providers;
  std::vector<KeyRecord> keys;
  std::vector<Budget> budgets;
  std::vector<std::string> cors_origins;
  Secret admin_token, viewer_token;  // empty: loopback peers only
  // Longest time for a request, when its provider does not say less: streamed, and whole.
  std::int64_t total_timeout_ms = 900'000;
  std::int64_t whole_timeout_ms = 590'000;
  std::string hash;                   // SHA-256 hex over all files, for the audit
  std::vector<std::string> warnings;  // shown by `jevons check` and at start
  // The data listener is reachable from other machines and this file holds no key: the start must
  // fail (exit 4) unless the ledger holds one. Without a ledger file load_config itself refuses.
  bool needs_ledger_key = false;

  const ProviderConfig* provider(std::string_view name) const {
    for (const ProviderConfig& one : providers)
      if (one.name == name) return &one;
    return nullptr;
  }
  const Policy* policy(std::string_view name) const {
    for (const Policy& one : policies)
      if (one.name == name) return &one;
    return nullptr;
  }
};

// Files and environment behind an interface, so that loading is tested without a disk.
struct ConfigSources {
  // Contents, or empty if it cannot be read; `why` then says why ("no such file").
  std::function<std::optional<std::string>(const std::string& path, std::string& why)> read_file;
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::function<bool(const std::string& path)> exists;
};
ConfigSources system_sources();

// Reads jevons.yaml and all that it names. On any error `out` is untouched and `errors` holds all
// of them.
bool load_config(const std::string& path, const ConfigSources& sources, Config& out,
                 std::vector<ConfigError>& errors);

// Only what finds the ledger and its running gateway: `ledger`, `tls`, `admin` and `keys` of
// jevons.yaml itself, whatever is wrong elsewhere in it or in the files it names. False: not even
// that can be read.
bool load_ledger_config(const std::string& path, const ConfigSources& sources, Config& out);

// --config, ./jevons.yaml, $XDG_CONFIG_HOME/jevons/jevons.yaml, /etc/jevons/jevons.yaml: the first
// that exists; empty if none does.
std::string find_config(const std::string& from_option, const ConfigSources& sources);

}  // namespace jevons
