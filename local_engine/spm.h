// SentencePiece-style merging (LLaMA 1 and 2, Phi-3, Mistral v1): over whole characters, the pair
// whose joined token has the highest score first, with byte tokens for what the vocabulary lacks.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "local_engine/vocabulary.h"

namespace jevons::engine {

struct SpmScratch {
  struct Symbol {
    std::int32_t previous = -1;
    std::int32_t next = -1;
    std::uint32_t begin = 0;
    std::uint32_t size = 0;  // 0: merged into its left neighbour
  };
  struct Candidate {
    float score = 0;
    std::uint32_t left = 0;
    std::uint32_t size = 0;  // of the joined text, to notice stale candidates
  };
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

// Appends the tokens of `text`. Spaces are already where the model wants them; vocabulary bytes use
// plain spaces, so none are replaced.
void spm_merge(const Vocabulary& vocabulary, std::string_view text, SpmScratch& scratch,
               std::vector<TokenId>& out);

}  // namespace jevons::engine
