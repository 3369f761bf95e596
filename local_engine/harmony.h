// gpt-oss answers in Harmony: messages in channels, each
//   <|start|>ROLE[ to=RECIPIENT]<|channel|>CHANNEL[ to=RECIPIENT][
//   <|constrain|>TYPE]<|message|>TEXT
// ended by <|end|>, <|call|> or <|return|>. The prompt ends with <|start|>assistant, so an answer
// begins in a header. Source: openai/harmony, docs/format.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "local_engine/vocabulary.h"

namespace jevons::engine {

// One token's contribution to an answer.
struct HarmonyDelta {
  std::string text;       // for the client (final channel)
  std::string reasoning;  // analysis channel
  std::string call_name;  // with the first delta of a tool call: the function's name
  std::string arguments;  // of the call that is open
  bool call_ended = false;
  bool answer_ended = false;  // <|return|> or <|call|>: nothing more is to be sampled
};

// Fed token by token. Text in the analysis channel is reasoning; in the final channel, and
// commentary without a recipient (a preamble), it is the answer; commentary with a recipient
// "functions.NAME" is the arguments of a call. What does not fit the format becomes answer text
// rather than being lost.
class HarmonyParser {
 public:
  // `vocabulary` outlives the parser. False from recognises() where it lacks the special tokens.
  explicit HarmonyParser(const Vocabulary& vocabulary);
  static bool recognises(const Vocabulary& vocabulary);

  // `text` is what the Detokenizer gave for this token: whole characters, empty for control tokens.
  HarmonyDelta push(TokenId token, std::string_view text);

  bool in_reasoning() const { return state_ == State::body && kind_ == Kind::reasoning; }

 private:
  enum class State : std::uint8_t { header, body, between };
  enum class Kind : std::uint8_t { answer, reasoning, call };
  void open_body(HarmonyDelta& delta);

  std::optional<TokenId> start_, channel_, message_, constrain_, end_, call_, return_;
  State state_ = State::header;
  Kind kind_ = Kind::answer;
  std::string header_;  // text of the open header; "\n" stands for <|channel|>
};

}  // namespace jevons::engine
