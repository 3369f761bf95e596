#include "local_engine/constraint.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <string>
#include <utility>

#include "local_engine/grammar.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kSchemasKept = 64;

class GrammarConstraint final : public Constraint {
 public:
  explicit GrammarConstraint(std::shared_ptr<GrammarTables> tables) : state_(std::move(tables)) {}
  std::span<const std::uint64_t> allowed() override { return state_.allow_mask().words(); }
  void accept(Token token) override { (void)state_.accept(token); }

 private:
  GrammarState state_;
};

// The tokens of the starts that are still possible, then the format of the one that was taken.
class StartConstraint final : public Constraint {
 public:
  struct Start {
    std::vector<Token> tokens;
    std::unique_ptr<Constraint> rest;
  };
  explicit StartConstraint(std::vector<Start> starts) : starts_(std::move(starts)) {}

  std::span<const std::uint64_t> allowed() override {
    if (taken_) return taken_->allowed();
    bits_.clear();
    for (const Start& start : starts_) {
      const Token token = start.tokens[position_];
      bits_.resize(std::max<std::size_t>(bits_.size(), token / 64 + 1));
      bits_[token / 64] |= std::uint64_t{1} << token % 64;
    }
    bits_.resize(std::max(bits_.size(), starts_.front().rest->allowed().size()));
    return bits_;
  }
  void accept(Token token) override {
    if (taken_) return taken_->accept(token);
    std::erase_if(starts_, [&](const Start& s) { return s.tokens[position_] != token; });
    ++position_;
    for (Start& start : starts_) {
      if (start.tokens.size() == position_) taken_ = std::move(start.rest);
    }
  }

 private:
  std::vector<Start> starts_;
  std::size_t position_ = 0;
  std::unique_ptr<Constraint> taken_;
  std::vector<std::uint64_t> bits_;
};

class GrammarFactory final : public ConstraintFactory {
 public:
  explicit GrammarFactory(const Vocabulary& vocabulary)
      : trie_(std::make_shared<const TokenTrie>(vocabulary)) {}

  EngineResult<std::unique_ptr<Constraint>> constrain(const ResponseFormat& format) override {
    if (format.kind == Format::text) return std::unique_ptr<Constraint>();
    auto tables = tables_of(format);
    if (!tables) return tables.error();
    return std::unique_ptr<Constraint>(std::make_unique<GrammarConstraint>(std::move(*tables)));
  }

 private:
  // The empty key is json_object; no schema is empty.
  EngineResult<std::shared_ptr<GrammarTables>> tables_of(const ResponseFormat& format) {
    const std::string key = format.kind == Format::json_schema ? format.schema : "";
    const std::lock_guard lock(mutex_);
    for (auto at = kept_.begin(); at != kept_.end(); ++at) {
      if (at->first != key) continue;
      kept_.splice(kept_.begin(), kept_, at);
      return kept_.front().second;
    }
    if (format.kind == Format::json_object) return keep(key, Grammar::json_object());
    auto grammar = Grammar::from_json_schema(format.schema);
    if (!grammar) return grammar.error();
    return keep(key, std::move(*grammar));
  }
  std::shared_ptr<GrammarTables> keep(const std::string& key, Grammar grammar) {
    kept_.emplace_front(key, std::make_shared<GrammarTables>(std::move(grammar), trie_));
    if (kept_.size() > kSchemasKept) kept_.pop_back();
    return kept_.front().second;
  }

  std::shared_ptr<const TokenTrie> trie_;
  std::mutex mutex_;
  std::list<std::pair<std::string, std::shared_ptr<GrammarTables>>> kept_;  // last used first
};

}  // namespace

EngineResult<std::unique_ptr<Constraint>> ConstraintFactory::choose(
    std::vector<ForcedStart> starts) {
  std::vector<StartConstraint::Start> ready;
  for (ForcedStart& start : starts) {
    auto rest = constrain(start.format);
    if (!rest) return rest.error();
    ready.push_back({std::move(start.tokens), std::move(*rest)});
  }
  return std::unique_ptr<Constraint>(std::make_unique<StartConstraint>(std::move(ready)));
}

std::unique_ptr<ConstraintFactory> ConstraintFactory::make(const Vocabulary& vocabulary) {
  return std::make_unique<GrammarFactory>(vocabulary);
}

}  // namespace jevons::engine
