// Where a text stands in a grammar: a set of stacks of states, one for each way to read it so far.
// Equal stacks and equal sets get equal numbers, and each step from a set by a byte is computed
// once. Internal to the grammar files.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "local_engine/grammar_automaton.h"

namespace jevons::engine {

class GrammarStacks {
 public:
  using StackId = std::uint32_t;  // 0 is the bottom: nothing below
  using SetId = std::uint32_t;    // 0 is the dead set: no way to go on and none to end

  struct Stack {
    StateId state = 0;  // on top: where we are; below: where to go on after a call
    StackId below = 0;
    std::uint32_t depth = 0;
  };
  struct Set {
    std::vector<StackId> tops;  // stacks whose top state reads bytes
    bool ends = false;          // the text may end here
    std::unique_ptr<std::array<SetId, 256>> next;
    std::array<std::uint64_t, 4> known{};  // which entries of `next` are filled
  };

  explicit GrammarStacks(const Automaton& automaton);

  SetId start();
  // The set of one stack with everything that can be reached without a byte.
  SetId closed(StateId state, StackId below);
  // The stack alone: only the bytes of its top state count.
  SetId only(StateId state, StackId below);
  SetId step(SetId set, std::uint8_t byte) {
    const Set& from = sets_[set];
    if ((from.known[byte / 64] >> (byte % 64) & 1U) != 0) return (*from.next)[byte];
    return compute_step(set, byte);
  }

  const Set& set(SetId id) const { return sets_[id]; }
  const Stack& stack(StackId id) const { return stacks_[id]; }
  std::size_t size() const { return sets_.size(); }

  // Forgets everything but `keep`, and returns its new number.
  SetId compact(SetId keep);

 private:
  struct Building {
    std::vector<StackId> tops;
    std::vector<std::pair<StateId, StackId>> seen;
    bool ends = false;
  };
  StackId stack_of(StateId state, StackId below);
  void close(StateId state, StackId below, Building& building);
  SetId set_of(Building building);
  SetId compute_step(SetId set, std::uint8_t byte);
  StackId copy_stack(const std::vector<Stack>& from, StackId id);

  const Automaton* automaton_;
  std::vector<Stack> stacks_;
  std::vector<Set> sets_;
  std::unordered_map<std::uint64_t, StackId> stack_ids_;
  std::map<std::pair<std::vector<StackId>, bool>, SetId> set_ids_;
};

}  // namespace jevons::engine
