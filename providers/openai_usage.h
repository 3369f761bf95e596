// Usage and finish reasons in OpenAI's words, both ways.
#pragma once

#include <optional>
#include <string_view>

#include "providers/json.h"
#include "providers/provider_config.h"
#include "router/chat.h"
#include "router/usage.h"

namespace jevons {

// A `usage` object of an OpenAI-like upstream in disjoint classes (wire.md 1.8). One place knows
// where each of them puts its cached tokens, and that xAI counts reasoning beside the completion.
Usage read_openai_usage(JsonView usage, Quirks quirks);

// The `usage` object for clients: details are subsets of the totals.
void write_openai_usage(JsonWriter& out, const Usage& usage);

// `finish_reason` of an answer; "function_call" counts as tool_calls. Words of other servers are
// mapped, unknown ones mean stop. Unset for an empty one.
FinishReason read_openai_finish(std::string_view word);

}  // namespace jevons
