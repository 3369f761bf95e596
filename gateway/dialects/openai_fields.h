// Body fields that OpenAI's endpoints have in common.
#pragma once

#include <string_view>

#include "providers/json.h"
#include "providers/json_fields.h"
#include "router/chat.h"

namespace jevons {

// One known field: where its value goes. Absent and null mean unset everywhere.
struct OpenAiField {
  std::string_view name;
  bool (*read)(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out);
};

// Model, sampling, limits, streaming, user and the like; null for a name that is not among them.
const OpenAiField* common_openai_field(std::string_view name);

// Parses the body and gives every field to `own`, then to the common ones; the rest goes to
// `extra`. Fields that would need state of an earlier request are refused.
Result<ChatRequest> read_openai_body(std::string_view body, Endpoint endpoint,
                                     const OpenAiField* (*own)(std::string_view name),
                                     bool (*complete)(FieldReader& in, JsonView root,
                                                      ChatRequest& out));

// The one body shape check that every endpoint needs.
bool require_model(FieldReader& in, const ChatRequest& out);

}  // namespace jevons
