// Which tokens may come next in an answer that must obey a schema.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "local_engine/engine.h"
#include "local_engine/kv_cache.h"
#include "local_engine/vocabulary.h"

namespace jevons::engine {

class Constraint {
 public:
  Constraint() = default;
  Constraint(const Constraint&) = delete;
  Constraint& operator=(const Constraint&) = delete;
  virtual ~Constraint() = default;
  // One bit a token, set where it may come next; tokens that end the answer included. Valid until
  // the next call. At least one bit is set.
  virtual std::span<const std::uint64_t> allowed() = 0;
  virtual void accept(Token token) = 0;
};

// A way in which an answer may go on: with these tokens, then in this format.
struct ForcedStart {
  std::vector<Token> tokens;  // none is the beginning of another start's
  ResponseFormat format;
};

// Makes constraints for one vocabulary and remembers the schemas in use. Any thread.
class ConstraintFactory {
 public:
  static std::unique_ptr<ConstraintFactory> make(const Vocabulary& vocabulary);
  ConstraintFactory() = default;
  ConstraintFactory(const ConstraintFactory&) = delete;
  ConstraintFactory& operator=(const ConstraintFactory&) = delete;
  virtual ~ConstraintFactory() = default;
  // Null for free text. invalid_input names the keyword that we cannot honour.
  virtual EngineResult<std::unique_ptr<Constraint>> constrain(const ResponseFormat& format) = 0;
  // The model chooses one of the starts, of which there are some; their formats are not free text.
  EngineResult<std::unique_ptr<Constraint>> choose(std::vector<ForcedStart> starts);
};

}  // namespace jevons::engine
