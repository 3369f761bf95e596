// Tools, tool choice and response format in OpenAI's chat format, both ways.
#pragma once

#include <string_view>
#include <vector>

#include "providers/json.h"
#include "providers/json_fields.h"
#include "router/chat.h"

namespace jevons {

// `tools`, in the nested form of chat and in the flat form of Responses.
bool read_openai_tools(FieldReader& in, JsonView value, const JsonPath& path,
                       std::vector<Tool>& out);
// The deprecated `functions`.
bool read_openai_functions(FieldReader& in, JsonView value, const JsonPath& path,
                           std::vector<Tool>& out);
// `tool_choice`, or the deprecated `function_call` ({"name": ...}).
bool read_openai_tool_choice(FieldReader& in, JsonView value, const JsonPath& path,
                             ToolChoice& out);
bool read_openai_response_format(FieldReader& in, JsonView value, const JsonPath& path,
                                 ResponseFormat& out);

void write_openai_tools(JsonWriter& out, const std::vector<Tool>& tools);
// The value of `tool_choice`; `required` is the word for Mode::required (Mistral says "any").
void write_openai_tool_choice(JsonWriter& out, const ToolChoice& choice, std::string_view required);
void write_openai_response_format(JsonWriter& out, const ResponseFormat& format);

}  // namespace jevons
