#include "local_engine/scheduler.h"

#include <algorithm>
#include <utility>

namespace jevons::engine {
namespace {

std::uint32_t blocks_for(std::size_t tokens) {
  return static_cast<std::uint32_t>((tokens + kBlockTokens - 1) / kBlockTokens);
}

}  // namespace

Scheduler::Scheduler(std::uint32_t blocks, const SchedulerLimits& limits)
    : pool_(blocks), limits_(limits) {}

bool Scheduler::fits(std::size_t tokens) const { return blocks_for(tokens + 1) <= pool_.total(); }

void Scheduler::add(SequenceId id, std::vector<Token> tokens, std::string_view salt) {
  Sequence sequence;
  sequence.tokens = std::move(tokens);
  sequence.salt = hash_salt(limits_.secret, salt);
  sequences_.emplace(id, std::move(sequence));
  waiting_.push_back(id);
}

void Scheduler::remove(SequenceId id) {
  const auto found = sequences_.find(id);
  if (found == sequences_.end()) return;
  pool_.release_all(found->second.blocks);
  sequences_.erase(found);
  std::erase(running_, id);
  std::erase(waiting_, id);
}

const PrefixHash& Scheduler::hash_of(Sequence& sequence, std::size_t block) {
  while (sequence.hashes.size() <= block) {
    const std::size_t next = sequence.hashes.size();
    const PrefixHash& before = next == 0 ? sequence.salt : sequence.hashes.back();
    const auto tokens = std::span(sequence.tokens).subspan(next * kBlockTokens, kBlockTokens);
    sequence.hashes.push_back(hash_block(limits_.secret, before, tokens));
  }
  return sequence.hashes[block];
}

void Scheduler::take_cached(Sequence& sequence) {
  if (!limits_.prefix_cache) return;
  // The last token is always computed: somebody must produce its logits.
  const std::size_t most = (sequence.tokens.size() - 1) / kBlockTokens;
  for (std::size_t i = 0; i < most; ++i) {
    const auto block = pool_.find(hash_of(sequence, i));
    if (!block) break;
    sequence.blocks.push_back(*block);
  }
  sequence.computed = static_cast<std::uint32_t>(sequence.blocks.size()) * kBlockTokens;
}

// Takes all blocks of the sequence's tokens, or none.
bool Scheduler::admit(Sequence& sequence) {
  take_cached(sequence);
  const std::uint32_t needed =
      blocks_for(sequence.tokens.size() + 1) - static_cast<std::uint32_t>(sequence.blocks.size());
  // Every running sequence will soon want one more block: leave them that.
  const std::uint32_t reserve = running();
  if (needed + reserve > pool_.available() && !(running_.empty() && needed <= pool_.available())) {
    pool_.release_all(sequence.blocks);
    sequence.blocks.clear();
    sequence.computed = 0;
    return false;
  }
  for (std::uint32_t i = 0; i < needed; ++i) sequence.blocks.push_back(*pool_.take());
  if (!sequence.cached) {
    sequence.cached = sequence.computed;
    prefix_queries_ += sequence.tokens.size();
    prefix_hits_ += sequence.computed;
  }
  return true;
}

void Scheduler::admit_waiting() {
  while (!waiting_.empty() && running() < limits_.slots) {
    const SequenceId id = waiting_.front();
    if (!admit(sequences_.at(id))) return;
    waiting_.pop_front();
    running_.push_back(id);
  }
}

void Scheduler::preempt(SequenceId id) {
  Sequence& sequence = sequences_.at(id);
  pool_.release_all(sequence.blocks);
  sequence.blocks.clear();
  sequence.computed = 0;
  std::erase(running_, id);
  waiting_.push_front(id);
  ++preemptions_;
}

bool Scheduler::make_room(SequenceId id, Sequence& sequence) {
  while (sequence.blocks.size() < blocks_for(sequence.tokens.size())) {
    if (const auto block = pool_.take()) {
      sequence.blocks.push_back(*block);
      continue;
    }
    const SequenceId youngest = running_.back();
    preempt(youngest);
    if (youngest == id) return false;
  }
  return true;
}

std::vector<StepItem> Scheduler::plan() {
  std::vector<StepItem> items;
  std::uint32_t budget = limits_.step_tokens;
  // A copy: preemption changes the list while we walk it.
  const std::vector<SequenceId> decoding = running_;
  for (const SequenceId id : decoding) {
    if (std::find(running_.begin(), running_.end(), id) == running_.end()) continue;
    Sequence& sequence = sequences_.at(id);
    if (sequence.computed + 1 != sequence.tokens.size() || budget == 0) continue;
    if (!make_room(id, sequence)) continue;
    items.push_back({id, sequence.computed, 1, true});
    --budget;
  }
  // A later sequence may have been preempted after its item was made.
  std::erase_if(items, [&](const StepItem& item) {
    return std::find(running_.begin(), running_.end(), item.id) == running_.end();
  });
  admit_waiting();
  budget = std::min(budget, limits_.prefill_chunk);
  for (const SequenceId id : running_) {
    const Sequence& sequence = sequences_.at(id);
    const auto left = static_cast<std::uint32_t>(sequence.tokens.size()) - sequence.computed;
    const bool planned = std::any_of(items.begin(), items.end(),
                                     [&](const StepItem& item) { return item.id == id; });
    if (planned || left == 0 || budget == 0) continue;
    const std::uint32_t count = std::min(left, budget);
    items.push_back({id, sequence.computed, count, count == left});
    budget -= count;
  }
  return items;
}

void Scheduler::commit(std::span<const StepItem> items) {
  for (const StepItem& item : items) {
    Sequence& sequence = sequences_.at(item.id);
    const std::size_t before = sequence.computed / kBlockTokens;
    sequence.computed += item.count;
    if (!limits_.prefix_cache) continue;
    for (std::size_t i = before; i < sequence.computed / kBlockTokens; ++i) {
      pool_.publish(sequence.blocks[i], hash_of(sequence, i));
    }
  }
}

void Scheduler::append(SequenceId id, Token token) { sequences_.at(id).tokens.push_back(token); }

SequenceView Scheduler::view(SequenceId id) const {
  const Sequence& sequence = sequences_.at(id);
  return {sequence.tokens, sequence.blocks, sequence.computed, sequence.cached.value_or(0)};
}

}  // namespace jevons::engine
