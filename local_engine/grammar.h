// Constrained answers: a JSON schema becomes an automaton, and for each step of sampling the
// automaton tells which tokens may come next.
//
//   schema -> Grammar (automaton, once a schema) -> GrammarTables (what each state does to this
//   vocabulary, shared and filled as needed) -> GrammarState (one answer)
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "local_engine/grammar_automaton.h"
#include "local_engine/grammar_stacks.h"
#include "local_engine/status.h"
#include "local_engine/token_trie.h"
#include "local_engine/vocabulary.h"

namespace jevons::engine {

class Grammar {
 public:
  // Any text the grammar accepts is JSON valid under the schema; properties come in the schema's
  // order. Where the schema leaves a choice, the grammar may offer less than the schema allows (no
  // undeclared properties unless additionalProperties asks for them, whole numbers of at most 15
  // digits), never more. invalid_input names the place and the keyword that we cannot honour.
  static EngineResult<Grammar> from_json_schema(std::string_view schema_json);
  // Any JSON object (response_format json_object).
  static Grammar json_object();

  const Automaton& automaton() const { return *automaton_; }

 private:
  friend class GrammarTables;
  std::shared_ptr<const Automaton> automaton_;
};

// One bit a token, bit i of word i / 64.
class TokenBits {
 public:
  explicit TokenBits(std::size_t tokens = 0) : words_((tokens + 63) / 64) {}
  void set(TokenId token) { words_[token / 64] |= std::uint64_t{1} << (token % 64); }
  bool test(TokenId token) const { return (words_[token / 64] >> (token % 64) & 1U) != 0; }
  void add(const TokenBits& other);
  bool any() const;
  std::span<const std::uint64_t> words() const { return words_; }
  bool operator==(const TokenBits&) const = default;

 private:
  std::vector<std::uint64_t> words_;
};

// What is true of an automaton's states whatever lies below them on the stack. Safe to share
// between answers and threads; keep one for as long as a schema is in use.
class GrammarTables {
 public:
  GrammarTables(Grammar grammar, std::shared_ptr<const TokenTrie> trie);

  struct Table {
    TokenBits whole;                  // tokens that the state and what it calls take entirely
    std::vector<TokenId> few;         // the same tokens where they are few, and `whole` is empty
    std::vector<std::uint32_t> ends;  // trie nodes at which the rule may end, with bytes to come
  };
  const Table& table(StateId state);
  const Automaton& automaton() const { return *automaton_; }
  const TokenTrie& trie() const { return *trie_; }
  // Nesting that must be left below the limit for the tables to be exact.
  std::uint32_t depth_reserve() const { return depth_reserve_; }

 private:
  std::uint32_t depth_reserve_ = 0;
  std::shared_ptr<const Automaton> automaton_;
  std::shared_ptr<const TokenTrie> trie_;
  std::mutex mutex_;
  GrammarStacks stacks_;
  std::vector<std::unique_ptr<Table>> tables_;
};

// One answer being written. Not for several threads.
class GrammarState {
 public:
  explicit GrammarState(std::shared_ptr<GrammarTables> tables);

  // The tokens that may come next; the vocabulary's end tokens among them where the text is
  // complete. Never empty. The reference holds until the next call of accept.
  const TokenBits& allow_mask();
  // False, changing nothing, where the token may not come.
  bool accept(TokenId token);
  // The text so far is valid and may end here.
  bool is_complete() const;
  // An end token was accepted, or nothing but an end can follow.
  bool is_finished() const;
  // Text that must come next, whatever is sampled; empty where there is a choice. At most 4096
  // bytes. Does not change the state: tokenize it and accept those tokens.
  std::string forced_text();

 private:
  void fill_mask(TokenBits& mask);
  void walk(std::uint32_t first, std::uint32_t end, GrammarStacks::SetId start, TokenBits& mask);

  std::shared_ptr<GrammarTables> tables_;
  GrammarStacks stacks_;
  GrammarStacks::SetId now_ = 0;
  bool ended_ = false;
  std::unordered_map<GrammarStacks::SetId, TokenBits> masks_;
  std::vector<GrammarStacks::SetId> path_;  // scratch of walk
};

}  // namespace jevons::engine
