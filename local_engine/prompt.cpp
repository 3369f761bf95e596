#include "local_engine/prompt.h"

#include <utility>

namespace jevons::engine {
namespace {

class TemplatePrompts final : public PromptBuilder {
 public:
  explicit TemplatePrompts(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}

  EngineResult<Prompt> build(const Job& job) const override {
    Prompt out;
    if (job.raw_prompt) {
      const TextSegment segment{*job.raw_prompt, false};
      out.tokens = tokenizer_.encode_prompt({&segment, 1});
      return out;
    }
    std::vector<TextSegment> segments;
    for (const Message& message : job.messages) {
      segments.push_back({"<|im_start|>" + role_name(message.role) + "\n", true});
      for (const TextPart& part : message.parts) segments.push_back({part.text, false});
      segments.push_back({"<|im_end|>\n", true});
    }
    segments.push_back({"<|im_start|>assistant\n", true});
    out.tokens = tokenizer_.encode_prompt(segments);
    return out;
  }

  std::unique_ptr<AnswerParser> parser(const Job& job, const Prompt& prompt,
                                       const std::string& call_id_prefix) const override {
    return make_markup_parser({true, prompt.begins_thinking, !job.tools.empty(), call_id_prefix});
  }
  const Vocabulary& vocabulary() const override { return tokenizer_.vocabulary(); }
  bool has_template() const override {
    return tokenizer_.vocabulary().find_special("<|im_start|>").has_value();
  }

 private:
  static std::string role_name(Role role) {
    switch (role) {
      case Role::system:
      case Role::developer:
        return "system";
      case Role::user:
        return "user";
      case Role::assistant:
        return "assistant";
      case Role::tool:
        return "tool";
    }
    return "user";
  }

  Tokenizer tokenizer_;
};

}  // namespace

EngineResult<std::unique_ptr<PromptBuilder>> PromptBuilder::load(const GgufFile& file) {
  auto tokenizer = Tokenizer::from_gguf(file);
  if (!tokenizer) return tokenizer.error();
  return std::unique_ptr<PromptBuilder>(std::make_unique<TemplatePrompts>(std::move(*tokenizer)));
}

}  // namespace jevons::engine
