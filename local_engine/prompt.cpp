#include "local_engine/prompt.h"

#include <algorithm>
#include <span>
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

// Those that the choice leaves.
EngineResult<std::vector<const Tool*>> callable(const Job& job) {
  std::vector<const Tool*> tools;
  for (const Tool& tool : job.tools) {
    if (job.tool_choice.mode == ToolMode::named && tool.name != job.tool_choice.name) continue;
    tools.push_back(&tool);
  }
  if (tools.empty()) {
    return EngineError(EngineFault::invalid_input, "tool_choice names no tool of the request");
  }
  return tools;
}

ResponseFormat arguments_format(const Tool& tool) {
  return {Format::json_schema, tool.parameters.empty() ? R"({"type":"object"})" : tool.parameters};
}

// Clients send back ids of other models too, which some templates do not take.
std::vector<Message> with_short_ids(std::span<const Message> messages) {
  std::vector<Message> out(messages.begin(), messages.end());
  for (Message& message : out) {
    if (!message.tool_call_id.empty()) message.tool_call_id = short_call_id(message.tool_call_id);
    for (ToolCall& call : message.tool_calls) call.id = short_call_id(call.id);
  }
  return out;
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
  out->calls_ = call_form_of(source);
  out->short_call_ids_ = source.find("|length != 9") != std::string_view::npos;
  // Tools that the template does not know are told in words, and in this form.
  if (out->template_ && !out->template_->abilities().tools) out->calls_ = &common_call_form();
  return out;
}

// For forms that name the tool before its arguments: of several tools the model chooses one.
std::vector<TextSegment> PromptBuilder::named_opening(const std::vector<const Tool*>& tools,
                                                      std::string_view before_name,
                                                      std::string_view after_name,
                                                      Prompt& out) const {
  std::vector<TextSegment> opening = {{std::string(before_name), true}};
  if (tools.size() == 1) {
    out.format = arguments_format(*tools.front());
    opening.push_back({tools.front()->name, false});
    opening.push_back({std::string(after_name), true});
    return opening;
  }
  for (const Tool* tool : tools) {
    ForcedStart start{tokenizer_.encode(tool->name, false), arguments_format(*tool)};
    const auto tail = tokenizer_.encode(after_name, true);
    start.tokens.insert(start.tokens.end(), tail.begin(), tail.end());
    out.starts.push_back(std::move(start));
  }
  return opening;
}

// How the answer begins where it must be a call, and the format of what follows.
EngineResult<std::vector<TextSegment>> PromptBuilder::call_opening(const Job& job,
                                                                   Prompt& out) const {
  const auto tools = callable(job);
  if (!tools) return tools.error();
  if (harmony()) {
    return named_opening(*tools, "<|channel|>commentary to=functions.",
                         " <|constrain|>json<|message|>", out);
  }
  if (calls_ == nullptr) {
    return EngineError(EngineFault::unsupported,
                       "the form of this model's tool calls is its own and cannot be forced: use "
                       "tool_choice auto or none");
  }
  if (calls_->shape == CallForm::Shape::named)
    return named_opening(*tools, calls_->opening, calls_->before_arguments, out);
  out.format = {Format::json_schema, forced_calls_schema(*calls_, *tools)};
  if (calls_->opening.empty()) return std::vector<TextSegment>();
  return std::vector<TextSegment>{{std::string(calls_->opening), true}};
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
  // What is forced is the answer, not the reasoning that the template began.
  if (out.begins_thinking && (out.format.kind != Format::text || !out.starts.empty())) {
    opening.insert(opening.begin(), {"\n</think>\n\n", true});
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
  std::vector<Message> told, renamed;
  if (short_call_ids_) {
    renamed = with_short_ids(job.messages);
    chat.messages = renamed;
  }
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
  if (!job.tools.empty() && job.tool_choice.mode != ToolMode::none)
    options.calls = calls_ != nullptr ? calls_ : &common_call_form();
  for (const std::string_view mark : {"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "<|tool_call|>"}) {
    const auto token = vocabulary().find_special(mark);
    if (options.calls && token && vocabulary().is_control(*token))
      options.marks.emplace(*token, mark);
  }
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
