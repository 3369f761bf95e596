// JSON as strangers send it: parsed strictly into a compact tree, read through JsonView, written
// again through JsonWriter. Raw bytes are never forwarded, so that two parsers cannot read the same
// body differently (reliability.md N9).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/utf8.h"
#include "router/error.h"

namespace jevons {

enum class JsonKind : std::uint8_t { absent, null, boolean, number, string, array, object };
std::string_view json_kind_name(JsonKind kind);  // "a string", "an object", ... for messages

class JsonDocument;

// A value of a JsonDocument; valid while the document lives and until it parses again. The default
// view, and every look-up that finds nothing, is `absent`, so look-ups can be chained.
class JsonView {
 public:
  JsonView() = default;

  JsonKind kind() const;
  bool absent() const { return kind() == JsonKind::absent; }
  bool null() const { return kind() == JsonKind::null; }
  // Neither absent nor null: how most optional fields of the wire formats are meant.
  bool present() const { return kind() > JsonKind::null; }
  bool is_string() const { return kind() == JsonKind::string; }
  bool is_number() const { return kind() == JsonKind::number; }
  bool is_boolean() const { return kind() == JsonKind::boolean; }
  bool is_array() const { return kind() == JsonKind::array; }
  bool is_object() const { return kind() == JsonKind::object; }

  // The decoded text of a string, the digits of a number as written; else empty.
  std::string_view text() const;
  bool boolean() const;
  // An integer value ("7", "7.0", "1e3") within int64; empty for everything else.
  std::optional<std::int64_t> integer() const;
  // A number as the nearest double; empty for everything else. Always finite.
  std::optional<double> number() const;

  // Members of an object or elements of an array; 0 otherwise.
  std::size_t size() const;
  JsonView operator[](std::string_view key) const;

  // Elements of an array, or member values of an object, in order; nothing for other kinds.
  class Iterator {
   public:
    JsonView operator*() const;
    std::string_view key() const;  // of an object's member
    Iterator& operator++();
    bool operator!=(const Iterator& other) const { return node_ != other.node_; }

   private:
    friend class JsonView;
    Iterator(const JsonDocument* document, std::uint32_t node, bool members)
        : document_(document), node_(node), members_(members) {}
    const JsonDocument* document_;
    std::uint32_t node_;
    bool members_;
  };
  Iterator begin() const;
  Iterator end() const;

  // Canonical JSON text: no white space, members in their order, numbers as written, strings with
  // the shortest escapes. Empty for an absent view.
  std::string json() const;
  void append_json(std::string& out) const;

 private:
  friend class JsonDocument;
  JsonView(const JsonDocument* document, std::uint32_t node) : document_(document), node_(node) {}
  const JsonDocument* document_ = nullptr;
  std::uint32_t node_ = 0;
};

// Owns one parsed text. Not copyable: views point into it. Parsing again reuses its memory.
class JsonDocument {
 public:
  static constexpr std::size_t depth_max = 64;
  static constexpr std::size_t values_max = 1'000'000;

  JsonDocument() = default;
  JsonDocument(const JsonDocument&) = delete;
  JsonDocument& operator=(const JsonDocument&) = delete;

  // RFC 8259 and nothing else, one value, white space around it allowed. Errors: invalid_json with
  // line and column (syntax, lone surrogate, bad UTF-8, number beyond a double, limits);
  // duplicate_key naming the key.
  Result<JsonView> parse(std::string_view text);
  // The same for an upstream's answer: a number that no double holds ("1e400") reads as null, so
  // that a wild claim about usage does not cost the client its answer.
  Result<JsonView> parse_answer(std::string_view text);
  JsonView root() const { return nodes_.empty() ? JsonView() : JsonView(this, 0); }

 private:
  friend class JsonView;
  friend class JsonTreeBuilder;
  struct Failure;
  bool read(std::string_view text, Failure& failure);
  struct Node {
    const char* text = nullptr;   // of strings, numbers and keys; points into arena_
    std::uint32_t length = 0;     // bytes of text, or number of members or elements
    std::uint32_t next : 28 = 0;  // the node after this value and all that it holds
    std::uint32_t kind : 4 = 0;
  };
  std::vector<Node> nodes_;  // in document order; an object's members are key, value, key, value
  std::string arena_;        // the text, its strings decoded in place; never moves after the copy
};

// Appends JSON to a string; commas and colons come by themselves. Strings must be UTF-8.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& integer(std::int64_t value);
  JsonWriter& number(double value);  // shortest text that reads back the same; null if not finite
  JsonWriter& number(float value);   // likewise, with the digits that a float needs
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // already JSON

 private:
  void separate() {
    if (comma_) out_.push_back(',');
    comma_ = true;
  }
  std::string& out_;
  bool comma_ = false;
};

// Appends the text as a JSON string with its quotes.
void append_json_string(std::string& out, std::string_view text);

}  // namespace jevons
