// Messages, content parts and tool calls in OpenAI's chat format, both ways: clients speak it to us
// and we speak it to upstreams, so it is written once.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "providers/json.h"
#include "providers/json_fields.h"
#include "router/chat.h"

namespace jevons {

// `messages`. Also takes the legacy role "function" and `function_call`, which become tool messages
// and tool calls with ids of ours, and Responses-style parts (input_text, output_text,
// input_image).
bool read_openai_messages(FieldReader& in, JsonView value, const JsonPath& path,
                          std::vector<Message>& out);
// The content of one message: a string, or an array of parts. Absent and null give no parts.
bool read_openai_content(FieldReader& in, JsonView value, const JsonPath& path,
                         std::vector<Part>& out);

struct OpenAiMessageStyle {
  // Roles as the upstream knows them; empty: as they are.
  std::string_view system_role;      // what "system" becomes
  std::string_view developer_role;   // what "developer" becomes
  std::string_view reasoning_field;  // name under which reasoning is replayed; empty: never
  std::string_view cache_mark;       // name of a part's cache breakpoint; empty: not sent
};

void write_openai_messages(JsonWriter& out, std::span<const Message> messages,
                           const OpenAiMessageStyle& style);

// An entry of an assistant's `tool_calls`; `index` < 0 leaves it out (it belongs to streams).
void write_openai_tool_call(JsonWriter& out, const ToolCall& call, std::int64_t index);
// An entry of `tool_calls` in a whole answer or a request.
ToolCall read_openai_tool_call(JsonView value);

// "data:image/png;base64,AAAA" to media type and data; false if the URL has another form.
bool split_data_url(std::string_view url, std::string& media_type, std::string& data);

// All text of the parts, joined without separator.
std::string joined_text(std::span<const Part> parts);

}  // namespace jevons
