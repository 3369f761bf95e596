#include "tests/upstream/call.h"

#include <string_view>

namespace upstream {
namespace {

using Value = rapidjson::Value;

const Value* member(const Value& object, const char* name) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? nullptr : &found->value;
}

std::string text_of(const Value* value) {
  return value != nullptr && value->IsString()
             ? std::string(value->GetString(), value->GetStringLength())
             : std::string();
}

bool truth(const Value* value) { return value != nullptr && value->IsBool() && value->GetBool(); }

std::optional<std::int64_t> integer(const Value* value) {
  if (value == nullptr || !value->IsInt64()) return std::nullopt;
  return value->GetInt64();
}

// Text of a message's content: a string, or parts with `text`.
std::string content_text(const Value* content) {
  if (content == nullptr) return {};
  if (content->IsString()) return text_of(content);
  std::string all;
  if (content->IsArray())
    for (const Value& part : content->GetArray()) all += text_of(member(part, "text"));
  return all;
}

void read_messages(const Value* messages, const char* content_key, Call& call) {
  if (messages == nullptr || !messages->IsArray()) return;
  for (const Value& message : messages->GetArray()) {
    const std::string text = content_text(member(message, content_key));
    call.text_bytes += static_cast<std::int64_t>(text.size());
    ++call.messages;
    if (text_of(member(message, "role")) == "user" && !text.empty()) call.last_user_text = text;
  }
}

void pick_tool(Call& call, const std::string& name, const Value* parameters) {
  if (call.first_tool.empty()) call.first_tool = name;
  const bool wanted = call.forced_tool.empty() ? name == call.first_tool : name == call.forced_tool;
  if (wanted) call.tool_parameters = parameters;
}

void read_openai(Call& call) {
  const Value& body = call.body;
  call.model = text_of(member(body, "model"));
  call.stream = truth(member(body, "stream"));
  if (const Value* options = member(body, "stream_options")) {
    call.include_usage = truth(member(*options, "include_usage"));
    call.continuous_usage = truth(member(*options, "continuous_usage_stats"));
  }
  call.n = integer(member(body, "n")).value_or(1);
  call.max_tokens = integer(member(body, "max_completion_tokens"));
  if (!call.max_tokens) call.max_tokens = integer(member(body, "max_tokens"));
  const Value* logprobs = member(body, "logprobs");
  call.logprobs = truth(logprobs) || integer(logprobs).value_or(0) > 0;
  call.service_tier = text_of(member(body, "service_tier"));
  read_messages(member(body, "messages"), "content", call);
  const Value* choice = member(body, "tool_choice");
  // Mistral's word for it is `any`.
  call.tools_required = text_of(choice) == "required" || text_of(choice) == "any";
  if (choice != nullptr && member(*choice, "function") != nullptr) {
    call.forced_tool = text_of(member(*member(*choice, "function"), "name"));
    call.tools_required = true;
  }
  if (const Value* tools = member(body, "tools"); tools != nullptr && tools->IsArray())
    for (const Value& tool : tools->GetArray())
      if (const Value* function = member(tool, "function"))
        pick_tool(call, text_of(member(*function, "name")), member(*function, "parameters"));
  if (const Value* format = member(body, "response_format"))
    if (const Value* schema = member(*format, "json_schema"))
      call.schema = member(*schema, "schema");
}

void read_prompt(Call& call, const char* key) {
  const Value* prompt = member(call.body, key);
  if (prompt == nullptr) return;
  call.messages = 1;
  if (prompt->IsString()) {
    call.last_user_text = text_of(prompt);
    call.text_bytes = static_cast<std::int64_t>(call.last_user_text.size());
  } else if (prompt->IsArray()) {
    for (const Value& item : prompt->GetArray())
      call.text_bytes += item.IsString() ? static_cast<std::int64_t>(item.GetStringLength()) : 4;
  }
}

void read_anthropic(Call& call) {
  const Value& body = call.body;
  call.model = text_of(member(body, "model"));
  call.stream = truth(member(body, "stream"));
  call.max_tokens = integer(member(body, "max_tokens"));
  call.service_tier = text_of(member(body, "service_tier"));
  call.text_bytes += static_cast<std::int64_t>(content_text(member(body, "system")).size());
  read_messages(member(body, "messages"), "content", call);
  if (const Value* choice = member(body, "tool_choice")) {
    const std::string type = text_of(member(*choice, "type"));
    call.tools_required = type == "any" || type == "tool";
    call.forced_tool = text_of(member(*choice, "name"));
  }
  if (const Value* tools = member(body, "tools"); tools != nullptr && tools->IsArray())
    for (const Value& tool : tools->GetArray())
      pick_tool(call, text_of(member(tool, "name")), member(tool, "input_schema"));
  if (const Value* config = member(body, "output_config"))
    if (const Value* format = member(*config, "format")) call.schema = member(*format, "schema");
}

void read_gemini(const HttpRequest& request, Call& call) {
  const Value& body = call.body;
  const std::string_view path = request.path();
  const std::size_t colon = path.rfind(':');
  const std::size_t slash = path.rfind('/', colon);
  call.model = path.substr(slash + 1, colon - slash - 1);
  call.stream = path.substr(colon + 1) == "streamGenerateContent";
  if (const Value* system = member(body, "systemInstruction"))
    call.text_bytes += static_cast<std::int64_t>(content_text(member(*system, "parts")).size());
  read_messages(member(body, "contents"), "parts", call);
  if (const Value* config = member(body, "generationConfig")) {
    call.max_tokens = integer(member(*config, "maxOutputTokens"));
    call.n = integer(member(*config, "candidateCount")).value_or(1);
    call.schema = member(*config, "responseJsonSchema");
    if (call.schema == nullptr) call.schema = member(*config, "responseSchema");
  }
  if (const Value* config = member(body, "toolConfig"))
    if (const Value* calling = member(*config, "functionCallingConfig")) {
      call.tools_required = text_of(member(*calling, "mode")) == "ANY";
      const Value* names = member(*calling, "allowedFunctionNames");
      if (names != nullptr && names->IsArray() && !names->Empty())
        call.forced_tool = text_of(&(*names)[0]);
    }
  const Value* tools = member(body, "tools");
  if (tools == nullptr || !tools->IsArray()) return;
  for (const Value& group : tools->GetArray()) {
    const Value* functions = member(group, "functionDeclarations");
    if (functions == nullptr || !functions->IsArray()) continue;
    for (const Value& function : functions->GetArray()) {
      const Value* parameters = member(function, "parametersJsonSchema");
      if (parameters == nullptr) parameters = member(function, "parameters");
      pick_tool(call, text_of(member(function, "name")), parameters);
    }
  }
}

}  // namespace

