#include "local_engine/prompt.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "local_engine/prompt_tools.h"

namespace jevons::engine {
namespace {

constexpr std::string_view kThink = "<think>";

// The template's last words are <think>, white space aside.
bool opens_thinking(const std::vector<TextSegment>& segments) {
  if (segments.empty() || !segments.back().trusted) return false;
  std::string_view text = segments.back().text;
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  if (last == std::string_view::npos) return false;
  return text.substr(0, last + 1).ends_with(kThink);
}

// {"name": one of the tools, "arguments": as that tool wants them}
EngineResult<std::string> call_schema(const Job& job) {
  std::string choices;
  for (const Tool& tool : job.tools) {
    if (job.tool_choice.mode == ToolMode::named && tool.name != job.tool_choice.name) continue;
    rapidjson::StringBuffer name;
    rapidjson::Writer<rapidjson::StringBuffer> writer(name);
    writer.String(tool.name);
    choices += choices.empty() ? "" : ",";
    choices += R"({"type":"object","properties":{"name":{"const":)" +
               std::string(name.GetString()) + R"(},"arguments":)" +
               (tool.parameters.empty() ? R"({"type":"object"})" : tool.parameters) +
               R"(},"required":["name","arguments"],"additionalProperties":false})";
  }
  if (choices.empty()) {
    return EngineError(EngineFault::invalid_input, "tool_choice names no tool of the request");
  }
  return R"({"anyOf":[)" + choices + "]}";
}

// The only tool that the choice leaves, for forms that name the tool before its arguments.
EngineResult<const Tool*> only_tool(const Job& job) {
  const Tool* found = nullptr;
  for (const Tool& tool : job.tools) {
    if (job.tool_choice.mode == ToolMode::named && tool.name != job.tool_choice.name) continue;
    if (found != nullptr) {
      return EngineError(EngineFault::unsupported,
                         "this model names the tool before its arguments: name the one that it "
                         "must call in tool_choice, or use auto");
    }
    found = &tool;
  }
  if (found == nullptr) {
    return EngineError(EngineFault::invalid_input, "tool_choice names no tool of the request");
  }
  return found;
}

}  // namespace

EngineResult<std::unique_ptr<PromptBuilder>> PromptBuilder::load(const GgufFile& file) {
  auto tokenizer = Tokenizer::from_gguf(file);
  if (!tokenizer) return tokenizer.error();
  std::unique_ptr<PromptBuilder> out(new PromptBuilder(std::move(*tokenizer)));
  auto chat = ChatTemplate::from_gguf(file, out->vocabulary());
  if (chat) {
    out->template_ = std::move(*chat);
  } else {
    out->no_template_ = chat.error().message();
  }
  // A model without such a token of its own may still write the words; the template tells.
  std::string_view source;
  if (const auto text = file.string_or("tokenizer.chat_template", "")) source = *text;
  out->thinks_ = source.find(kThink) != std::string_view::npos ||
                 source.find("</think>") != std::string_view::npos;
  out->marks_tool_calls_ = source.find("<tool_call>") != std::string_view::npos;
  return out;
}

// How the answer begins where it must be a call, and the format of what follows.
EngineResult<std::vector<TextSegment>> PromptBuilder::call_opening(const Job& job,
                                                                   Prompt& out) const {
  if (harmony()) {
    const auto tool = only_tool(job);
    if (!tool) return tool.error();
    const std::string& parameters = (*tool)->parameters;
    out.format = {Format::json_schema, parameters.empty() ? R"({"type":"object"})" : parameters};
    return std::vector<TextSegment>{{"<|channel|>commentary to=functions.", true},
                                    {(*tool)->name, false},
                                    {" <|constrain|>json<|message|>", true}};
  }
  if (template_->abilities().tools && !marks_tool_calls_) {
    return EngineError(EngineFault::unsupported,
                       "the form of this model's tool calls is its own and cannot be forced: use "
                       "tool_choice auto or none");
  }
  auto schema = call_schema(job);
  if (!schema) return schema.error();
  out.format = {Format::json_schema, std::move(*schema)};
  return std::vector<TextSegment>{{"<tool_call>\n", true}};
}

// Appends what makes the model begin as the job demands, and sets the format of the rest.
EngineResult<void> PromptBuilder::force(const Job& job, std::vector<TextSegment>& segments,
                                        Prompt& out) const {
  std::vector<TextSegment> opening;
  const ToolMode mode = job.tool_choice.mode;
  if (mode == ToolMode::required || mode == ToolMode::named) {
    auto call = call_opening(job, out);
    if (!call) return call.error();
    opening = std::move(*call);
  } else {
    out.format = job.response_format;
    if (out.format.kind != Format::text && harmony()) {
      opening = {{"<|channel|>final<|message|>", true}};
    }
  }
  if (opening.empty()) return {};
  for (const TextSegment& segment : opening) {
    const auto tokens = tokenizer_.encode(segment.text, segment.trusted);
    out.opening.insert(out.opening.end(), tokens.begin(), tokens.end());
  }
  for (TextSegment& segment : opening) segments.push_back(std::move(segment));
  return {};
}

EngineResult<Prompt> PromptBuilder::build(const Job& job, std::int64_t now_seconds) const {
  Prompt out;
  if (job.raw_prompt) {
    const TextSegment segment{*job.raw_prompt, false};
    out.tokens = tokenizer_.encode_prompt({&segment, 1});
    out.format = job.response_format;
    return out;
  }
  if (!template_) return EngineError(EngineFault::unsupported, no_template_);
  ChatPrompt chat;
  chat.messages = job.messages;
  if (job.tool_choice.mode != ToolMode::none) chat.tools = job.tools;
  std::vector<Message> told;
  const bool calls = std::any_of(job.messages.begin(), job.messages.end(), [](const Message& m) {
    return m.role == Role::tool || !m.tool_calls.empty();
  });
  if (!template_->abilities().tools && !harmony() && (calls || !chat.tools.empty())) {
    told = with_tools_in_words(job.messages, chat.tools);
    chat.messages = told;
    chat.tools = {};
  }
  chat.reasoning_effort = job.reasoning_effort;
  chat.now_seconds = now_seconds;
  auto segments = template_->render(chat);
  if (!segments) return segments.error();
  out.begins_thinking = opens_thinking(*segments);
  if (const auto forced = force(job, *segments, out); !forced) return forced.error();
  out.tokens = tokenizer_.encode_prompt(*segments);
  return out;
}

std::unique_ptr<AnswerParser> PromptBuilder::parser(const Job& job, const Prompt& prompt,
                                                    const std::string& call_id_prefix) const {
  if (!job.raw_prompt && harmony()) {
    auto channels = make_harmony_parser(vocabulary(), call_id_prefix);
    open(*channels, prompt);
    return channels;
  }
  MarkupOptions options;
  options.thinks = thinks_ && !job.raw_prompt;
  options.begins_thinking = prompt.begins_thinking;
  options.calls_tools = !job.tools.empty() && job.tool_choice.mode != ToolMode::none;
  options.call_id_prefix = call_id_prefix;
  auto parser = make_markup_parser(options);
  open(*parser, prompt);
  return parser;
}

// The parser must have seen what the prompt already says of the answer.
void PromptBuilder::open(AnswerParser& parser, const Prompt& prompt) const {
  Parts nothing;
  for (const TokenId token : prompt.opening) {
    const bool hidden = vocabulary().is_control(token);
    parser.push(token, hidden ? std::string_view() : vocabulary().bytes(token), nothing);
  }
}

}  // namespace jevons::engine
