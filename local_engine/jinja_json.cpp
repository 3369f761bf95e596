#include "local_engine/jinja_json.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

namespace jevons::engine {
namespace {

constexpr int kDepthMax = 100;

Value convert(const rapidjson::Value& json, int depth) {
  if (depth > kDepthMax) throw JinjaError("JSON is nested more than 100 deep");
  if (json.IsNull()) return Value::None{};
  if (json.IsBool()) return json.GetBool();
  if (json.IsInt64()) return std::int64_t{json.GetInt64()};
  if (json.IsNumber()) return json.GetDouble();
  const auto text = [](const rapidjson::Value& string) {
    return Value::user_text({string.GetString(), string.GetStringLength()});
  };
  if (json.IsString()) return text(json);
  if (json.IsArray()) {
    std::vector<Value> items;
    for (const auto& item : json.GetArray()) items.push_back(convert(item, depth + 1));
    return Value::list(std::move(items));
  }
  const Value made = Value::dict();
  for (const auto& member : json.GetObject()) {
    made.as_dict().set(text(member.name), convert(member.value, depth + 1));
  }
  return made;
}

}  // namespace

EngineResult<Value> value_from_json(std::string_view json) {
  rapidjson::Document document;
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseFullPrecisionFlag |
                             rapidjson::kParseValidateEncodingFlag;
  document.Parse<flags>(json.data(), json.size());
  if (document.HasParseError()) {
    return EngineError(
        EngineFault::invalid_input,
        "not JSON: " + std::string(rapidjson::GetParseError_En(document.GetParseError())) +
            " (at byte " + std::to_string(document.GetErrorOffset()) + ")");
  }
  try {
    return convert(document, 0);
  } catch (const JinjaError& error) {
    return EngineError(EngineFault::invalid_input, error.what());
  }
}

}  // namespace jevons::engine
