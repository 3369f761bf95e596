// Byte-pair merging inside one piece of text: the pair of lowest rank first, the leftmost on a tie.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "local_engine/gguf.h"
#include "local_engine/vocabulary.h"

namespace jevons::engine {

class BpeMerger {
 public:
  // Reads tokenizer.ggml.merges. `vocabulary` is used while reading and again in each call; the
  // caller passes the same one.
  static EngineResult<BpeMerger> from_gguf(const GgufFile& file, const Vocabulary& vocabulary,
                                           bool raw_characters);

  struct Scratch {
    struct Symbol {
      std::uint32_t id = 0;  // a token, or above the vocabulary: an intermediate of merges
      std::int32_t previous = -1;
      std::int32_t next = -1;
      std::uint32_t begin = 0;  // bytes of the piece
      std::uint32_t size = 0;   // 0: merged into its left neighbour
    };
    struct Candidate {
      std::uint32_t rank = 0;
      std::uint32_t left = 0;  // index of the left symbol
      std::uint32_t left_id = 0;
      std::uint32_t right_id = 0;
      std::uint32_t merged = 0;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };
  // Appends the tokens of `piece`.
  void merge(const Vocabulary& vocabulary, std::string_view piece, Scratch& scratch,
             std::vector<TokenId>& out) const;

 private:
  struct Merge {
    std::uint32_t rank = 0;
    std::uint32_t merged = 0;
  };
  void start_symbols(const Vocabulary& vocabulary, std::string_view piece, Scratch& scratch) const;
  void consider(Scratch& scratch, std::int32_t left) const;
  void emit(const Vocabulary& vocabulary, std::string_view piece, const Scratch::Symbol& symbol,
            std::vector<TokenId>& out) const;

  bool raw_characters_ = false;
  std::uint32_t vocabulary_size_ = 0;
  std::unordered_map<std::uint64_t, Merge> merges_;               // by left id << 32 | right id
  std::unordered_map<std::string, std::uint32_t> intermediates_;  // texts that are no token
};

}  // namespace jevons::engine
