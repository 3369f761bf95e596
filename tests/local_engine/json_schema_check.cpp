#include "tests/local_engine/json_schema_check.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wpedantic"
#include <valijson/adapters/rapidjson_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#pragma GCC diagnostic pop

namespace jevons::engine::testing {

struct SchemaCheck::State {
  rapidjson::Document document;
  valijson::Schema schema;
};

SchemaCheck::SchemaCheck(const std::string& schema_json) : state_(std::make_unique<State>()) {
  state_->document.Parse(schema_json);
  valijson::SchemaParser parser;
  parser.populateSchema(valijson::adapters::RapidJsonAdapter(state_->document), state_->schema);
}

SchemaCheck::~SchemaCheck() = default;

std::string SchemaCheck::errors(const std::string& text) const {
  rapidjson::Document value;
  value.Parse<rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (value.HasParseError()) return "not JSON";
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(state_->schema, valijson::adapters::RapidJsonAdapter(value), &results)) {
    return "";
  }
  valijson::ValidationResults::Error error;
  results.popError(error);
  return error.description;
}

}  // namespace jevons::engine::testing
