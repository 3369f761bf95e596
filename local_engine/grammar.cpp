#include "local_engine/grammar.h"

#include <algorithm>
#include <optional>

#include "local_engine/grammar_schema.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kFewTokens = 256;
constexpr std::uint32_t kDepthOfOneToken = 32;  // no token opens more brackets than that
constexpr std::size_t kSetsMax = 20'000;        // of one answer, before forgetting
constexpr std::size_t kMasksMax = 512;          // likewise
constexpr std::size_t kForcedBytesMax = 4096;

// Walks nodes [first, end) of a trie, whose parents left the grammar in `start`. `visit` is told
// each node that can be reached, with the set behind it.
template <class Visit>
void walk_trie(const TokenTrie& trie, GrammarStacks& stacks, std::uint32_t first, std::uint32_t end,
               GrammarStacks::SetId start, std::vector<GrammarStacks::SetId>& path, Visit visit) {
  const auto& nodes = trie.nodes();
  path.resize(trie.depth_max() + 1);
  if (first < end) path[nodes[first].depth] = start;
  for (std::uint32_t i = first; i < end;) {
    const TokenTrie::Node& node = nodes[i];
    const GrammarStacks::SetId to = stacks.step(path[node.depth], node.byte);
    if (to == 0) {
      i = node.end;
      continue;
    }
    path[node.depth + 1U] = to;
    visit(i, to);
    ++i;
  }
}

}  // namespace

EngineResult<Grammar> Grammar::from_json_schema(std::string_view schema_json) {
  const auto rules = rules_of_schema(schema_json);
  if (!rules) return rules.error();
  auto automaton = determinise(rules->rules, rules->root, rules->names);
  if (!automaton) return automaton.error();
  Grammar grammar;
  grammar.automaton_ = std::make_shared<const Automaton>(std::move(*automaton));
  return grammar;
}

Grammar Grammar::json_object() {
  const SchemaRules rules = rules_of_any_object();
  Grammar grammar;
  grammar.automaton_ =
      std::make_shared<const Automaton>(determinise(rules.rules, rules.root, rules.names).value());
  return grammar;
}

