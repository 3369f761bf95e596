// An independent opinion on JSON schemas, from valijson: the tests' judge, not used by the engine.
#pragma once

#include <rapidjson/document.h>

#include <memory>
#include <string>

namespace jevons::engine::testing {

class SchemaCheck {
 public:
  explicit SchemaCheck(const std::string& schema_json);
  ~SchemaCheck();
  SchemaCheck(const SchemaCheck&) = delete;
  SchemaCheck& operator=(const SchemaCheck&) = delete;
  // Empty where the text is JSON and valid; else what is wrong with it.
  std::string errors(const std::string& text) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace jevons::engine::testing
