// Text to tokens and back, as the model file prescribes. Special tokens are recognised only in text
// that is marked as trusted (a chat template's own words), never in what a user wrote.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "local_engine/bpe.h"
#include "local_engine/pretokenizer.h"
#include "local_engine/spm.h"
#include "local_engine/vocabulary.h"

namespace jevons::engine {

struct TextSegment {
  std::string text;
  bool trusted = false;  // may name special tokens

  bool operator==(const TextSegment&) const = default;
};

// Immutable after loading and safe to use from several threads at once.
class Tokenizer {
 public:
  // Copies what it needs: the file may go away. unsupported for models (bert, t5) and splitters we
  // do not have, invalid_model where the vocabulary contradicts itself.
  static EngineResult<Tokenizer> from_gguf(const GgufFile& file);

  // The tokens of the segments as one text: pieces may span segments, special tokens may not begin
  // or end in an untrusted one. No token is added at either end.
  std::vector<TokenId> encode(std::span<const TextSegment> segments) const;
  std::vector<TokenId> encode(std::string_view text, bool trusted = false) const;
  // The same with the file's beginning-of-text token in front, where it wants one and the segments
  // do not begin with it already.
  std::vector<TokenId> encode_prompt(std::span<const TextSegment> segments) const;

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  TokenizerModel model() const { return model_; }
  bool adds_bos() const { return add_bos_; }
  bool adds_eos() const { return add_eos_; }

  // The bytes of the tokens together. Control tokens are left out unless asked for. The space that
  // SPM puts in front of a text is taken away again.
  std::string decode(std::span<const TokenId> tokens, bool with_control = false) const;

 private:
  struct Scratch;
  class AddedTokens;
  Tokenizer(Vocabulary vocabulary, TokenizerModel model);
  void encode_plain(std::string_view text, Scratch& scratch, std::vector<TokenId>& out) const;
  EngineResult<void> load_flags(const GgufFile& file);

  std::shared_ptr<const Vocabulary> vocabulary_;  // shared by copies; the sets below point into it
  TokenizerModel model_ = TokenizerModel::bpe;
  std::optional<Pretokenizer> pretokenizer_;  // BPE only
  std::optional<BpeMerger> merger_;           // BPE only
  std::shared_ptr<const AddedTokens> specials_;
  std::shared_ptr<const AddedTokens> added_;
  bool add_bos_ = false;
  bool add_eos_ = false;
  bool add_space_prefix_ = false;  // SPM only
};

// Turns tokens into text as they come, holding back bytes until a character is whole.
class Detokenizer {
 public:
  // `vocabulary` outlives the object.
  explicit Detokenizer(const Vocabulary& vocabulary) : vocabulary_(&vocabulary) {}

  // The whole characters this token completes; perhaps none. Control tokens give no text. Bytes
  // that can never become a character turn into U+FFFD.
  std::string push(TokenId token);
  // What is left at the end of the answer: U+FFFD for an unfinished character, else nothing.
  std::string finish();

 private:
  const Vocabulary* vocabulary_;
  std::string held_;
};

}  // namespace jevons::engine
