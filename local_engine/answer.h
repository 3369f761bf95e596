// From sampled tokens to what the client sees: characters, reasoning, tool calls, stop strings, log
// probabilities, in the order they came.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "local_engine/call_form.h"
#include "local_engine/engine.h"
#include "local_engine/sampler.h"
#include "local_engine/stop.h"
#include "local_engine/tokenizer.h"

namespace jevons::engine {

// What a stretch of raw text is to the client.
struct Parts {
  std::string text;
  std::string reasoning;
  std::vector<ToolCallDelta> tool_calls;
};

// Splits a model's raw text into parts. One per answer.
class AnswerParser {
 public:
  AnswerParser() = default;
  AnswerParser(const AnswerParser&) = delete;
  AnswerParser& operator=(const AnswerParser&) = delete;
  virtual ~AnswerParser() = default;
  // `text` is what the token shows, whole characters; control tokens come with none.
  virtual void push(TokenId token, std::string_view text, Parts& out) = 0;
  virtual void finish(Parts& out) = 0;
  virtual bool reasoning() const { return false; }  // the next token belongs to the reasoning
  // Does this token end the answer? `listed`: the vocabulary has it among its end tokens.
  virtual bool ends(TokenId token, bool listed) const {
    (void)token;
    return listed;
  }
};

// <think>...</think> and tool calls in the form that the model was taught.
struct MarkupOptions {
  bool thinks = false;
  bool begins_thinking = false;     // the prompt ended inside <think>
  const CallForm* calls = nullptr;  // null: the job has no use for calls
  // Control tokens that are marks of the form, and what they say.
  std::unordered_map<TokenId, std::string> marks;
  std::string call_id_prefix;
};
std::unique_ptr<AnswerParser> make_markup_parser(const MarkupOptions& options);
// gpt-oss' channels.
std::unique_ptr<AnswerParser> make_harmony_parser(const Vocabulary& vocabulary,
                                                  std::string call_id_prefix);

class Answer {
 public:
  Answer(const Vocabulary& vocabulary, const Sampling& sampling,
         std::unique_ptr<AnswerParser> parser);

  // Adds what the token contributes. Not for tokens that end the answer.
  void push(const Sampled& sampled, Update& out);
  // What was held back. Call once.
  void finish(Update& out);
  bool stopped() const { return stop_.stopped(); }
  bool ends(TokenId token) const { return parser_->ends(token, vocabulary_->is_end(token)); }
  bool called_tools() const { return called_tools_; }
  std::uint32_t reasoning_tokens() const { return reasoning_tokens_; }

 private:
  void deliver(Parts&& parts, Update& out);
  TokenLogprobs describe(const Sampled& sampled) const;

  const Vocabulary* vocabulary_;
  bool logprobs_ = false;
  Detokenizer detokenizer_;
  std::unique_ptr<AnswerParser> parser_;
  StopMatcher stop_;
  std::vector<TokenLogprobs> held_logprobs_;
  bool called_tools_ = false;
  std::uint32_t reasoning_tokens_ = 0;
};

}  // namespace jevons::engine
