#include "local_engine/prompt.h"

#include <string_view>
#include <utility>

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

EngineResult<Prompt> PromptBuilder::build(const Job& job, std::int64_t now_seconds) const {
  Prompt out;
  if (job.raw_prompt) {
    const TextSegment segment{*job.raw_prompt, false};
    out.tokens = tokenizer_.encode_prompt({&segment, 1});
    return out;
  }
  if (!template_) return EngineError(EngineFault::unsupported, no_template_);
  ChatPrompt chat;
  chat.messages = job.messages;
  if (job.tool_choice.mode != ToolMode::none) chat.tools = job.tools;
  chat.reasoning_effort = job.reasoning_effort;
  chat.now_seconds = now_seconds;
  const auto segments = template_->render(chat);
  if (!segments) return segments.error();
  out.tokens = tokenizer_.encode_prompt(*segments);
  out.begins_thinking = opens_thinking(*segments);
  return out;
}

std::unique_ptr<AnswerParser> PromptBuilder::parser(const Job& job, const Prompt& prompt,
                                                    const std::string& call_id_prefix) const {
  if (!job.raw_prompt && harmony()) return make_harmony_parser(vocabulary(), call_id_prefix);
  MarkupOptions options;
  options.thinks = thinks_ && !job.raw_prompt;
  options.begins_thinking = prompt.begins_thinking;
  options.calls_tools = !job.tools.empty() && job.tool_choice.mode != ToolMode::none;
  options.call_id_prefix = call_id_prefix;
  return make_markup_parser(options);
}

}  // namespace jevons::engine
