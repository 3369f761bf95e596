// The tokens of a model file: their bytes, kinds, and which of them have a meaning of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "local_engine/gguf.h"
#include "local_engine/status.h"

namespace jevons::engine {

using TokenId = std::uint32_t;

// Numbers as in tokenizer.ggml.token_type.
enum class TokenKind : std::uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6,
};

enum class TokenizerModel : std::uint8_t { bpe, spm };

class Vocabulary {
 public:
  // `raw_characters`: token texts are UTF-8 with U+2581 for a space, as in SPM, not byte-encoded.
  static EngineResult<Vocabulary> from_gguf(const GgufFile& file, TokenizerModel model,
                                            bool raw_characters);

  std::size_t size() const { return kinds_.size(); }
  TokenKind kind(TokenId id) const { return kinds_[id]; }
  // What the token stands for in text. Control and unknown tokens: their own name.
  std::string_view bytes(TokenId id) const {
    return {arena_.data() + begins_[id], begins_[id + 1] - begins_[id]};
  }
  // SPM's merge priority; 0 for BPE.
  float score(TokenId id) const { return id < scores_.size() ? scores_[id] : 0.0F; }

  // A token that ordinary text may become: normal, byte, unused, or user-defined without markup.
  // For tokens that stand for a single byte see byte_token.
  std::optional<TokenId> find_text(std::string_view bytes) const;
  // A token with a meaning of its own, by its name: "<|im_start|>". Only trusted text may name it.
  std::optional<TokenId> find_special(std::string_view name) const;
  std::optional<TokenId> byte_token(std::uint8_t byte) const { return byte_tokens_[byte]; }
  // Special: control, unknown, and user-defined tokens written as markup (<tool_call>, [INST]).
  bool is_special(TokenId id) const { return special_[id]; }
  // Never shown: control, unknown and end tokens. Markup such as <think> is shown.
  bool is_control(TokenId id) const {
    return kinds_[id] == TokenKind::control || kinds_[id] == TokenKind::unknown || ends_[id];
  }

  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }
  std::optional<TokenId> unknown() const { return unknown_; }
  // Ends an answer: eos, end of turn, and the names known for that ("<|im_end|>").
  bool is_end(TokenId id) const { return ends_[id]; }
  // Names and ids of the tokens that only trusted text may name.
  const std::unordered_map<std::string_view, TokenId>& specials() const { return specials_; }
  // User-defined tokens without markup, which any text may contain (runs of spaces).
  const std::unordered_map<std::string_view, TokenId>& added() const { return added_; }

 private:
  EngineResult<void> load_tokens(const GgufFile& file, TokenizerModel model, bool raw_characters);
  EngineResult<void> load_ids(const GgufFile& file);
  void index(bool raw_characters);
  void mark_ends();

  std::vector<char> arena_;  // all token bytes; a vector, so that moving keeps views valid
  std::vector<std::uint32_t> begins_;  // size() + 1
  std::vector<TokenKind> kinds_;
  std::vector<float> scores_;
  std::vector<bool> special_;
  std::vector<bool> unreachable_;  // byte-level text outside the alphabet: no merge makes it
  std::vector<bool> ends_;
  std::vector<std::optional<TokenId>> byte_tokens_;     // 256
  std::unordered_map<std::string_view, TokenId> text_;  // views of arena_
  std::unordered_map<std::string_view, TokenId> specials_;
  std::unordered_map<std::string_view, TokenId> added_;
  std::optional<TokenId> bos_;
  std::optional<TokenId> eos_;
  std::optional<TokenId> unknown_;
};

// The bytes that a token text of a byte-level BPE file stands for (GPT-2's printable alphabet);
// characters outside the alphabet stand for themselves.
std::string decode_byte_alphabet(std::string_view text);
std::string encode_byte_alphabet(std::string_view bytes);

}  // namespace jevons::engine
