// Which block of the KV pool holds which tokens: reference counts, the prefix index and the order
// in which cached blocks are given up. Only bookkeeping: the numbers themselves lie in KvStore.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace jevons::engine {

using Token = std::uint32_t;
using BlockId = std::uint32_t;

inline constexpr std::uint32_t kBlockTokens = 16;

// Names the content of a full block and of all before it. 128 bits keyed by a secret of the
// process: nobody can make two prompts collide, and jobs of another salt never meet.
struct PrefixHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const PrefixHash&, const PrefixHash&) = default;
};

PrefixHash hash_salt(std::uint64_t secret, std::string_view salt);
// Of the block `tokens` (kBlockTokens of them) after `before`.
PrefixHash hash_block(std::uint64_t secret, const PrefixHash& before,
                      std::span<const Token> tokens);

class BlockPool {
 public:
  explicit BlockPool(std::uint32_t blocks);

  std::uint32_t total() const { return static_cast<std::uint32_t>(blocks_.size()); }
  // Blocks that nobody uses: empty, or kept only because a prefix may come again.
  std::uint32_t available() const { return static_cast<std::uint32_t>(unused_.size()); }
  std::uint32_t in_use() const { return total() - available(); }

  // A block of unknown content with one reference, or nothing. Gives up the cached block that has
  // been unused longest.
  std::optional<BlockId> take();
  // The cached block of that content with one more reference.
  std::optional<BlockId> find(const PrefixHash& hash);
  // True where find() would succeed. `unused` tells whether finding it would use up an available
  // one.
  bool contains(const PrefixHash& hash, bool& unused) const;
  // Content is known from now on. If another block has it already this one stays unnamed.
  void publish(BlockId block, const PrefixHash& hash);
  // One reference less. At none the block becomes available, its content still findable.
  void release(BlockId block);
  // Releases a sequence's blocks, last first, so that beginnings stay cached longest.
  void release_all(std::span<const BlockId> blocks);

  std::uint32_t references(BlockId block) const { return blocks_[block].references; }

 private:
  struct HashOf {
    std::size_t operator()(const PrefixHash& h) const { return static_cast<std::size_t>(h.low); }
  };
  struct Block {
    std::uint32_t references = 0;
    std::optional<PrefixHash> hash;
    std::list<BlockId>::iterator place;  // in unused_, while references is 0
  };
  std::vector<Block> blocks_;
  std::list<BlockId> unused_;  // longest unused first
  std::unordered_map<PrefixHash, BlockId, HashOf> index_;
};

}  // namespace jevons::engine
