#include "local_engine/chat_template.h"

#include "local_engine/jinja_json.h"

namespace jevons::engine {
namespace {

// Roles are our own words, not a client's.
const char* role_name(Role role) {
  switch (role) {
    case Role::system:
      return "system";
    case Role::developer:
      return "developer";
    case Role::user:
      return "user";
    case Role::assistant:
      return "assistant";
    case Role::tool:
      return "tool";
  }
  return "user";
}

std::string joined_text(const Message& message) {
  std::string text;
  for (const TextPart& part : message.parts) text += part.text;
  return text;
}

Value content_value(const Message& message, bool as_parts) {
  if (!as_parts) return Value::user_text(joined_text(message));
  std::vector<Value> parts;
  for (const TextPart& part : message.parts) {
    const Value made = Value::dict();
    made.set("type", "text");
    made.set("text", Value::user_text(part.text));
    parts.push_back(made);
  }
  return Value::list(std::move(parts));
}

Value tool_call_value(const ToolCall& call, bool arguments_object) {
  const Value function = Value::dict();
  function.set("name", Value::user_text(call.name));
  const auto parsed = value_from_json(call.arguments);
  const bool object = arguments_object && parsed.has_value() && parsed->is_dict();
  function.set("arguments", object ? *parsed : Value::user_text(call.arguments));
  const Value made = Value::dict();
  made.set("id", Value::user_text(call.id));
  made.set("type", "function");
  made.set("function", function);
  return made;
}

Value message_value(const Message& message, const ChatAbilities& abilities) {
  const Value made = Value::dict();
  const bool developer = message.role == Role::developer && !abilities.harmony;
  made.set("role", developer ? "system" : role_name(message.role));
  made.set("content", content_value(message, abilities.content_parts));
  if (!message.reasoning.empty()) {
    made.set("reasoning_content", Value::user_text(message.reasoning));
    made.set("thinking", Value::user_text(message.reasoning));
  }
  if (!message.tool_calls.empty()) {
    std::vector<Value> calls;
    for (const ToolCall& call : message.tool_calls) {
      calls.push_back(tool_call_value(call, abilities.arguments_object));
    }
    made.set("tool_calls", Value::list(std::move(calls)));
  }
  if (!message.tool_call_id.empty()) {
    made.set("tool_call_id", Value::user_text(message.tool_call_id));
  }
  if (!message.name.empty()) made.set("name", Value::user_text(message.name));
  return made;
}

EngineResult<Value> tools_value(std::span<const Tool> tools) {
  std::vector<Value> all;
  for (const Tool& tool : tools) {
    const Value function = Value::dict();
    function.set("name", Value::user_text(tool.name));
    function.set("description", Value::user_text(tool.description));
    const auto parameters =
        value_from_json(tool.parameters.empty() ? R"({"type":"object","properties":{}})"
                                                : std::string_view(tool.parameters));
    if (!parameters) {
      return EngineError(EngineFault::invalid_input, "the parameters of the tool '" + tool.name +
                                                         "' are " + parameters.error().message());
    }
    function.set("parameters", *parameters);
    const Value made = Value::dict();
    made.set("type", "function");
    made.set("function", function);
    all.push_back(made);
  }
  return Value::list(std::move(all));
}

// For templates without a system role: its text goes in front of the first user text.
std::vector<Message> without_system_role(std::span<const Message> messages) {
  std::vector<Message> out;
  std::string instructions;
  for (const Message& message : messages) {
    if (message.role == Role::system || message.role == Role::developer) {
      instructions += joined_text(message) + "\n\n";
      continue;
    }
    out.push_back(message);
    if (message.role == Role::user && !instructions.empty()) {
      out.back().parts.insert(out.back().parts.begin(), TextPart{std::exchange(instructions, {})});
    }
  }
  if (!instructions.empty()) out.push_back({Role::user, {TextPart{instructions}}, {}, {}, {}, {}});
  return out;
}

Value simple_message(const char* role, Value content) {
  const Value made = Value::dict();
  made.set("role", role);
  made.set("content", std::move(content));
  return made;
}

constexpr const char* kNeedle = "qzx-needle";

Value probe_call(bool arguments_object) {
  const ToolCall call{"call00001", "qzx_tool", R"({"qzx_key":"qzx-needle"})"};
  const Value message = simple_message("assistant", "");
  message.set("tool_calls", Value::list({tool_call_value(call, arguments_object)}));
  return message;
}

const char* effort_name(ReasoningEffort effort) {
  switch (effort) {
    case ReasoningEffort::low:
      return "low";
    case ReasoningEffort::medium:
      return "medium";
    case ReasoningEffort::high:
      return "high";
    default:
      return nullptr;
  }
}

}  // namespace

std::vector<TextSegment> segments_of(const MarkedText& text) {
  std::vector<TextSegment> segments;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin + 1;
    while (end < text.size() && text.is_user(end) == text.is_user(begin)) ++end;
    segments.push_back({text.text().substr(begin, end - begin), !text.is_user(begin)});
    begin = end;
  }
  return segments;
}

