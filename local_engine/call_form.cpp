#include "local_engine/call_form.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>

namespace jevons::engine {
namespace {

using Shape = CallForm::Shape;

// The first that matches holds. Sources: the templates themselves, and for Mistral's versions
// mistral-common, docs/usage/tools.md.
constexpr CallForm kForms[] = {
    // Hermes, Qwen, SmolLM3, granite 4 and many others.
    {.told_by = "<tool_call>",
     .begin = "<tool_call>",
     .end = "</tool_call>",
     .opening = "<tool_call>\n",
     .before_arguments = {}},
    // Mistral from its tokenizer's version 11 on.
    {.told_by = "[ARGS]",
     .begin = "[TOOL_CALLS]",
     .end = {},
     .opening = "[TOOL_CALLS]",
     .shape = Shape::named,
     .before_arguments = "[ARGS]"},
    // Mistral before.
    {.told_by = "[TOOL_CALLS]",
     .begin = "[TOOL_CALLS]",
     .end = {},
     .opening = "[TOOL_CALLS]",
     .shape = Shape::list,
     .before_arguments = {}},
    // Granite 3.
    {.told_by = "<|tool_call|>",
     .begin = "<|tool_call|>",
     .end = {},
     .opening = "<|tool_call|>",
     .shape = Shape::list,
     .before_arguments = {}},
    // Llama 3.1 to 3.3.
    {.told_by = R"({"name": function name, "parameters": dictionary of argument name)",
     .begin = {},
     .end = {},
     .opening = {},
     .arguments = "parameters",
     .before_arguments = {}},
};

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::string_view kCallId = "[CALL_ID]";  // some versions of Mistral's, behind the name

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpaces);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpaces) - first + 1);
}

std::string json_of(const rapidjson::Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string quoted(std::string_view text) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  return {buffer.GetString(), buffer.GetSize()};
}

void rebase(rapidjson::Value& schema, const std::string& at,
            rapidjson::MemoryPoolAllocator<>& memory) {
  if (schema.IsArray())
    for (rapidjson::Value& item : schema.GetArray()) rebase(item, at, memory);
  if (!schema.IsObject()) return;
  for (auto& [name, value] : schema.GetObject()) {
    const std::string_view key(name.GetString(), name.GetStringLength());
    if (key == "$ref" && value.IsString() && value.GetString()[0] == '#')
      value.SetString((at + (value.GetString() + 1)).c_str(), memory);
    else
      rebase(value, at, memory);
  }
}

// The tool's schema for a place inside another one, named by its JSON pointer: references such as
// "#/$defs/x" count from the root, which it is no more.
std::string schema_at(const std::string& at, const Tool& tool) {
  if (tool.parameters.empty()) return R"({"type":"object"})";
  rapidjson::Document schema;
  schema.Parse<rapidjson::kParseIterativeFlag>(tool.parameters.data(), tool.parameters.size());
  if (schema.HasParseError()) return tool.parameters;  // who compiles it says what is wrong
  rebase(schema, at, schema.GetAllocator());
  return json_of(schema);
}

// Both words for arguments are read whatever the form says: models mix them up.
std::optional<NamedCall> call_of(const CallForm& form, const rapidjson::Value& call) {
  if (!call.IsObject() || !call.HasMember("name") || !call["name"].IsString()) return std::nullopt;
  const char* key = call.HasMember("arguments") ? "arguments" : "parameters";
  // Where nothing marks a call, any object with a name would be one.
  if (form.begin.empty() && !call.HasMember(key)) return std::nullopt;
  NamedCall out{.name = call["name"].GetString(), .arguments = "{}"};
  if (call.HasMember(key) && call[key].IsString()) out.arguments = call[key].GetString();
  if (call.HasMember(key) && call[key].IsObject()) out.arguments = json_of(call[key]);
  return out;
}

// One value of JSON from the front of `text`; false where none is.
bool take_json(std::string_view& text, rapidjson::Document& out) {
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseStopWhenDoneFlag;
  const std::string copy(text);
  rapidjson::StringStream stream(copy.c_str());
  out.ParseStream<flags>(stream);
  if (out.HasParseError()) return false;
  text.remove_prefix(std::min(stream.Tell(), text.size()));
  return true;
}

