// The tables, their versions, and the views that BI tools rely on (contract.md 9).
#pragma once

#include <string>
#include <vector>

#include "gateway/ledger/sqlite.h"
#include "router/error.h"

namespace jevons {

// "JEVN": PRAGMA application_id of a ledger file.
inline constexpr int ledger_application_id = 0x4a45564e;

// steps[i] takes a file from version i to i + 1, in one transaction.
using MigrationSteps = std::vector<const char*>;
const MigrationSteps& migration_steps();

// Brings the file to the newest version; an older file is first copied to `<path>.bak-v<version>`.
// Errors: Fault::config for a file of a newer version or of another program.
Result<void> migrate(Database& database, const std::string& path,
                     const MigrationSteps& steps = migration_steps());

}  // namespace jevons
