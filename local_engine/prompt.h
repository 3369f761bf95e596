// From a job's messages to tokens, by the model file's own chat template, and back: which parser
// reads the answers that this template leads to.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "local_engine/answer.h"
#include "local_engine/call_form.h"
#include "local_engine/chat_template.h"
#include "local_engine/constraint.h"
#include "local_engine/engine.h"
#include "local_engine/gguf.h"
#include "local_engine/tokenizer.h"

namespace jevons::engine {

struct Prompt {
  std::vector<TokenId> tokens;
  bool begins_thinking = false;  // the template opened <think> for the answer
  // The last tokens, which begin the answer for the model: an answer's channel, or a call.
  std::vector<TokenId> opening;
  ResponseFormat format;  // what the rest of the answer must obey
  // Where it may begin in several ways: these, and then `format` is not used.
  std::vector<ForcedStart> starts;
};

// Immutable; several threads may build at once.
class PromptBuilder {
 public:
  // A file without a template serves raw prompts only.
  static EngineResult<std::unique_ptr<PromptBuilder>> load(const GgufFile& file);

  // `now_seconds` since 1970, for templates that write the date. invalid_input: what the template
  // or a tool's schema says is wrong.
  EngineResult<Prompt> build(const Job& job, std::int64_t now_seconds) const;
  // For an answer to that prompt. `call_id_prefix` makes tool call ids unique.
  std::unique_ptr<AnswerParser> parser(const Job& job, const Prompt& prompt,
                                       const std::string& call_id_prefix) const;
  const Tokenizer& tokenizer() const { return tokenizer_; }
  const Vocabulary& vocabulary() const { return tokenizer_.vocabulary(); }
  bool harmony() const { return template_ && template_->abilities().harmony; }

 private:
  EngineResult<std::vector<TextSegment>> call_opening(const Job& job, Prompt& out) const;
  std::vector<TextSegment> named_opening(const std::vector<const Tool*>& tools,
                                         std::string_view before_name, std::string_view after_name,
                                         Prompt& out) const;
  EngineResult<void> force(const Job& job, std::vector<TextSegment>& segments, Prompt& out) const;

  void open(AnswerParser& parser, const Prompt& prompt) const;

  explicit PromptBuilder(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  Tokenizer tokenizer_;
  std::optional<ChatTemplate> template_;
  std::string no_template_;  // why there is none
  bool thinks_ = false;
  bool short_call_ids_ = false;      // the template insists on them
  const CallForm* calls_ = nullptr;  // as the template teaches; null: none that we know
};

}  // namespace jevons::engine
