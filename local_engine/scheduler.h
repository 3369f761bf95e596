// What the next step computes: which sequences, which of their tokens, in which KV blocks.
// Sans-I/O: no clock, no thread, no tensor, so that a test can drive it through a million random
// steps.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "local_engine/kv_cache.h"

namespace jevons::engine {

using SequenceId = std::uint64_t;

struct SchedulerLimits {
  std::uint32_t slots = 8;
  std::uint32_t step_tokens = 512;    // at least slots
  std::uint32_t prefill_chunk = 512;  // prompt tokens of one step
  bool prefix_cache = true;
  std::uint64_t secret = 0;  // of the prefix hashes
};

struct StepItem {
  SequenceId id = 0;
  std::uint32_t first = 0;  // positions [first, first + count)
  std::uint32_t count = 0;
  bool samples = false;  // the last of them is the sequence's last token: its logits are wanted
};

struct SequenceView {
  std::span<const Token> tokens;
  std::span<const BlockId> blocks;
  std::uint32_t computed = 0;
  std::uint32_t cached = 0;  // prompt tokens found in the prefix cache at the first admission
};

class Scheduler {
 public:
  Scheduler(std::uint32_t blocks, const SchedulerLimits& limits);

  // Joins the queue. The tokens and one more must fit into all blocks together (fits()).
  void add(SequenceId id, std::vector<Token> tokens, std::string_view salt);
  bool fits(std::size_t tokens) const;
  // Releases its blocks, wherever the sequence is; unknown ids are ignored.
  void remove(SequenceId id);

  // Decode first, then prompts in order of arrival. Admits, and as last resort takes the blocks of
  // the youngest sequence back (it will be computed again). Empty when there is nothing to do.
  std::vector<StepItem> plan();
  // The step of that plan is computed.
  void commit(std::span<const StepItem> items);
  // The token sampled for a sequence whose item had `samples`.
  void append(SequenceId id, Token token);

  SequenceView view(SequenceId id) const;
  std::uint32_t running() const { return static_cast<std::uint32_t>(running_.size()); }
  std::uint32_t waiting() const { return static_cast<std::uint32_t>(waiting_.size()); }
  std::uint64_t preemptions() const { return preemptions_; }
  std::uint64_t prefix_queries() const { return prefix_queries_; }  // tokens
  std::uint64_t prefix_hits() const { return prefix_hits_; }
  const BlockPool& pool() const { return pool_; }

 private:
  struct Sequence {
    std::vector<Token> tokens;
    std::vector<BlockId> blocks;
    std::vector<PrefixHash> hashes;  // of the full blocks known so far
    PrefixHash salt;
    std::uint32_t computed = 0;
    std::optional<std::uint32_t> cached;
  };

  bool admit(Sequence& sequence);
  void admit_waiting();
  void take_cached(Sequence& sequence);
  // A block for the sequence's next position, at others' expense if need be. False if the sequence
  // itself had to give way.
  bool make_room(SequenceId id, Sequence& sequence);
  void preempt(SequenceId id);
  const PrefixHash& hash_of(Sequence& sequence, std::size_t block);

  BlockPool pool_;
  SchedulerLimits limits_;
  std::unordered_map<SequenceId, Sequence> sequences_;
  std::vector<SequenceId> running_;  // oldest admission first
  std::deque<SequenceId> waiting_;
  std::uint64_t preemptions_ = 0;
  std::uint64_t prefix_queries_ = 0;
  std::uint64_t prefix_hits_ = 0;
};

}  // namespace jevons::engine
