#include "providers/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace jevons {

std::string_view json_kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::absent:
      return "nothing";
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return "a boolean";
    case JsonKind::number:
      return "a number";
    case JsonKind::string:
      return "a string";
    case JsonKind::array:
      return "an array";
    case JsonKind::object:
      return "an object";
  }
  return "nothing";
}

// ---- parsing ----

namespace {

// "line 3, column 14" of a byte offset, both from 1; columns count bytes.
std::string place_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return "line " + std::to_string(lines + 1) + ", column " +
         std::to_string(before.size() - line_begin + 1);
}

// RapidJSON checks the grammar of numbers but, asked for their text, not that a double holds them:
// 1e400 is refused, 1e-400 is zero. Only numbers that look suspicious come here.
bool number_fits(std::string_view digits) {
  return std::isfinite(std::strtod(std::string(digits).c_str(), nullptr));
}

// RapidJSON turns a lone low surrogate escape into its three bytes; UTF-8 has no such sequence.
bool has_surrogate(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('\xED', at)) != std::string_view::npos; ++at) {
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xA0) return true;
  }
  return false;
}

struct ParseProblem {
  Fault fault = Fault::invalid_json;
  std::string message;  // empty: the reader's own
};

}  // namespace

// RapidJSON's event handler: lays the values out one after another and keeps the limits.
class JsonTreeBuilder {
 public:
  explicit JsonTreeBuilder(JsonDocument& document) : document_(document) {}
  const ParseProblem& problem() const { return problem_; }

  bool Null() { return leaf(JsonKind::null, {}, 0); }
  bool Bool(bool value) { return leaf(JsonKind::boolean, {}, value ? 1 : 0); }
  bool RawNumber(const char* digits, rapidjson::SizeType length, bool) {
    const std::string_view text(digits, length);
    if (length > 300 || text.find_first_of("eE") != std::string_view::npos) {
      if (!number_fits(text)) return refuse("a number is too large for a double");
    }
    return leaf(JsonKind::number, text, length);
  }
  bool String(const char* bytes, rapidjson::SizeType length, bool) {
    const std::string_view text(bytes, length);
    if (has_surrogate(text)) return refuse("a string holds a lone surrogate escape");
    return leaf(JsonKind::string, text, length);
  }
  bool Key(const char* bytes, rapidjson::SizeType length, bool) {
    const std::string_view text(bytes, length);
    if (has_surrogate(text)) return refuse("a key holds a lone surrogate escape");
    if (document_.nodes_.size() >= nodes_max) return refuse_size();
    keys_.push_back(append(JsonKind::string, text, length).text_view());
    return true;
  }
  bool StartObject() { return open(JsonKind::object); }
  bool StartArray() { return open(JsonKind::array); }
  bool EndObject(rapidjson::SizeType members) {
    const Frame frame = close(members);
    const bool unique = keys_unique(frame.first_key);
    keys_.resize(frame.first_key);
    return unique;
  }
  bool EndArray(rapidjson::SizeType elements) {
    close(elements);
    return true;
  }
  // Never called: numbers are asked for as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  static constexpr std::size_t nodes_max = 2 * JsonDocument::values_max;  // keys have nodes too
  struct Frame {
    std::uint32_t node = 0;
    std::size_t first_key = 0;
  };
  struct Added {
    const char* text;
    std::uint32_t length;
    std::string_view text_view() const { return {text, length}; }
  };

  Added append(JsonKind kind, std::string_view text, std::uint32_t length) {
    const char* kept = document_.arena_.data() + document_.arena_.size();
    document_.arena_.append(text);
    JsonDocument::Node node;
    node.text = kept;
    node.length = length;
    node.next = static_cast<std::uint32_t>(document_.nodes_.size() + 1) & 0x0FFF'FFFF;
    node.kind = static_cast<std::uint32_t>(kind) & 0xF;
    document_.nodes_.push_back(node);
    return {kept, length};
  }
  bool count_value() { return ++values_ <= JsonDocument::values_max || refuse_size(); }
  bool leaf(JsonKind kind, std::string_view text, std::uint32_t length) {
    if (!count_value()) return false;
    append(kind, text, length);
    return true;
  }
  bool open(JsonKind kind) {
    if (!count_value()) return false;
    if (frames_.size() >= JsonDocument::depth_max) {
      return refuse("nested deeper than " + std::to_string(JsonDocument::depth_max) + " levels");
    }
    frames_.push_back({static_cast<std::uint32_t>(document_.nodes_.size()), keys_.size()});
    append(kind, {}, 0);
    return true;
  }
  Frame close(std::uint32_t size) {
    const Frame frame = frames_.back();
    frames_.pop_back();
    JsonDocument::Node& node = document_.nodes_[frame.node];
    node.length = size;
    node.next = static_cast<std::uint32_t>(document_.nodes_.size()) & 0x0FFF'FFFF;
    return frame;
  }
  // Few keys are compared pairwise, many are sorted: never quadratic, and no hash to flood.
  bool keys_unique(std::size_t first) {
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(first);
    if (keys_.end() - begin > 12) {
      std::sort(begin, keys_.end());
      const auto twin = std::adjacent_find(begin, keys_.end());
      return twin == keys_.end() || refuse_duplicate(*twin);
    }
    for (auto key = begin; key != keys_.end(); ++key) {
      if (std::find(begin, key, *key) != key) return refuse_duplicate(*key);
    }
    return true;
  }
  bool refuse(std::string message) {
    problem_.message = std::move(message);
    return false;
  }
  bool refuse_size() {
    return refuse("more than " + std::to_string(JsonDocument::values_max) + " values");
  }
  bool refuse_duplicate(std::string_view key) {
    problem_.fault = Fault::duplicate_key;
    problem_.message = key;
    return false;
  }

