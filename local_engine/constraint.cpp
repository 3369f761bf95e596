#include "local_engine/constraint.h"

namespace jevons::engine {
namespace {

class NoConstraints final : public ConstraintFactory {
 public:
  EngineResult<std::unique_ptr<Constraint>> constrain(const ResponseFormat& format) override {
    if (format.kind == Format::text) return std::unique_ptr<Constraint>();
    return EngineError(EngineFault::unsupported,
                       "the local engine cannot hold answers to a JSON schema");
  }
};

}  // namespace

std::unique_ptr<ConstraintFactory> ConstraintFactory::make(const Vocabulary&) {
  return std::make_unique<NoConstraints>();
}

}  // namespace jevons::engine
