#include "local_engine/token_trie.h"

#include <algorithm>

namespace jevons::engine {
namespace {

constexpr std::size_t kTokenBytesMax = 4096;  // a longer token is never offered

}  // namespace

TokenTrie::TokenTrie(const Vocabulary& vocabulary)
    : next_same_(vocabulary.size(), kNone), texts_(vocabulary.size()) {
  std::vector<TokenId> order;
  for (TokenId id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.is_end(id)) end_tokens_.push_back(id);
    const std::string_view text = vocabulary.bytes(id);
    if (vocabulary.is_special(id) || text.empty() || text.size() > kTokenBytesMax) continue;
    texts_[id] = text;
    order.push_back(id);
  }
  std::sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    return texts_[a] != texts_[b] ? texts_[a] < texts_[b] : a < b;
  });
  std::vector<std::uint32_t> open;  // the nodes of the token before, one a byte
  std::string_view before;
  const auto close_to = [&](std::size_t depth) {
    for (; open.size() > depth; open.pop_back()) {
      nodes_[open.back()].end = static_cast<std::uint32_t>(nodes_.size());
    }
  };
  for (const TokenId id : order) {
    const std::string_view text = texts_[id];
    const auto [split, unused] =
        std::mismatch(before.begin(), before.end(), text.begin(), text.end());
    close_to(static_cast<std::size_t>(split - before.begin()));
    for (std::size_t depth = open.size(); depth < text.size(); ++depth) {
      open.push_back(static_cast<std::uint32_t>(nodes_.size()));
      nodes_.push_back(
          {static_cast<std::uint8_t>(text[depth]), static_cast<std::uint16_t>(depth), 0, kNone});
    }
    Node& last = nodes_[open.back()];
    next_same_[id] = last.token;
    last.token = id;
    depth_max_ = std::max(depth_max_, text.size());
    before = text;
  }
  close_to(0);
}

}  // namespace jevons::engine
