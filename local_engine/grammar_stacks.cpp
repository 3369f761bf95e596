#include "local_engine/grammar_stacks.h"

#include <algorithm>

namespace jevons::engine {

GrammarStacks::GrammarStacks(const Automaton& automaton) : automaton_(&automaton) {
  stacks_.emplace_back();
  set_of({});  // the dead set
}

GrammarStacks::StackId GrammarStacks::stack_of(StateId state, StackId below) {
  const std::uint64_t key = (std::uint64_t{state} << 32) | below;
  const auto next = static_cast<StackId>(stacks_.size());
  const auto [entry, added] = stack_ids_.try_emplace(key, next);
  if (added) stacks_.push_back({state, below, below == 0 ? 0 : stacks_[below].depth + 1});
  return entry->second;
}

GrammarStacks::SetId GrammarStacks::set_of(Building building) {
  std::sort(building.tops.begin(), building.tops.end());
  building.tops.erase(std::unique(building.tops.begin(), building.tops.end()), building.tops.end());
  const auto next = static_cast<SetId>(sets_.size());
  const auto [entry, added] =
      set_ids_.try_emplace(std::pair(std::move(building.tops), building.ends), next);
  if (added) {
    Set made;
    made.tops = entry->first.first;
    made.ends = building.ends;
    sets_.push_back(std::move(made));
  }
  return entry->second;
}

// Nesting too deep to be ended within the limit is no way at all. Grammars have no rule that calls
// itself before a byte, so this ends.
void GrammarStacks::close(StateId state, StackId below, Building& building) {
  const std::pair<StateId, StackId> here(state, below);
  if (std::find(building.seen.begin(), building.seen.end(), here) != building.seen.end()) return;
  building.seen.push_back(here);
  const GrammarNode& node = automaton_->nodes[state];
  const std::uint32_t depth = below == 0 ? 0 : stacks_[below].depth + 1;
  if (depth + node.depth_needed > kGrammarDepthMax) return;
  if (!node.edges.empty()) building.tops.push_back(stack_of(state, below));
  if (node.accepting) {
    if (below == 0)
      building.ends = true;
    else
      close(stacks_[below].state, stacks_[below].below, building);
  }
  for (const GrammarCall& call : node.calls) {
    if (depth + automaton_->nodes[call.back].depth_needed > kGrammarDepthMax) continue;
    close(automaton_->starts[call.rule], stack_of(call.back, below), building);
  }
}

GrammarStacks::SetId GrammarStacks::start() {
  return closed(automaton_->starts[automaton_->root], 0);
}

GrammarStacks::SetId GrammarStacks::closed(StateId state, StackId below) {
  Building building;
  close(state, below, building);
  return set_of(std::move(building));
}

GrammarStacks::SetId GrammarStacks::only(StateId state, StackId below) {
  Building building;
  building.tops.push_back(stack_of(state, below));
  return set_of(std::move(building));
}

GrammarStacks::SetId GrammarStacks::compute_step(SetId set, std::uint8_t byte) {
  Building building;
  for (const StackId id : sets_[set].tops) {
    const Stack top = stacks_[id];
    for (const GrammarEdge& edge : automaton_->nodes[top.state].edges) {
      if (edge.first <= byte && byte <= edge.last) close(edge.to, top.below, building);
    }
  }
  const SetId to = set_of(std::move(building));
  Set& from = sets_[set];
  if (from.next == nullptr) from.next = std::make_unique<std::array<SetId, 256>>();
  (*from.next)[byte] = to;
  from.known[byte / 64] |= std::uint64_t{1} << (byte % 64);
  return to;
}

GrammarStacks::StackId GrammarStacks::copy_stack(const std::vector<Stack>& from, StackId id) {
  return id == 0 ? 0 : stack_of(from[id].state, copy_stack(from, from[id].below));
}

GrammarStacks::SetId GrammarStacks::compact(SetId keep) {
  const std::vector<Stack> old = std::move(stacks_);
  const std::vector<StackId> tops = sets_[keep].tops;
  const bool ends = sets_[keep].ends;
  stacks_.assign(1, Stack{});
  sets_.clear();
  stack_ids_.clear();
  set_ids_.clear();
  set_of({});
  Building building;
  building.ends = ends;
  for (const StackId id : tops) building.tops.push_back(copy_stack(old, id));
  return set_of(std::move(building));
}

}  // namespace jevons::engine