std::optional<NamedCall> named_call(const CallForm& form, std::string_view text) {
  const std::size_t mark = text.find(form.before_arguments);
  if (mark == std::string_view::npos) return std::nullopt;
  std::string_view rest = text.substr(mark + form.before_arguments.size());
  rapidjson::Document arguments;
  if (!take_json(rest, arguments) || !arguments.IsObject() || !trim(rest).empty())
    return std::nullopt;
  const std::string_view name = text.substr(0, mark);
  return NamedCall{.name = std::string(trim(name.substr(0, name.find(kCallId)))),
                   .arguments = json_of(arguments)};
}

// Objects behind each other, or lists of them, with nothing but space and semicolons between.
std::vector<NamedCall> json_calls(const CallForm& form, std::string_view text) {
  std::vector<NamedCall> calls;
  for (text = trim(text); !text.empty(); text = trim(text)) {
    rapidjson::Document json;
    if (!take_json(text, json)) return {};
    if (!json.IsArray()) {
      auto call = call_of(form, json);
      if (!call) return {};
      calls.push_back(std::move(*call));
    } else {
      for (const rapidjson::Value& value : json.GetArray()) {
        auto call = call_of(form, value);
        if (!call) return {};
        calls.push_back(std::move(*call));
      }
    }
    text = trim(text);
    if (!text.empty() && text.front() == ';') text.remove_prefix(1);
  }
  return calls;
}

}  // namespace

const CallForm* call_form_of(std::string_view source) {
  const auto* found = std::find_if(std::begin(kForms), std::end(kForms), [&](const CallForm& form) {
    return source.find(form.told_by) != std::string_view::npos;
  });
  return found == std::end(kForms) ? nullptr : found;
}

const CallForm& common_call_form() { return kForms[0]; }

std::vector<NamedCall> calls_in(const CallForm& form, std::string_view text) {
  if (form.shape != Shape::named) return json_calls(form, text);
  auto call = named_call(form, text);
  if (!call || call->name.empty()) return {};
  return {std::move(*call)};
}

bool cannot_be_call(std::string_view text) {
  for (const std::string_view expected : {"{", "\"name\"", ":"}) {
    const std::size_t first = text.find_first_not_of(kSpaces);
    if (first == std::string_view::npos) return false;
    text.remove_prefix(first);
    const std::size_t seen = std::min(text.size(), expected.size());
    if (text.substr(0, seen) != expected.substr(0, seen)) return true;
    text.remove_prefix(seen);
  }
  return false;
}

std::string forced_calls_schema(const CallForm& form, const std::vector<const Tool*>& tools) {
  std::string choices;
  const std::string root = form.shape == Shape::list ? "#/items/anyOf/" : "#/anyOf/";
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const Tool* tool = tools[i];
    const std::string key = quoted(form.arguments);
    const std::string at = root + std::to_string(i) + "/properties/" + std::string(form.arguments);
    choices += choices.empty() ? "" : ",";
    choices += R"({"type":"object","properties":{"name":{"const":)" + quoted(tool->name) + "}," +
               key + ":" + schema_at(at, *tool) + R"(},"required":["name",)" + key +
               R"(],"additionalProperties":false})";
  }
  const std::string call = R"({"anyOf":[)" + choices + "]}";
  if (form.shape != Shape::list) return call;
  return R"({"type":"array","minItems":1,"maxItems":1,"items":)" + call + "}";
}

std::string short_call_id(std::string_view id) {
  constexpr std::string_view digits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  const bool short_already = id.size() == 9 && std::all_of(id.begin(), id.end(), [&](char c) {
                               return digits.find(c) != std::string_view::npos;
                             });
  if (short_already) return std::string(id);
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::string out;
  for (int i = 0; i < 9; ++i, hash /= digits.size()) out += digits[hash % digits.size()];
  return out;
}

}  // namespace jevons::engine
