#include "local_engine/answer.h"

#include <iterator>
#include <utility>

namespace jevons::engine {

Answer::Answer(const Vocabulary& vocabulary, const Sampling& sampling,
               std::unique_ptr<AnswerParser> parser)
    : vocabulary_(&vocabulary),
      logprobs_(sampling.logprobs),
      detokenizer_(vocabulary),
      parser_(std::move(parser)),
      stop_(sampling.stop) {}

TokenLogprobs Answer::describe(const Sampled& sampled) const {
  TokenLogprobs out;
  out.chosen = {std::string(vocabulary_->bytes(sampled.token)), sampled.logprob};
  for (const auto& [token, logprob] : sampled.top) {
    out.top.push_back({std::string(vocabulary_->bytes(token)), logprob});
  }
  return out;
}

void Answer::push(const Sampled& sampled, Update& out) {
  if (logprobs_) held_logprobs_.push_back(describe(sampled));
  if (parser_->reasoning()) ++reasoning_tokens_;
  Parts parts;
  parser_->push(sampled.token, detokenizer_.push(sampled.token), parts);
  deliver(std::move(parts), out);
}

void Answer::deliver(Parts&& parts, Update& out) {
  out.reasoning += parts.reasoning;
  called_tools_ = called_tools_ || !parts.tool_calls.empty();
  std::move(parts.tool_calls.begin(), parts.tool_calls.end(), std::back_inserter(out.tool_calls));
  if (parts.text.empty()) return;
  const std::string released = stop_.push(parts.text);
  out.text += released;
  // A token's probabilities go with its text; those of a stop string are never shown.
  if (released.empty()) {
    if (stop_.stopped()) held_logprobs_.clear();
    return;
  }
  std::move(held_logprobs_.begin(), held_logprobs_.end(), std::back_inserter(out.logprobs));
  held_logprobs_.clear();
}

void Answer::finish(Update& out) {
  Parts parts;
  if (!stop_.stopped()) {
    // Half a character at the end shows as U+FFFD.
    const std::string rest = detokenizer_.finish();
    if (!rest.empty()) parser_->push(0, rest, parts);
    parser_->finish(parts);
  }
  deliver(std::move(parts), out);
  out.text += stop_.finish();
  std::move(held_logprobs_.begin(), held_logprobs_.end(), std::back_inserter(out.logprobs));
  held_logprobs_.clear();
}

}  // namespace jevons::engine
