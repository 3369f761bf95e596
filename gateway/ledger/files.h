// The files beside the ledger: `<ledger>.lock` (one gateway a ledger), `<ledger>.pepper` (0400),
// `<ledger>.run` (0600: who runs and where its admin listener is).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "router/error.h"

namespace jevons {

// Held while the object lives. Errors: Fault::config when another process holds it.
class LedgerLock {
 public:
  static Result<LedgerLock> take(const std::string& ledger_path);
  LedgerLock() = default;
  LedgerLock(LedgerLock&& other) noexcept;
  LedgerLock& operator=(LedgerLock&& other) noexcept;
  ~LedgerLock();

 private:
  int file_ = -1;
};

// 32 bytes; made at the first start. Errors: Fault::config for a file that others may read, that is
// too short, or that cannot be made.
Result<std::string> load_or_make_pepper(const std::string& ledger_path);

struct RunningGateway {
  std::int64_t pid = 0;
  std::string admin_url;  // "http://127.0.0.1:8081"
};
// Written by a gateway once it listens, removed when it ends.
Result<void> write_run_file(const std::string& ledger_path, const RunningGateway& gateway);
void remove_run_file(const std::string& ledger_path);
// The gateway that owns this ledger now: its process is alive and holds the lock.
std::optional<RunningGateway> running_gateway(const std::string& ledger_path);

// "sqlite:jevons.db" to "jevons.db"; relative names belong to the folder of the configuration.
std::string ledger_path_of(const std::string& ledger_value, const std::string& config_folder);

}  // namespace jevons
