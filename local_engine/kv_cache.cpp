#include "local_engine/kv_cache.h"

namespace jevons::engine {
namespace {

// Multiply-fold (the core of wyhash): both halves of the product depend on all input bits.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{a} * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

constexpr std::uint64_t kOdd[4] = {0xa0761d6478bd642fULL, 0xe7037ed1a0b428dbULL,
                                   0x8ebc6af09c88c6e3ULL, 0x589965cc75374cc3ULL};

void absorb(PrefixHash& state, std::uint64_t secret, std::uint64_t word) {
  state.low = fold(state.low ^ word ^ kOdd[0], secret ^ kOdd[1]) + state.high;
  state.high = fold(state.high ^ word ^ kOdd[2], (secret << 32U | secret >> 32U) ^ kOdd[3]) +
               (state.low << 1U | 1U);
}

}  // namespace

PrefixHash hash_salt(std::uint64_t secret, std::string_view salt) {
  PrefixHash state = {secret, ~secret};
  for (const char c : salt) absorb(state, secret, static_cast<unsigned char>(c));
  absorb(state, secret, 0x100 + salt.size());
  return state;
}

PrefixHash hash_block(std::uint64_t secret, const PrefixHash& before,
                      std::span<const Token> tokens) {
  PrefixHash state = before;
  for (const Token token : tokens) absorb(state, secret, token);
  absorb(state, secret, ~std::uint64_t{0});
  return state;
}

BlockPool::BlockPool(std::uint32_t blocks) : blocks_(blocks) {
  for (BlockId id = 0; id < blocks; ++id) blocks_[id].place = unused_.insert(unused_.end(), id);
}

std::optional<BlockId> BlockPool::take() {
  if (unused_.empty()) return std::nullopt;
  const BlockId id = unused_.front();
  unused_.pop_front();
  Block& block = blocks_[id];
  if (block.hash) index_.erase(*block.hash);
  block.hash.reset();
  block.references = 1;
  return id;
}

std::optional<BlockId> BlockPool::find(const PrefixHash& hash) {
  const auto found = index_.find(hash);
  if (found == index_.end()) return std::nullopt;
  Block& block = blocks_[found->second];
  if (block.references == 0) unused_.erase(block.place);
  ++block.references;
  return found->second;
}

bool BlockPool::contains(const PrefixHash& hash, bool& unused) const {
  const auto found = index_.find(hash);
  if (found == index_.end()) return false;
  unused = blocks_[found->second].references == 0;
  return true;
}

void BlockPool::publish(BlockId id, const PrefixHash& hash) {
  Block& block = blocks_[id];
  if (block.hash) return;
  if (index_.emplace(hash, id).second) block.hash = hash;
}

void BlockPool::release(BlockId id) {
  Block& block = blocks_[id];
  if (--block.references > 0) return;
  // An unnamed block is of no use to anyone: it goes first.
  const auto at = block.hash ? unused_.end() : unused_.begin();
  block.place = unused_.insert(at, id);
}

void BlockPool::release_all(std::span<const BlockId> blocks) {
  for (std::size_t i = blocks.size(); i > 0; --i) release(blocks[i - 1]);
}

}  // namespace jevons::engine
