// Reading the fields of a stranger's JSON with errors that say where, what was expected and what
// came. The first problem is kept; reading goes on harmlessly, so that a reader is a plain list of
// fields instead of a ladder of early returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "providers/json.h"
#include "router/error.h"

namespace jevons {

// Where a value stands, e.g. messages[2].content. Only rendered when there is something to say.
class JsonPath {
 public:
  JsonPath() = default;
  JsonPath(const JsonPath& parent, std::string_view key) : parent_(&parent), key_(key) {}
  JsonPath(const JsonPath& parent, std::size_t index) : parent_(&parent), index_(index) {}
  JsonPath(const JsonPath&) = delete;
  JsonPath& operator=(const JsonPath&) = delete;
  std::string text() const;

 private:
  const JsonPath* parent_ = nullptr;  // must outlive this; null: the root
  std::string_view key_;
  std::size_t index_ = 0;
};

class FieldReader {
 public:
  bool ok() const { return !error_; }
  const std::optional<Error>& error() const { return error_; }

  // Keeps the first error only. Returns false, to be returned by the caller.
  bool fail(Error error);
  bool missing(const JsonPath& path, std::string_view remedy);  // "'model' is missing. <remedy>"
  bool wrong(const JsonPath& path, std::string_view expected, JsonView got);
  bool invalid(const JsonPath& path, std::string_view what);      // "'n' <what>"
  bool unsupported(const JsonPath& path, std::string_view what);  // unsupported_parameter

  // Optional fields: absent and null leave `out` as it is and are fine.
  bool string(JsonView value, const JsonPath& path, std::string& out);
  bool boolean(JsonView value, const JsonPath& path, bool& out);
  bool boolean(JsonView value, const JsonPath& path, std::optional<bool>& out);
  bool number(JsonView value, const JsonPath& path, double low, double high,
              std::optional<double>& out);
  bool integer(JsonView value, const JsonPath& path, std::int64_t low, std::int64_t high,
               std::optional<std::int64_t>& out);
  // Canonical text of an object or array that is not interpreted.
  bool object_json(JsonView value, const JsonPath& path, std::string& out);

 private:
  std::optional<Error> error_;
};

}  // namespace jevons
