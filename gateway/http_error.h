// The one place that turns a Fault into HTTP: status, body of the dialect, retry headers
// (contract.md 8).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/request.h"
#include "router/chat.h"
#include "router/error.h"

namespace jevons {

// Headers: content-type, x-should-retry, and retry-after(-ms) where known. Body: the dialect's
// envelope, request id included.
HttpAnswer http_error(const Error& error, Dialect dialect, std::string_view request_id);

// Status alone, for metrics and the ledger. Anthropic's overload is 529.
int http_status(const Error& error, Dialect dialect);

// Whether a client may send the same request again without the risk of a second bill.
bool should_retry(const Error& error);

// The error body alone: `{"error":{...},"request_id":"..."}` or Anthropic's envelope.
std::string error_body(const Error& error, Dialect dialect, std::string_view request_id);

// A failure after the commit, as one server-sent event of the dialect. Nothing may follow it.
std::string error_event(const Error& error, Dialect dialect, std::string_view request_id);

}  // namespace jevons
