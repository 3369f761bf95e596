#include <algorithm>
#include <chrono>

#include "tests/upstream/call.h"
#include "tests/upstream/text.h"

namespace upstream {
namespace {

using Value = rapidjson::Value;

const Value* member(const Value& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

std::string scalar_text(const Value& value) {
  if (value.IsString()) return quoted({value.GetString(), value.GetStringLength()});
  if (value.IsInt64()) return std::to_string(value.GetInt64());
  if (value.IsBool()) return value.GetBool() ? "true" : "false";
  return "null";
}

std::string object_instance(const Value& schema, const Value& root, int depth) {
  std::string out = "{";
  if (const Value* properties = member(schema, "properties"); properties != nullptr)
    for (const auto& property : properties->GetObject()) {
      if (out.size() > 1) out += ',';
      append_quoted(out, {property.name.GetString(), property.name.GetStringLength()});
      out += ':' + instance_of(property.value, root, depth + 1);
    }
  return out + "}";
}

// `#/$defs/name` inside the same schema.
const Value* resolve(const std::string& reference, const Value& root) {
  for (const char* group : {"$defs", "definitions"}) {
    const std::string prefix = std::string("#/") + group + "/";
    const Value* definitions = member(root, group);
    if (reference.starts_with(prefix) && definitions != nullptr)
      return member(*definitions, reference.substr(prefix.size()).c_str());
  }
  return nullptr;
}

std::vector<std::string> visible_pieces(const Call& call, const Behaviour& how,
                                        std::int64_t wanted) {
  std::vector<std::string> pieces;
  if (how.text) {
    pieces = cut_into_pieces(*how.text);
  } else if (how.echo) {
    pieces = cut_into_pieces(call.last_user_text);
  } else if (call.schema != nullptr) {
    pieces = cut_into_pieces(instance_of(*call.schema, *call.schema, 0));
  } else {
    pieces = filler_pieces(wanted);
  }
  if (how.pad_bytes > 0) pieces.emplace_back(static_cast<std::size_t>(how.pad_bytes), 'x');
  return pieces;
}

std::vector<ToolCall> chosen_tools(const Call& call, const Behaviour& how, std::int64_t number) {
  std::vector<ToolCall> tools = how.tool_calls;
  const bool wants_tool = call.tools_required || how.use_tools;
  if (tools.empty() && wants_tool && !call.first_tool.empty()) {
    ToolCall tool;
    tool.name = call.forced_tool.empty() ? call.first_tool : call.forced_tool;
    tool.arguments = call.tool_parameters == nullptr
                         ? "{}"
                         : instance_of(*call.tool_parameters, *call.tool_parameters, 0);
    tools.push_back(std::move(tool));
  }
  for (std::size_t i = 0; i < tools.size(); ++i)
    if (tools[i].id.empty())
      tools[i].id = "call_" + std::to_string(number) + "_" + std::to_string(i);
  return tools;
}

}  // namespace

std::string instance_of(const Value& schema, const Value& root, int depth) {
  if (depth > 8) return "null";
  if (const Value* reference = member(schema, "$ref"); reference != nullptr)
    if (const Value* target = resolve(reference->GetString(), root))
      return instance_of(*target, root, depth + 1);
  if (const Value* values = member(schema, "enum"); values != nullptr && !values->Empty())
    return scalar_text((*values)[0]);
  if (const Value* value = member(schema, "const")) return scalar_text(*value);
  for (const char* group : {"anyOf", "oneOf", "allOf"})
    if (const Value* options = member(schema, group); options != nullptr && !options->Empty())
      return instance_of((*options)[0], root, depth + 1);
  const Value* type = member(schema, "type");
  if (type != nullptr && type->IsArray() && !type->Empty()) type = &(*type)[0];
  std::string name = type != nullptr && type->IsString() ? type->GetString() : "object";
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (name == "string") return "\"Paris\"";
  if (name == "integer") return "7";
  if (name == "number") return "2.5";
  if (name == "boolean") return "true";
  if (name == "null") return "null";
  if (name == "array") {
    const Value* items = member(schema, "items");
    return items == nullptr ? "[]" : "[" + instance_of(*items, root, depth + 1) + "]";
  }
  return object_instance(schema, root, depth);
}

Answer make_answer(const Call& call, const Behaviour& how, std::int64_t number,
                   std::optional<std::int64_t> wanted_prompt,
                   std::optional<std::int64_t> wanted_completion) {
  Answer answer;
  answer.id = "up-" + std::to_string(number);
  answer.created = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  answer.model = how.model.empty() ? call.model : how.model;
  answer.service_tier = how.service_tier;
  answer.logprob_thousandths = how.logprob_thousandths;
  answer.refusal = how.refusal;
  answer.tools = chosen_tools(call, how, number);
  if (answer.tools.empty() && answer.refusal.empty())
    answer.pieces = visible_pieces(call, how, wanted_completion.value_or(how.tokens));
  answer.finish = answer.tools.empty() ? "stop" : "tool_calls";

  Tokens& tokens = answer.tokens;
  tokens.reasoning = how.reasoning_tokens;
  std::int64_t visible = static_cast<std::int64_t>(answer.pieces.size());
  for (const ToolCall& tool : answer.tools)
    visible += 8 + static_cast<std::int64_t>(tool.arguments.size()) / 4;
  if (!answer.refusal.empty()) visible = static_cast<std::int64_t>(answer.refusal.size()) / 4 + 1;
  if (call.max_tokens && !how.ignore_max_tokens && answer.tools.empty()) {
    tokens.reasoning = std::min(tokens.reasoning, *call.max_tokens);
    const std::int64_t room = *call.max_tokens - tokens.reasoning;
    if (visible > room) {
      visible = room;
      if (answer.refusal.empty()) answer.pieces.resize(static_cast<std::size_t>(room));
      answer.finish = "length";
    }
  }
  if (!how.finish_reason.empty()) answer.finish = how.finish_reason;
  if (!how.hide_reasoning) answer.reasoning = filler_pieces(tokens.reasoning);
  tokens.completion = how.completion_tokens.value_or(visible * std::max<std::int64_t>(call.n, 1));

  const std::int64_t counted = call.text_bytes / 4 + 3 * call.messages + 1;
  const std::int64_t prompt = how.prompt_tokens.value_or(wanted_prompt.value_or(counted));
  tokens.cached = how.cached_tokens;
  tokens.cache_write_5m = how.cache_write_5m;
  tokens.cache_write_1h = how.cache_write_1h;
  tokens.uncached = std::max<std::int64_t>(
      0, prompt - tokens.cached - tokens.cache_write_5m - tokens.cache_write_1h);
  return answer;
}

}  // namespace upstream
