#include "providers/json_fields.h"

#include <utility>

namespace jevons {

std::string JsonPath::text() const {
  if (parent_ == nullptr) return {};
  std::string text = parent_->text();
  if (key_.data() == nullptr) return text + "[" + std::to_string(index_) + "]";
  if (!text.empty()) text += '.';
  return text.append(key_);
}

namespace {

Error field_error(Fault fault, const JsonPath& path, std::string_view what) {
  std::string name = path.text();
  std::string message = name.empty() ? "The body" : "'" + name + "'";
  message.append(" ").append(what);
  return Error(fault, Origin::client, std::move(message)).with_param(std::move(name));
}

std::string number_text(double value) {
  std::string text;
  JsonWriter(text).number(value);
  return text;
}

}  // namespace

bool FieldReader::fail(Error error) {
  if (!error_) error_ = std::move(error);
  return false;
}

bool FieldReader::missing(const JsonPath& path, std::string_view remedy) {
  return ok() &&
         fail(field_error(Fault::missing_field, path, "is missing. " + std::string(remedy)));
}

bool FieldReader::wrong(const JsonPath& path, std::string_view expected, JsonView got) {
  std::string what = "must be " + std::string(expected) + ", but is ";
  what += json_kind_name(got.kind());
  return ok() && fail(field_error(Fault::invalid_value, path, what + "."));
}

bool FieldReader::invalid(const JsonPath& path, std::string_view what) {
  return ok() && fail(field_error(Fault::invalid_value, path, what));
}

bool FieldReader::unsupported(const JsonPath& path, std::string_view what) {
  return ok() && fail(field_error(Fault::unsupported_parameter, path, what));
}

bool FieldReader::string(JsonView value, const JsonPath& path, std::string& out) {
  if (!value.present()) return true;
  if (!value.is_string()) return wrong(path, "a string", value);
  out = value.text();
  return true;
}

bool FieldReader::boolean(JsonView value, const JsonPath& path, bool& out) {
  if (!value.present()) return true;
  if (!value.is_boolean()) return wrong(path, "true or false", value);
  out = value.boolean();
  return true;
}

bool FieldReader::boolean(JsonView value, const JsonPath& path, std::optional<bool>& out) {
  if (!value.present()) return true;
  bool flag = false;
  if (!boolean(value, path, flag)) return false;
  out = flag;
  return true;
}

bool FieldReader::number(JsonView value, const JsonPath& path, double low, double high,
                         std::optional<double>& out) {
  if (!value.present()) return true;
  const std::optional<double> number = value.number();
  if (!number) return wrong(path, "a number", value);
  if (*number < low || *number > high) {
    return invalid(path, "must lie between " + number_text(low) + " and " + number_text(high) +
                             ", but is " + number_text(*number) + ".");
  }
  out = number;
  return true;
}

bool FieldReader::integer(JsonView value, const JsonPath& path, std::int64_t low, std::int64_t high,
                          std::optional<std::int64_t>& out) {
  if (!value.present()) return true;
  const std::optional<std::int64_t> number = value.integer();
  if (!number && value.is_number()) {
    return invalid(path,
                   "must be an integer, but is " + std::string(value.text().substr(0, 40)) + ".");
  }
  if (!number) return wrong(path, "an integer", value);
  if (*number < low || *number > high) {
    const std::string range =
        high == INT64_MAX ? "be at least " + std::to_string(low)
                          : "lie between " + std::to_string(low) + " and " + std::to_string(high);
    return invalid(path, "must " + range + ", but is " + std::to_string(*number) + ".");
  }
  out = number;
  return true;
}

bool FieldReader::object_json(JsonView value, const JsonPath& path, std::string& out) {
  if (!value.present()) return true;
  if (!value.is_object()) return wrong(path, "an object", value);
  out = value.json();
  return true;
}

}  // namespace jevons
