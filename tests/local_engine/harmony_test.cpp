#include "local_engine/harmony.h"

#include <doctest/doctest.h>

#include "local_engine/tokenizer.h"

using namespace jevons::engine;

namespace {

const std::vector<std::string> kControls = {"<|start|>",     "<|channel|>", "<|message|>",
                                            "<|constrain|>", "<|end|>",     "<|call|>",
                                            "<|return|>"};

// A vocabulary of the Harmony tokens and all single bytes.
GgufWriter harmony_model() {
  std::vector<std::string> tokens = kControls;
  std::vector<std::int32_t> kinds(tokens.size(), 3);
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(encode_byte_alphabet(std::string(1, static_cast<char>(byte))));
    kinds.push_back(1);
  }
  GgufWriter writer;
  writer.set_string("tokenizer.ggml.model", "gpt2");
  writer.set_string("tokenizer.ggml.pre", "gpt-4o");
  writer.set_strings("tokenizer.ggml.tokens", tokens);
  writer.set_i32s("tokenizer.ggml.token_type", kinds);
  writer.set_strings("tokenizer.ggml.merges", {});
  return writer;
}

struct Answer {
  std::string text, reasoning, calls;
  bool ended = false;
};

Answer parse(const std::string& transcript) {
  const auto bytes = harmony_model().bytes();
  const GgufFile file = GgufFile::parse(bytes, "h.gguf").value();
  const Tokenizer tokenizer = Tokenizer::from_gguf(file).value();
  REQUIRE(HarmonyParser::recognises(tokenizer.vocabulary()));
  HarmonyParser parser(tokenizer.vocabulary());
  Detokenizer detokenizer(tokenizer.vocabulary());
  Answer answer;
  for (const TokenId token : tokenizer.encode(transcript, true)) {
    const HarmonyDelta delta = parser.push(token, detokenizer.push(token));
    answer.text += delta.text;
    answer.reasoning += delta.reasoning;
    if (!delta.call_name.empty()) answer.calls += delta.call_name + "(";
    answer.calls += delta.arguments;
    if (delta.call_ended) answer.calls += ")";
    answer.ended |= delta.answer_ended;
  }
  return answer;
}

}  // namespace

TEST_CASE("channels become reasoning, text and calls") {
  struct {
    std::string when, transcript, text, reasoning, calls;
    bool ended;
  } rows[] = {
      {"analysis then final",
       "<|channel|>analysis<|message|>Think \xc3\xa9.<|end|><|start|>assistant<|channel|>final"
       "<|message|>Hi!<|return|>",
       "Hi!", "Think \xc3\xa9.", "", true},
      {"a call, recipient behind the channel",
       "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"c\":1}"
       "<|call|>",
       "", "", "get_weather({\"c\":1})", true},
      {"a call, recipient behind the role",
       " to=functions.f<|channel|>commentary<|message|>{}<|call|>", "", "", "f({})", true},
      {"a preamble is part of the answer",
       "<|channel|>commentary<|message|>I will look.<|end|><|start|>assistant<|channel|>final"
       "<|message|>Done<|return|>",
       "I will look.Done", "", "", true},
      {"no channel at all", "<|message|>plain<|end|>", "plain", "", "", false},
      {"cut off in the middle", "<|channel|>analysis<|message|>hm", "", "hm", "", false},
      {"words between messages are not lost",
       "<|channel|>final<|message|>a<|end|>b<|start|>assistant<|channel|>final<|message|>c"
       "<|return|>",
       "abc", "", "", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Answer answer = parse(row.transcript);
    CHECK(answer.text == row.text);
    CHECK(answer.reasoning == row.reasoning);
    CHECK(answer.calls == row.calls);
    CHECK(answer.ended == row.ended);
  }
}
