// Where the ledger's commands ask: a running gateway's admin listener, else the file itself.
#pragma once

#include "gateway/admin/ledger_api.h"
#include "gateway/cli/commands.h"
#include "gateway/config.h"
#include "gateway/ledger/files.h"

namespace jevons {

// Asks a gateway that runs. Errors carry its message, or say that it does not answer.
Result<std::string> ask_gateway(const Config& config, const RunningGateway& gateway,
                                const LedgerCall& call);

// The body of a good answer. Errors carry the gateway's or the ledger's own message.
Result<std::string> ask_ledger(const Config& config, const LedgerCall& call);

// Prints the error to `io.err`; the exit code that goes with it.
Exit report_failure(const CliIo& io, const Error& error);

}  // namespace jevons