  JsonDocument& document_;
  std::vector<Frame> frames_;
  std::vector<std::string_view> keys_;  // of all open objects, innermost last
  std::size_t values_ = 0;
  ParseProblem problem_;
};

namespace {

// A key as it can stand in a message: short and printable.
std::string shown_key(std::string_view key) {
  std::string shown;
  for (const char c : key.substr(0, 64)) shown += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  if (key.size() > 64) shown += "...";
  return utf8_or_replaced(shown);
}

Error json_error(std::string_view text, std::size_t offset, const ParseProblem& problem,
                 rapidjson::ParseErrorCode code) {
  if (problem.fault == Fault::duplicate_key) {
    const std::string key = shown_key(problem.message);
    return Error(Fault::duplicate_key, Origin::client,
                 "The JSON object that ends at " + place_of(text, offset) + " has the key '" + key +
                     "' twice. Send each key once.")
        .with_param(key);
  }
  std::string what = problem.message;
  if (code == rapidjson::kParseErrorStringEscapeInvalid && offset < text.size() &&
      static_cast<unsigned char>(text[offset]) < 0x20) {
    what = "a control character in a string must be escaped";
  }
  if (what.empty()) {
    what = rapidjson::GetParseError_En(code);
    if (!what.empty() && what.back() == '.') what.pop_back();
    if (!what.empty() && what[0] >= 'A' && what[0] <= 'Z' && what.compare(0, 4, "JSON") != 0) {
      what[0] = static_cast<char>(what[0] - 'A' + 'a');
    }
  }
  return {Fault::invalid_json, Origin::client,
          "Invalid JSON at " + place_of(text, offset) + ": " + what + "."};
}

}  // namespace

Result<JsonView> JsonDocument::parse(std::string_view text) {
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  nodes_.clear();
  arena_.clear();
  if (text.size() >= UINT32_MAX) {
    return Error(Fault::invalid_json, Origin::client, "The JSON text is longer than 4 GiB.");
  }
  if (!is_utf8(text)) {
    return Error(Fault::invalid_json, Origin::client, "The JSON text is not valid UTF-8.");
  }
  arena_.reserve(text.size());  // decoded text is never longer than its source
  JsonTreeBuilder builder(*this);
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  const rapidjson::ParseResult parsed = reader.Parse<flags>(stream, builder);
  if (parsed.IsError()) {
    nodes_.clear();
    return json_error(text, parsed.Offset(), builder.problem(), parsed.Code());
  }
  // To the reader a NUL byte is the end of the text.
  if (stream.Tell() < text.size()) {
    nodes_.clear();
    const ParseProblem problem{Fault::invalid_json, "a NUL byte follows the value"};
    return json_error(text, stream.Tell(), problem, rapidjson::kParseErrorNone);
  }
  return root();
}

// ---- reading ----

JsonKind JsonView::kind() const {
  return document_ ? static_cast<JsonKind>(document_->nodes_[node_].kind) : JsonKind::absent;
}

std::string_view JsonView::text() const {
  if (!is_string() && !is_number()) return {};
  const JsonDocument::Node& node = document_->nodes_[node_];
  return {node.text, node.length};
}

bool JsonView::boolean() const { return is_boolean() && document_->nodes_[node_].length != 0; }

std::optional<std::int64_t> JsonView::integer() const {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = text();
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (parsed.ec == std::errc() && parsed.ptr == end) return value;
  // "7.0" and "1e3" are integers too; beyond 2^53 a double no longer says which one.
  const std::optional<double> real = number();
  if (!real || parsed.ptr == end || std::abs(*real) > 9007199254740992.0 ||
      *real != std::floor(*real)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*real);
}

std::optional<double> JsonView::number() const {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = text();
  double value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) return 0.0;  // underflow: overflow was refused
  return value;
}

std::size_t JsonView::size() const {
  return is_array() || is_object() ? document_->nodes_[node_].length : 0;
}