EngineResult<ChatTemplate> ChatTemplate::from_gguf(const GgufFile& file,
                                                   const Vocabulary& vocabulary) {
  if (file.find("tokenizer.chat_template") == nullptr) {
    return EngineError(EngineFault::unsupported, file.name() + ": the file has no chat template");
  }
  const auto source = file.string("tokenizer.chat_template");
  if (!source) return source.error();
  const auto name_of = [&](std::optional<TokenId> id) {
    return id ? std::string(vocabulary.bytes(*id)) : std::string();
  };
  auto made = compile(*source, name_of(vocabulary.bos()), name_of(vocabulary.eos()));
  if (!made) return EngineError(made.error().fault(), file.name() + ": " + made.error().message());
  return made;
}

EngineResult<ChatTemplate> ChatTemplate::compile(std::string_view source, std::string bos,
                                                 std::string eos) {
  auto compiled = JinjaTemplate::compile(source);
  if (!compiled) return compiled.error();
  ChatTemplate made;
  made.template_ = std::move(*compiled);
  made.bos_ = std::move(bos);
  made.eos_ = std::move(eos);
  made.probe(source);
  return made;
}

bool ChatTemplate::shows(const Value& messages, const Value& tools, std::string_view needle) const {
  const auto text = render_context(messages, tools, {});
  return text.has_value() && text->text().find(needle) != std::string::npos;
}

void ChatTemplate::probe(std::string_view source) {
  const Value none = Value::None{};
  const Value user = simple_message("user", "hello");
  abilities_.harmony = source.find("<|channel|>") != std::string_view::npos &&
                       source.find("<|start|>") != std::string_view::npos;
  abilities_.system_role =
      shows(Value::list({simple_message("system", kNeedle), user}), none, kNeedle);
  const bool string_content = shows(Value::list({simple_message("user", kNeedle)}), none, kNeedle);
  if (!string_content) {
    const Message parts{Role::user, {TextPart{kNeedle}}, {}, {}, {}, {}};
    const Value content = content_value(parts, true);
    abilities_.content_parts = shows(Value::list({simple_message("user", content)}), none, kNeedle);
    if (abilities_.content_parts && !abilities_.system_role) {
      const Value system = simple_message("system", content);
      abilities_.system_role =
          shows(Value::list({system, simple_message("user", content)}), none, kNeedle);
    }
  }
  const Tool tool{"qzx_tool", kNeedle, ""};
  const auto tools = tools_value(std::span(&tool, 1));
  abilities_.tools = tools.has_value() && shows(Value::list({user}), *tools, "qzx_tool");
  // An object printed by a template that wanted text looks like Python: {'qzx_key': ...}.
  const auto call_shown = [&](bool object) {
    const auto text = render_context(Value::list({user, probe_call(object)}), *tools, {});
    if (!text) return false;
    const std::string& plain = text->text();
    return plain.find(kNeedle) != std::string::npos &&
           plain.find("{'qzx_key'") == std::string::npos &&
           plain.find("\\\"qzx_key") == std::string::npos;
  };
  abilities_.arguments_object = call_shown(true) || !call_shown(false);
  abilities_.tool_calls = call_shown(true) || call_shown(false);
}

EngineResult<MarkedText> ChatTemplate::render_context(const Value& messages, const Value& tools,
                                                      const ChatPrompt& prompt) const {
  const Value context = Value::dict();
  context.set("messages", messages);
  context.set("tools", tools);
  context.set("add_generation_prompt", prompt.add_generation_prompt);
  context.set("bos_token", MarkedText(bos_));
  context.set("eos_token", MarkedText(eos_));
  if (prompt.reasoning_effort == ReasoningEffort::none)
    context.set("enable_thinking", false);
  else if (prompt.reasoning_effort != ReasoningEffort::unset)
    context.set("enable_thinking", true);
  if (const char* effort = effort_name(prompt.reasoning_effort)) {
    context.set("reasoning_effort", effort);
  }
  JinjaOptions options;
  options.now_seconds = prompt.now_seconds;
  return template_.render(context, options);
}

EngineResult<std::vector<TextSegment>> ChatTemplate::render(const ChatPrompt& prompt) const {
  const std::vector<Message> changed =
      abilities_.system_role ? std::vector<Message>() : without_system_role(prompt.messages);
  const std::span<const Message> messages =
      abilities_.system_role ? prompt.messages : std::span<const Message>(changed);
  std::vector<Value> all;
  for (const Message& message : messages) all.push_back(message_value(message, abilities_));
  Value tools = Value::None{};
  if (!prompt.tools.empty()) {
    auto made = tools_value(prompt.tools);
    if (!made) return made.error();
    tools = std::move(*made);
  }
  const auto text = render_context(Value::list(std::move(all)), tools, prompt);
  if (!text) return text.error();
  return segments_of(*text);
}

}  // namespace jevons::engine
