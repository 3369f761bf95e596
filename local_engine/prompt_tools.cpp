#include "local_engine/prompt_tools.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <string>
#include <string_view>
#include <utility>

namespace jevons::engine {
namespace {

std::string quoted(std::string_view text) {
  rapidjson::StringBuffer out;
  rapidjson::Writer<rapidjson::StringBuffer> writer(out);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return {out.GetString(), out.GetSize()};
}

std::string description(std::span<const Tool> tools) {
  std::string text = "You may call these functions to help with the user's request:\n<tools>\n";
  for (const Tool& tool : tools) {
    text += R"({"name":)" + quoted(tool.name) + R"(,"description":)" + quoted(tool.description) +
            R"(,"parameters":)" + (tool.parameters.empty() ? "{}" : tool.parameters) + "}\n";
  }
  text += "</tools>\nTo call one, answer with its name and arguments as JSON:\n<tool_call>\n";
  return text + R"({"name": "...", "arguments": {...}})" + "\n</tool_call>";
}

Message in_words(const Message& message) {
  Message out = message;
  if (message.role == Role::tool) {
    out.role = Role::user;
    out.parts.insert(out.parts.begin(), TextPart{"<tool_response>\n"});
    out.parts.push_back(TextPart{"\n</tool_response>"});
  }
  for (const ToolCall& call : message.tool_calls) {
    out.parts.push_back(
        TextPart{"<tool_call>\n{\"name\": " + quoted(call.name) + ", \"arguments\": " +
                 (call.arguments.empty() ? "{}" : call.arguments) + "}\n</tool_call>"});
  }
  out.tool_calls.clear();
  return out;
}

}  // namespace

std::vector<Message> with_tools_in_words(std::span<const Message> messages,
                                         std::span<const Tool> tools) {
  std::vector<Message> out;
  out.reserve(messages.size() + 1);
  for (const Message& message : messages) out.push_back(in_words(message));
  if (tools.empty()) return out;
  if (!out.empty() && (out.front().role == Role::system || out.front().role == Role::developer)) {
    out.front().parts.push_back(TextPart{"\n\n" + description(tools)});
  } else {
    Message system;
    system.role = Role::system;
    system.parts.push_back(TextPart{description(tools)});
    out.insert(out.begin(), std::move(system));
  }
  return out;
}

}  // namespace jevons::engine