JsonView JsonView::operator[](std::string_view key) const {
  if (!is_object()) return {};
  for (auto member = begin(); member != end(); ++member) {
    if (member.key() == key) return *member;
  }
  return {};
}

JsonView::Iterator JsonView::begin() const {
  const bool container = is_array() || is_object();
  return {document_, container ? node_ + 1 : 0, is_object()};
}

JsonView::Iterator JsonView::end() const {
  const bool container = is_array() || is_object();
  return {document_, container ? document_->nodes_[node_].next : 0, is_object()};
}

JsonView JsonView::Iterator::operator*() const { return {document_, members_ ? node_ + 1 : node_}; }

std::string_view JsonView::Iterator::key() const {
  if (!members_) return {};
  const JsonDocument::Node& node = document_->nodes_[node_];
  return {node.text, node.length};
}

JsonView::Iterator& JsonView::Iterator::operator++() {
  node_ = document_->nodes_[members_ ? node_ + 1 : node_].next;
  return *this;
}

std::string JsonView::json() const {
  std::string out;
  append_json(out);
  return out;
}

// Recursion is bounded by JsonDocument::depth_max.
void JsonView::append_json(std::string& out) const {
  switch (kind()) {
    case JsonKind::absent:
      return;
    case JsonKind::null:
      out += "null";
      return;
    case JsonKind::boolean:
      out += boolean() ? "true" : "false";
      return;
    case JsonKind::number:
      out += text();
      return;
    case JsonKind::string:
      append_json_string(out, text());
      return;
    case JsonKind::array:
    case JsonKind::object:
      break;
  }
  const bool object = is_object();
  char before = object ? '{' : '[';
  if (size() == 0) out += before;
  for (auto member = begin(); member != end(); ++member) {
    out += before;
    before = ',';
    if (object) {
      append_json_string(out, member.key());
      out += ':';
    }
    (*member).append_json(out);
  }
  out += object ? '}' : ']';
}

// ---- writing ----

namespace {

// For each byte: 0 = as it is, else the letter after the backslash ('u' = \u00XX).
constexpr auto escapes = [] {
  std::array<char, 256> table{};
  for (std::size_t c = 0; c < 0x20; ++c) table[c] = 'u';
  table['"'] = '"';
  table['\\'] = '\\';
  table['\b'] = 'b';
  table['\f'] = 'f';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  return table;
}();

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t plain = 0;  // begin of the run that needs no escape
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const char escape = escapes[byte];
    if (escape == 0) continue;
    out.append(text, plain, at - plain);
    plain = at + 1;
    out.push_back('\\');
    out.push_back(escape);
    if (escape == 'u') {
      constexpr std::string_view hex = "0123456789abcdef";
      out += "00";
      out.push_back(hex[byte >> 4]);
      out.push_back(hex[byte & 15]);
    }
  }
  out.append(text, plain);
  out.push_back('"');
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_.push_back('{');
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_.push_back('}');
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  out_.push_back('[');
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  out_.push_back(']');
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_.push_back(':');
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_json_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
  separate();
  char digits[24];
  const auto written = std::to_chars(digits, digits + sizeof digits, value);
  out_.append(digits, written.ptr);
  return *this;
}

namespace {

template <class Real>
std::string_view shortest(std::array<char, 32>& digits, Real value) {
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), static_cast<std::size_t>(written.ptr - digits.data())};
}

}  // namespace

JsonWriter& JsonWriter::number(double value) {
  std::array<char, 32> digits;
  return std::isfinite(value) ? raw(shortest(digits, value)) : null();
}

JsonWriter& JsonWriter::number(float value) {
  std::array<char, 32> digits;
  return std::isfinite(value) ? raw(shortest(digits, value)) : null();
}

JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }

JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

// ---- UTF-8 ----

namespace {

// Length of the well-formed sequence at the begin of `text` (RFC 3629), 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (!continues(1)) return 0;
  if (lead < 0xE0) return 2;
  if (!continues(2)) return 0;
  if (lead < 0xF0) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  const bool overlong = lead == 0xF0 && byte(1) < 0x90;
  const bool beyond = lead == 0xF4 && byte(1) >= 0x90;
  return overlong || beyond || !continues(3) ? 0 : 4;
}

// Bytes of plain ASCII at the begin, eight at a time; may stop up to seven bytes early.
std::size_t ascii_prefix(std::string_view text) {
  std::size_t at = 0;
  for (std::uint64_t word = 0; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & 0x8080808080808080U) != 0) break;
  }
  return at;
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    text.remove_prefix(ascii_prefix(text));
    for (int steps = 0; steps < 16 && !text.empty(); ++steps) {
      const std::size_t length = sequence_length(text);
      if (length == 0) return false;
      text.remove_prefix(length);
    }
  }
  return true;
}

std::string utf8_or_replaced(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  std::string out;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else {
      out.append(text, 0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace jevons
