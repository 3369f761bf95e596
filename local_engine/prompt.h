// From a job's messages to tokens, by the model file's own chat template.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "local_engine/answer.h"
#include "local_engine/engine.h"
#include "local_engine/gguf.h"
#include "local_engine/tokenizer.h"

namespace jevons::engine {

struct Prompt {
  std::vector<TokenId> tokens;
  bool begins_thinking = false;  // the template opened <think> for the answer
};

// Immutable; several threads may build at once.
class PromptBuilder {
 public:
  static EngineResult<std::unique_ptr<PromptBuilder>> load(const GgufFile& file);
  virtual ~PromptBuilder() = default;
  PromptBuilder() = default;
  PromptBuilder(const PromptBuilder&) = delete;
  PromptBuilder& operator=(const PromptBuilder&) = delete;

  virtual EngineResult<Prompt> build(const Job& job) const = 0;
  // For an answer to that prompt. `call_id_prefix` makes tool call ids unique.
  virtual std::unique_ptr<AnswerParser> parser(const Job& job, const Prompt& prompt,
                                               const std::string& call_id_prefix) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
  virtual bool has_template() const = 0;
};

}  // namespace jevons::engine
