// Takes a configuration into a running gateway: all of it or nothing.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "gateway/http/server.h"
#include "gateway/services.h"

namespace jevons {

class Reloader {
 public:
  Reloader(std::string config_path, Services& services)
      : path_(std::move(config_path)), services_(services) {}

  // Swaps in a loaded configuration: keys, budgets, metrics, then the pointer. Errors leave the old
  // one in place.
  Result<void> take(Config config);
  // Reads the files again. Errors: Fault::config with all findings; `who` goes into the audit.
  // Thread-safe, one at a time; blocks on files and the ledger.
  Result<void> reload(const std::string& who);
  // Puts a configuration that was changed while no gateway ran on record. Blocks on the ledger.
  void audit_start();
  // Keys were created or revoked in the ledger.
  Result<void> refresh_keys();
  // The listeners whose certificates a reload swaps.
  void watch_tls(std::vector<HttpServer*> servers) { servers_ = std::move(servers); }

 private:
  void keep_addresses(const Config& old, Config& config) const;
  Result<void> reload_files(const std::string& who);
  Result<void> restore_exploration(const Config& config, std::int64_t now_unix_s);

  std::string path_;
  Services& services_;
  std::vector<HttpServer*> servers_;
  std::mutex mutex_;
};

}  // namespace jevons
