#include "gateway/dialects/responses_shape.h"

#include "providers/openai_messages.h"
#include "providers/openai_tools.h"

namespace jevons {
namespace {

bool read_text(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (!value.present()) return true;
  if (!value.is_object()) return in.wrong(path, "an object", value);
  return read_openai_response_format(in, value["format"], JsonPath(path, "format"),
                                     out.response_format);
}

bool read_reasoning(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (!value.present()) return true;
  if (!value.is_object()) return in.wrong(path, "an object", value);
  return in.string(value["effort"], JsonPath(path, "effort"), out.reasoning_effort);
}

bool read_limit(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  return in.integer(value, path, 1, INT64_MAX, out.max_completion_tokens);
}

bool read_instructions(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  std::string text;
  if (!in.string(value, path, text)) return false;
  if (text.empty()) return true;
  Message& message = *out.messages.emplace(out.messages.begin());
  message.role = Role::system;
  message.parts.emplace_back().text = text;
  return true;
}

// Says what to return or how to cut; means nothing to a chat completion.
bool ignore(FieldReader&, JsonView, const JsonPath&, ChatRequest&) { return true; }

std::string text_or_json(JsonView value) {
  return value.is_string() ? std::string(value.text()) : value.json();
}

// Consecutive calls of one turn belong to one assistant message.
Message& open_assistant(ChatRequest& out) {
  if (out.messages.empty() || out.messages.back().role != Role::assistant) {
    out.messages.emplace_back().role = Role::assistant;
  }
  return out.messages.back();
}

bool read_item(FieldReader& in, JsonView item, const JsonPath& path, ChatRequest& out) {
  if (!item.is_object()) return in.wrong(path, "an object", item);
  const std::string_view type = item["type"].text();
  if (type == "function_call" || type == "custom_tool_call") {
    ToolCall call;
    call.custom = type == "custom_tool_call";
    call.id = item["call_id"].text();
    call.name = item["name"].text();
    call.arguments = item[call.custom ? "input" : "arguments"].text();
    if (call.id.empty()) return in.missing(JsonPath(path, "call_id"), "Send the id of the call.");
    if (call.name.empty()) return in.missing(JsonPath(path, "name"), "Name the called function.");
    open_assistant(out).tool_calls.push_back(std::move(call));
    return true;
  }
  if (type == "function_call_output" || type == "custom_tool_call_output") {
    Message& message = out.messages.emplace_back();
    message.role = Role::tool;
    message.tool_call_id = item["call_id"].text();
    message.parts.emplace_back().text = text_or_json(item["output"]);
    if (!message.tool_call_id.empty()) return true;
    return in.missing(JsonPath(path, "call_id"), "Send the id of the call that it answers.");
  }
  if (type == "reasoning") return true;  // opaque to any other model
  if (type == "item_reference") {
    return in.fail(Error(Fault::stateful_unsupported, Origin::client,
                         "'" + path.text() +
                             "' refers to an item that an earlier request left at one provider. "
                             "Jevons keeps none: send the item itself.")
                       .with_param(path.text()));
  }
  if (!type.empty() && type != "message") {
    return in.invalid(JsonPath(path, "type"),
                      "must be message, function_call or function_call_output, but is " +
                          quoted(type) + ".");
  }
  Message& message = out.messages.emplace_back();
  const std::string_view role = item["role"].text();
  for (const Role known : {Role::system, Role::developer, Role::user, Role::assistant}) {
    if (role != role_name(known)) continue;
    message.role = known;
    return read_openai_content(in, item["content"], JsonPath(path, "content"), message.parts);
  }
  return in.invalid(JsonPath(path, "role"), "must be system, developer, user or assistant.");
}

bool read_input(FieldReader& in, JsonView input, const JsonPath& path, ChatRequest& out) {
  if (input.is_string()) {
    out.messages.emplace_back().parts.emplace_back().text = input.text();
    return true;
  }
  if (!input.is_array()) return in.wrong(path, "a string or an array of items", input);
  std::size_t index = 0;
  for (JsonView item : input) {
    if (!read_item(in, item, JsonPath(path, index++), out)) return false;
  }
  return !out.messages.empty() || in.invalid(path, "is empty. Send at least one message.");
}

}  // namespace

bool read_responses_shape(FieldReader& in, JsonView root, ChatRequest& out) {
  static constexpr OpenAiField fields[] = {
      {"input", read_input},  {"instructions", read_instructions},
      {"text", read_text},    {"reasoning", read_reasoning},
      {"include", ignore},    {"max_output_tokens", read_limit},
      {"truncation", ignore}, {"max_tool_calls", ignore},
  };
  const JsonPath top;
  for (const OpenAiField& field : fields) {
    std::erase_if(out.extra, [&](const NamedJson& extra) { return extra.name == field.name; });
    if (!field.read(in, root[field.name], JsonPath(top, field.name), out)) return false;
  }
  return true;
}

}  // namespace jevons
