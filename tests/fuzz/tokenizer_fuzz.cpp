// Prompts come from clients: any bytes must survive encoding and decoding, in every family of
// splitters, and never become a special token.
#include <cstdlib>

#include "local_engine/tokenizer.h"
#include "local_engine/unicode.h"

using namespace jevons::engine;

namespace {

// All single bytes, some merges, and a special token; one tokenizer for each family.
std::vector<Tokenizer> make_tokenizers() {
  std::vector<Tokenizer> all;
  for (const std::string_view name :
       {"default", "gpt-2", "llama-bpe", "qwen2", "qwen35", "gpt-4o", "tekken", "deepseek-llm",
        "deepseek-coder", "deepseek-v3", "falcon", "bloom", "smollm", "seed-coder"}) {
    std::vector<std::string> tokens = {"<|end|>"};
    std::vector<std::int32_t> kinds = {3};
    for (int byte = 0; byte < 256; ++byte) {
      tokens.push_back(encode_byte_alphabet(std::string(1, static_cast<char>(byte))));
      kinds.push_back(1);
    }
    for (const char* text : {"<|", "|>", "en", "end", "<|end"}) {
      tokens.emplace_back(text);
      kinds.push_back(1);
    }
    GgufWriter writer;
    writer.set_string("tokenizer.ggml.model", "gpt2");
    writer.set_string("tokenizer.ggml.pre", name);
    writer.set_strings("tokenizer.ggml.tokens", tokens);
    writer.set_i32s("tokenizer.ggml.token_type", kinds);
    writer.set_strings("tokenizer.ggml.merges", {"< |", "| >", "e n", "en d", "<| end"});
    const auto bytes = writer.bytes();
    all.push_back(Tokenizer::from_gguf(GgufFile::parse(bytes, "fuzz").value()).value());
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<Tokenizer> tokenizers = make_tokenizers();
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Tokenizer& tokenizer : tokenizers) {
    const std::vector<TokenId> tokens = tokenizer.encode(text);
    for (const TokenId token : tokens) {
      if (tokenizer.vocabulary().is_special(token)) std::abort();
    }
    if (tokenizer.decode(tokens) != text) std::abort();
    Detokenizer stream(tokenizer.vocabulary());
    std::string streamed;
    for (const TokenId token : tokens) streamed += stream.push(token);
    streamed += stream.finish();
    for (std::size_t at = 0; at < streamed.size();) {
      const Utf8Char c = next_utf8(std::string_view(streamed).substr(at));
      if (!c.valid) std::abort();
      at += c.bytes;
    }
  }
  return 0;
}