Endpoint endpoint_of(std::string_view path, Dialect& dialect) {
  dialect = Dialect::openai;
  if (path.ends_with("/chat/completions")) return Endpoint::chat;
  if (path.ends_with("/completions")) return Endpoint::completions;
  if (path.ends_with("/embeddings")) return Endpoint::embeddings;
  dialect = Dialect::anthropic;
  if (path.ends_with("/messages")) return Endpoint::messages;
  if (path.ends_with("/messages/count_tokens")) return Endpoint::count_tokens;
  dialect = Dialect::gemini;
  if (path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent"))
    return Endpoint::generate;
  if (path.ends_with(":countTokens")) return Endpoint::count_tokens;
  dialect = Dialect::openai;
  return Endpoint::unknown;
}

std::string read_call(const HttpRequest& request, Call& call) {
  call.endpoint = endpoint_of(request.path(), call.dialect);
  call.body.Parse(request.body.data(), request.body.size());
  if (call.body.HasParseError() || !call.body.IsObject())
    return "We could not parse the JSON body of your request.";
  std::string_view credential = request.header("authorization");
  if (credential.starts_with("Bearer ")) credential.remove_prefix(7);
  for (const char* name : {"x-api-key", "x-goog-api-key", "api-key"})
    if (credential.empty()) credential = request.header(name);
  call.credential = credential;
  if (call.dialect == Dialect::anthropic) read_anthropic(call);
  if (call.dialect == Dialect::gemini) read_gemini(request, call);
  if (call.dialect == Dialect::openai) {
    read_openai(call);
    if (call.endpoint == Endpoint::completions) read_prompt(call, "prompt");
    if (call.endpoint == Endpoint::embeddings) read_prompt(call, "input");
  }
  if (call.model.empty()) return "you must provide a model parameter";
  if (call.endpoint == Endpoint::messages && !call.max_tokens) return "max_tokens: Field required";
  if (call.endpoint == Endpoint::messages && request.header("anthropic-version").empty())
    return "anthropic-version: header is required";
  return {};
}

}  // namespace upstream