void TokenBits::add(const TokenBits& other) {
  for (std::size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
}

bool TokenBits::any() const {
  return std::any_of(words_.begin(), words_.end(), [](std::uint64_t word) { return word != 0; });
}

GrammarTables::GrammarTables(Grammar grammar, std::shared_ptr<const TokenTrie> trie)
    : automaton_(std::move(grammar.automaton_)),
      trie_(std::move(trie)),
      stacks_(*automaton_),
      tables_(automaton_->nodes.size()) {
  for (const GrammarNode& node : automaton_->nodes) {
    if (node.depth_needed <= kGrammarDepthMax) {
      depth_reserve_ = std::max(depth_reserve_, node.depth_needed);
    }
  }
  depth_reserve_ += kDepthOfOneToken;
}

const GrammarTables::Table& GrammarTables::table(StateId state) {
  const std::lock_guard lock(mutex_);
  if (tables_[state] != nullptr) return *tables_[state];
  auto made = std::make_unique<Table>();
  std::vector<GrammarStacks::SetId> path;
  std::vector<TokenId> tokens;
  const auto count = static_cast<std::uint32_t>(trie_->nodes().size());
  if (stacks_.size() > kSetsMax) stacks_.compact(0);
  const auto start = stacks_.only(state, 0);
  walk_trie(*trie_, stacks_, 0, count, start, path, [&](std::uint32_t i, GrammarStacks::SetId to) {
    const TokenTrie::Node& node = trie_->nodes()[i];
    for (TokenId token = node.token; token != TokenTrie::kNone; token = trie_->next_same(token)) {
      tokens.push_back(token);
    }
    if (stacks_.set(to).ends && node.end > i + 1) made->ends.push_back(i);
  });
  if (tokens.size() <= kFewTokens) {
    made->few = std::move(tokens);
  } else {
    made->whole = TokenBits(trie_->vocabulary_size());
    for (const TokenId token : tokens) made->whole.set(token);
  }
  tables_[state] = std::move(made);
  return *tables_[state];
}

GrammarState::GrammarState(std::shared_ptr<GrammarTables> tables)
    : tables_(std::move(tables)), stacks_(tables_->automaton()), now_(stacks_.start()) {}

void GrammarState::walk(std::uint32_t first, std::uint32_t end, GrammarStacks::SetId start,
                        TokenBits& mask) {
  const TokenTrie& trie = tables_->trie();
  walk_trie(trie, stacks_, first, end, start, path_, [&](std::uint32_t i, GrammarStacks::SetId) {
    TokenId token = trie.nodes()[i].token;
    for (; token != TokenTrie::kNone; token = trie.next_same(token)) mask.set(token);
  });
}

void GrammarState::fill_mask(TokenBits& mask) {
  const TokenTrie& trie = tables_->trie();
  const std::vector<GrammarStacks::StackId> tops = stacks_.set(now_).tops;
  for (const GrammarStacks::StackId id : tops) {
    const GrammarStacks::Stack top = stacks_.stack(id);
    // Tables do not know how deep they are used: near the limit the walk is done in full.
    if (top.depth + tables_->depth_reserve() > kGrammarDepthMax) {
      walk(0, static_cast<std::uint32_t>(trie.nodes().size()), stacks_.only(top.state, top.below),
           mask);
      continue;
    }
    const GrammarTables::Table& table = tables_->table(top.state);
    mask.add(table.whole);
    for (const TokenId token : table.few) mask.set(token);
    if (top.below == 0 || table.ends.empty()) continue;
    const GrammarStacks::Stack back = stacks_.stack(top.below);
    const GrammarStacks::SetId after = stacks_.closed(back.state, back.below);
    for (const std::uint32_t node : table.ends) walk(node + 1, trie.nodes()[node].end, after, mask);
  }
}

const TokenBits& GrammarState::allow_mask() {
  if (const auto found = masks_.find(now_); found != masks_.end()) return found->second;
  if (masks_.size() >= kMasksMax) masks_.clear();
  TokenBits mask(tables_->trie().vocabulary_size());
  if (!ended_) fill_mask(mask);
  if (is_complete()) {
    for (const TokenId token : tables_->trie().end_tokens()) mask.set(token);
  }
  return masks_.emplace(now_, std::move(mask)).first->second;
}

bool GrammarState::accept(TokenId token) {
  const TokenTrie& trie = tables_->trie();
  if (ended_ || token >= trie.vocabulary_size()) return false;
  const auto& ends = trie.end_tokens();
  if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
    ended_ = is_complete();
    return ended_;
  }
  const std::string_view bytes = trie.bytes(token);
  GrammarStacks::SetId set = now_;
  for (const char c : bytes) set = stacks_.step(set, static_cast<std::uint8_t>(c));
  if (bytes.empty() || set == 0) return false;
  now_ = set;
  if (stacks_.size() > kSetsMax) {
    now_ = stacks_.compact(now_);
    masks_.clear();
  }
  return true;
}

bool GrammarState::is_complete() const { return stacks_.set(now_).ends; }

bool GrammarState::is_finished() const {
  return ended_ || (is_complete() && stacks_.set(now_).tops.empty());
}

std::string GrammarState::forced_text() {
  std::string text;
  GrammarStacks::SetId set = now_;
  while (!ended_ && !stacks_.set(set).ends && text.size() < kForcedBytesMax) {
    std::optional<std::uint8_t> only;
    bool choice = false;
    for (const GrammarStacks::StackId id : stacks_.set(set).tops) {
      for (const GrammarEdge& edge : tables_->automaton().nodes[stacks_.stack(id).state].edges) {
        choice |= edge.first != edge.last || (only && *only != edge.first);
        only = edge.first;
      }
    }
    if (choice || !only) break;
    text += static_cast<char>(*only);
    set = stacks_.step(set, *only);
  }
  return text;
}

}  // namespace jevons::engine
