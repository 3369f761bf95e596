#include "local_engine/grammar_automaton.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

namespace jevons::engine {
namespace {

constexpr std::uint32_t kNever = std::numeric_limits<std::uint32_t>::max();

EngineError refusal(const std::string& what) { return {EngineFault::invalid_input, what}; }

std::uint32_t plus_one(std::uint32_t depth) { return depth == kNever ? kNever : depth + 1; }

// The least nesting that ends the rule from each state; kNever where nothing does.
void find_depths(Automaton& automaton) {
  for (GrammarNode& node : automaton.nodes) node.depth_needed = node.accepting ? 0 : kNever;
  for (bool changed = true; changed;) {
    changed = false;
    // Backwards, because most edges lead to states with higher numbers.
    for (auto node = automaton.nodes.rbegin(); node != automaton.nodes.rend(); ++node) {
      std::uint32_t best = node->depth_needed;
      for (const GrammarEdge& edge : node->edges) {
        best = std::min(best, automaton.nodes[edge.to].depth_needed);
      }
      for (const GrammarCall& call : node->calls) {
        const StateId start = automaton.starts[call.rule];
        best = std::min(best, std::max(plus_one(automaton.nodes[start].depth_needed),
                                       automaton.nodes[call.back].depth_needed));
      }
      if (best < node->depth_needed) {
        node->depth_needed = best;
        changed = true;
      }
    }
  }
}

// Ways into states that never end are taken away, so that no choice leads into a dead end.
void prune(Automaton& automaton) {
  for (GrammarNode& node : automaton.nodes) {
    std::erase_if(node.edges, [&](const GrammarEdge& edge) {
      return automaton.nodes[edge.to].depth_needed == kNever;
    });
    std::erase_if(node.calls, [&](const GrammarCall& call) {
      return automaton.nodes[call.back].depth_needed == kNever ||
             automaton.nodes[automaton.starts[call.rule]].depth_needed == kNever;
    });
  }
}

// A rule that calls itself first would be expanded without end.
bool calls_itself_first(const Automaton& automaton, RuleId rule, std::vector<int>& colour) {
  if (colour[rule] != 0) return colour[rule] == 1;
  colour[rule] = 1;
  for (const GrammarCall& call : automaton.nodes[automaton.starts[rule]].calls) {
    if (calls_itself_first(automaton, call.rule, colour)) return true;
  }
  colour[rule] = 2;
  return false;
}

}  // namespace

// Subset construction, with a call of each rule as one more symbol beside the bytes.
class Determiniser {
 public:
  using Set = std::vector<NfaNode>;
  // Some tenths of a second. A pattern like "x.{30}y" anywhere in a text has many states, each of
  // which stands for a large set.
  static constexpr std::size_t kWorkMax = 8'000'000;

  Determiniser(const RuleNfa& rule, Automaton& out) : rule_(rule), out_(out) {}

  // False when the automaton, or the work on it, outgrows its limit.
  bool run() {
    out_.starts.push_back(state_of({rule_.whole_.begin}));
    while (!waiting_.empty()) {
      if (out_.nodes.size() > kGrammarNodesMax || work_ > kWorkMax) return false;
      const auto [set, state] = std::move(waiting_.back());
      waiting_.pop_back();
      out_.nodes[state].accepting = std::binary_search(set.begin(), set.end(), rule_.whole_.end);
      add_edges(set, state);
      add_calls(set, state);
    }
    return true;
  }

 private:
  StateId state_of(Set set) {
    close(set);
    const auto next = static_cast<StateId>(out_.nodes.size());
    const auto [entry, added] = states_.try_emplace(std::move(set), next);
    if (added) {
      out_.nodes.emplace_back();
      waiting_.emplace_back(entry->first, next);
    }
    return entry->second;
  }

  void close(Set& set) {
    std::set<NfaNode> seen(set.begin(), set.end());
    for (std::size_t i = 0; i < set.size(); ++i) {
      for (const NfaNode node : rule_.nodes_[set[i]].empties) {
        if (seen.insert(node).second) set.push_back(node);
      }
    }
    set.assign(seen.begin(), seen.end());
    work_ += set.size();
  }

  void add_edges(const Set& set, StateId state) {
    // The byte values at which the set of targets may change.
    std::array<bool, 257> borders{};
    for (const NfaNode node : set) {
      for (const auto& edge : rule_.nodes_[node].edges) {
        borders[edge.first] = borders[edge.last + 1U] = true;
      }
    }
    for (unsigned first = 0; first < 256;) {
      unsigned last = first;
      while (last < 255 && !borders[last + 1]) ++last;
      Set targets;
      work_ += set.size();
      for (const NfaNode node : set) {
        for (const auto& edge : rule_.nodes_[node].edges) {
          if (edge.first <= first && last <= edge.last) targets.push_back(edge.to);
        }
      }
      if (!targets.empty()) {
        const StateId to = state_of(std::move(targets));
        auto& edges = out_.nodes[state].edges;
        const bool extends =
            !edges.empty() && edges.back().to == to && edges.back().last + 1U == first;
        if (extends)
          edges.back().last = static_cast<std::uint8_t>(last);
        else
          edges.push_back({static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last), to});
      }
      first = last + 1;
    }
  }

  void add_calls(const Set& set, StateId state) {
    std::map<RuleId, Set> targets;
    for (const NfaNode node : set) {
      for (const auto& call : rule_.nodes_[node].calls) targets[call.rule].push_back(call.to);
    }
    for (auto& [rule, nodes] : targets) {
      const StateId back = state_of(std::move(nodes));
      out_.nodes[state].calls.push_back({rule, back});
    }
  }

  const RuleNfa& rule_;
  Automaton& out_;
  std::map<Set, StateId> states_;
  std::vector<std::pair<Set, StateId>> waiting_;
  std::size_t work_ = 0;  // members of sets looked at
};

EngineResult<Automaton> determinise(std::span<const RuleNfa> rules, RuleId root,
                                    std::span<const std::string> names) {
  Automaton automaton;
  automaton.root = root;
  for (const RuleNfa& rule : rules) {
    if (!Determiniser(rule, automaton).run()) return refusal("the schema is too large");
  }
  find_depths(automaton);
  const std::uint32_t depth = automaton.nodes[automaton.starts[root]].depth_needed;
  if (depth >= kGrammarDepthMax) {
    return refusal("the schema at '" + names[root] + "' asks for values nested without end");
  }
  prune(automaton);
  std::vector<int> colour(rules.size(), 0);
  for (RuleId rule = 0; rule < rules.size(); ++rule) {
    if (calls_itself_first(automaton, rule, colour)) {
      return refusal("the schema at '" + names[rule] + "' refers to itself and to nothing else");
    }
  }
  return automaton;
}

}  // namespace jevons::engine
