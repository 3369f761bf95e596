// Cutting text into the pieces inside which BPE merges: the published regular expressions of each
// tokenizer family, by the name a model file gives in tokenizer.ggml.pre.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "local_engine/pattern.h"
#include "local_engine/status.h"

namespace jevons::engine {

struct PretokenizerFamily;

class Pretokenizer {
 public:
  // unsupported for a name we do not know: a wrong splitter would give a subtly worse model.
  static EngineResult<Pretokenizer> named(std::string_view name);
  // Every name `named` accepts.
  static std::vector<std::string_view> names();

  // A whole piece that is itself a token is taken before any merge.
  bool ignore_merges() const { return ignore_merges_; }
  // The default of tokenizer.ggml.add_bos_token for this family.
  bool add_bos() const { return add_bos_; }
  // Merges run over characters of the text itself, with U+2581 for spaces and <0xXX> tokens for
  // what the vocabulary lacks, instead of over bytes (Gemma 4).
  bool raw_characters() const { return raw_characters_; }

  // Scratch that grows to the longest text seen; one per thread.
  struct Scratch {
    std::vector<char32_t> code_points;
    std::vector<std::uint32_t> offsets;  // bytes before each code point, and the total
    std::vector<std::uint32_t> cuts;     // piece ends in code points
    std::vector<std::uint32_t> next_cuts;
    std::vector<Pattern::Choice> stack;
  };
  // Appends the end of each piece, in bytes, to `ends`. Pieces cover the text without gaps. Bytes
  // that are not UTF-8 count as one symbol each. The text is below 4 GiB.
  void split(std::string_view text, Scratch& scratch, std::vector<std::uint32_t>& ends) const;

 private:
  Pretokenizer() = default;
  std::shared_ptr<const std::vector<Pattern>> patterns_;
  bool ignore_merges_ = false;
  bool add_bos_ = false;
  bool raw_characters_ = false;
};

}  // namespace jevons::engine
