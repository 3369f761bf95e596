// A body in the shape of OpenAI's Responses API (`input`, `instructions`, flat tools), which Cursor
// sends to /chat/completions for newer models. Only the stateless part exists here.
#pragma once

#include <string_view>

#include "gateway/dialects/openai_fields.h"

namespace jevons {

// `input` (text, or items: messages, function calls and their outputs, reasoning), `instructions`
// and the other fields that only this shape has; they are taken out of `extra`.
bool read_responses_shape(FieldReader& in, JsonView root, ChatRequest& out);

}  // namespace jevons
