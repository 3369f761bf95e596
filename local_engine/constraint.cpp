#include "local_engine/constraint.h"

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

std::unique_ptr<ConstraintFactory> ConstraintFactory::make(const Vocabulary& vocabulary) {
  return std::make_unique<GrammarFactory>(vocabulary);
}

}  // namespace jevons::engine
