// What an upstream's refusal means for us. OpenAI, Anthropic, Gemini and the many that imitate them
// differ in the envelope only, so one reader serves all adapters.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "providers/provider_config.h"
#include "router/error.h"

namespace jevons {

// A non-2xx answer as an Error:
//   401, 402, 403, 404, exhausted quota or credit   upstream_auth, not retryable
//   400, 413, 422                                   upstream_rejected, its message word for word
//   408, 409, 429, 5xx                              upstream_overloaded, retryable, with
//   retry-after anything else                                   upstream_error, not retryable
Error upstream_fault(int status, std::span<const Header> headers, std::string_view body);

// An error object inside a 2xx answer or a stream, by its message, type and code.
Error upstream_fault_in_answer(std::string_view message, std::string_view code);

// Credentials that providers echo in their messages ("Incorrect API key provided: sk-...") replaced
// by "[redacted]".
std::string scrub_secrets(std::string_view text);

}  // namespace jevons
