// The machinery under a grammar: rules written as nondeterministic automata over bytes and calls of
// other rules, then made deterministic. Internal to the grammar files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "local_engine/status.h"

namespace jevons::engine {

inline constexpr std::size_t kUnlimitedCount = SIZE_MAX;  // of items, of characters

using RuleId = std::uint32_t;
using NfaNode = std::uint32_t;

// A piece of an automaton with one way in and one way out.
struct Fragment {
  NfaNode begin = 0;
  NfaNode end = 0;
};

class RuleNfa {
 public:
  NfaNode add_node();
  void add_bytes(NfaNode from, std::uint8_t first, std::uint8_t last, NfaNode to);
  void add_call(NfaNode from, RuleId rule, NfaNode to);
  void add_empty(NfaNode from, NfaNode to);

  Fragment nothing();  // matches the empty text
  Fragment bytes(std::uint8_t first, std::uint8_t last);
  Fragment literal(std::string_view text);
  Fragment call(RuleId rule);
  // One character, UTF-8 encoded, out of code point ranges (surrogates are left out).
  Fragment code_points(std::span<const std::pair<char32_t, char32_t>> ranges);
  Fragment sequence(Fragment first, Fragment second);
  Fragment any_of(std::span<const Fragment> parts);
  Fragment optional(Fragment part);
  Fragment repeated(Fragment part);  // one time or more

  // The rule as a whole is this fragment.
  void finish(Fragment whole) { whole_ = whole; }
  std::size_t size() const { return nodes_.size(); }

 private:
  friend class Determiniser;
  friend class CountedCopy;
  struct Edge {
    std::uint8_t first = 0;
    std::uint8_t last = 0;
    NfaNode to = 0;
  };
  struct Call {
    RuleId rule = 0;
    NfaNode to = 0;
  };
  struct Node {
    std::vector<Edge> edges;
    std::vector<Call> calls;
    std::vector<NfaNode> empties;
  };
  void add_utf8_range(NfaNode from, NfaNode to, char32_t first, char32_t last);

  std::vector<Node> nodes_;
  Fragment whole_;
};

using StateId = std::uint32_t;

struct GrammarEdge {
  std::uint8_t first = 0;
  std::uint8_t last = 0;
  StateId to = 0;
};
struct GrammarCall {
  RuleId rule = 0;
  StateId back = 0;  // where to go on when the called rule has ended
};
struct GrammarNode {
  std::vector<GrammarEdge> edges;  // disjoint, ascending
  std::vector<GrammarCall> calls;
  bool accepting = false;
  std::uint32_t depth_needed = 0;  // nested calls at least needed to end the rule from here
};

// All rules together; states are numbered across rules.
struct Automaton {
  std::vector<GrammarNode> nodes;
  std::vector<StateId> starts;  // of each rule
  RuleId root = 0;
};

inline constexpr std::size_t kGrammarNodesMax = 200'000;
inline constexpr std::uint32_t kGrammarDepthMax = 128;  // nested calls, so also nested JSON

// invalid_input where the rules need more states than allowed, where the root can never be ended,
// or where a rule calls itself before it has read a byte. `names` of rules are for messages.
EngineResult<Automaton> determinise(std::span<const RuleNfa> rules, RuleId root,
                                    std::span<const std::string> names);

}  // namespace jevons::engine
