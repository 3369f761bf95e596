// The vocabulary's tokens by their bytes, flat and in depth-first order: walking it is a loop over
// arrays, and leaving out a subtree is one assignment.
#pragma once

#include <cstdint>
#include <vector>

#include "local_engine/vocabulary.h"

namespace jevons::engine {

class TokenTrie {
 public:
  static constexpr TokenId kNone = UINT32_MAX;

  // Leaves out special tokens and tokens without text.
  explicit TokenTrie(const Vocabulary& vocabulary);

  struct Node {
    std::uint8_t byte = 0;
    std::uint16_t depth = 0;  // bytes before this one
    std::uint32_t end = 0;    // the first node that is not below this one
    TokenId token = kNone;    // that ends here; more of the same bytes follow by next_same
  };
  const std::vector<Node>& nodes() const { return nodes_; }
  TokenId next_same(TokenId token) const { return next_same_[token]; }
  std::size_t vocabulary_size() const { return next_same_.size(); }
  std::size_t depth_max() const { return depth_max_; }
  const std::vector<TokenId>& end_tokens() const { return end_tokens_; }
  // The bytes of any token that is in the trie; empty for others.
  std::string_view bytes(TokenId token) const { return texts_[token]; }

 private:
  std::vector<Node> nodes_;
  std::vector<TokenId> next_same_;
  std::vector<TokenId> end_tokens_;
  std::vector<std::string> texts_;
  std::size_t depth_max_ = 0;
};

}  // namespace jevons::engine
