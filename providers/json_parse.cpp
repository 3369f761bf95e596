// JsonDocument::parse: RapidJSON reads the grammar, the builder keeps the limits that it lacks.

// RapidJSON with its block-wise scanning of strings, in a namespace of its own: elsewhere the
// same templates are compiled without.
#define RAPIDJSON_SSE2
#define RAPIDJSON_NAMESPACE rapidjson_blocks
#define RAPIDJSON_NAMESPACE_BEGIN namespace rapidjson_blocks {
#define RAPIDJSON_NAMESPACE_END }
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "providers/json.h"
#include "router/utf8.h"

namespace jevons {

namespace rapidjson = rapidjson_blocks;

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
// 1e400 is refused, 1e-400 is zero. from_chars calls both out of range, so the decimal point of the
// first digit that counts decides.
bool number_fits(std::string_view digits) {
  double value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec != std::errc::result_out_of_range) return true;
  const std::size_t mark = std::min(digits.find_first_of("eE"), digits.size());
  const std::string_view mantissa = digits.substr(0, mark);
  std::string_view power = digits.substr(std::min(mark + 1, digits.size()));
  const bool negative = !power.empty() && power[0] == '-';
  if (!power.empty() && (power[0] == '-' || power[0] == '+')) power.remove_prefix(1);
  std::int64_t exponent = 0;
  const auto read = std::from_chars(power.data(), power.data() + power.size(), exponent);
  if (read.ec == std::errc::result_out_of_range) return negative;
  const auto first = static_cast<std::int64_t>(mantissa.find_first_of("123456789"));
  const auto point = static_cast<std::int64_t>(std::min(mantissa.find('.'), mantissa.size()));
  return point - first + (negative ? -exponent : exponent) < 0;
}

// RapidJSON turns a lone low surrogate escape into its three bytes; UTF-8 has no such sequence.
bool has_surrogate(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('\xED', at)) != std::string_view::npos; ++at) {
    if (at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) >= 0xA0) return true;
  }
  return false;
}

// The first raw byte from 0x1A to 0x1F, npos if there is none. No JSON text may hold one, and
// RapidJSON 1.1, scanning 16 bytes of a string at a time, takes them for letters.
std::size_t find_missed_control(std::string_view text) {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101, tops = 0x8080'8080'8080'8080;
  const auto missed = [](char c) { return c >= 0x1A && c < 0x20; };
  std::size_t at = 0;
  for (std::uint64_t word = 0; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    // A byte below 0x20 borrows from its top bit; a byte of 0x80 and more is left out.
    if (((word - ones * 0x20) & ~word & tops) == 0) continue;
    const auto found = std::find_if(text.begin() + at, text.begin() + at + sizeof word, missed);
    if (found != text.begin() + at + sizeof word) {
      return static_cast<std::size_t>(found - text.begin());
    }
  }
  const auto found = std::find_if(text.begin() + at, text.end(), missed);
  return found == text.end() ? std::string_view::npos
                             : static_cast<std::size_t>(found - text.begin());
}

struct ParseProblem {
  Fault fault = Fault::invalid_json;
  std::string message;  // empty: the reader's own
  bool number_too_large = false;
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
      if (!number_fits(text)) {
        problem_.number_too_large = true;
        return refuse("a number is too large for a double");
      }
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
    append(JsonKind::string, text, length);
    keys_.push_back(text);
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
  // The texts stay where the reader decodes them: in the document's copy of the source.
  void append(JsonKind kind, std::string_view text, std::uint32_t length) {
    JsonDocument::Node node;
    node.text = text.data();
    node.length = length;
    node.next = static_cast<std::uint32_t>(document_.nodes_.size() + 1) & 0x0FFF'FFFF;
    node.kind = static_cast<std::uint32_t>(kind) & 0xF;
    document_.nodes_.push_back(node);
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

struct JsonDocument::Failure {
  std::size_t offset = 0;
  ParseProblem problem;
  rapidjson::ParseErrorCode code = rapidjson::kParseErrorNone;

  bool number_too_large() const {
    return problem.number_too_large || code == rapidjson::kParseErrorNumberTooBig;
  }
};

// False with what is wrong; the document is then empty.
bool JsonDocument::read(std::string_view text, Failure& failure) {
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseInsituFlag |
                             rapidjson::kParseNumbersAsStringsFlag;
  constexpr std::size_t padding = 16;  // the reader looks at whole blocks of 16 bytes
  nodes_.clear();
  arena_.clear();
  arena_.reserve(text.size() + padding);
  arena_.append(text).append(padding, '\0');
  JsonTreeBuilder builder(*this);
  rapidjson::InsituStringStream stream(arena_.data());
  rapidjson::Reader reader;
  const rapidjson::ParseResult parsed = reader.Parse<flags>(stream, builder);
  const std::size_t control = find_missed_control(text);
  if (control < (parsed.IsError() ? parsed.Offset() : text.size())) {
    failure = {control, {}, rapidjson::kParseErrorStringEscapeInvalid};
  } else if (parsed.IsError()) {
    failure = {parsed.Offset(), builder.problem(), parsed.Code()};
  } else if (stream.Tell() < text.size()) {  // to the reader a NUL byte is the end of the text
    failure = {stream.Tell(), {}, rapidjson::kParseErrorNone};
    failure.problem.message = "a NUL byte follows the value";
  } else {
    return true;
  }
  nodes_.clear();
  return false;
}

Result<JsonView> JsonDocument::parse(std::string_view text) {
  nodes_.clear();
  if (text.size() >= UINT32_MAX) {
    return Error(Fault::invalid_json, Origin::client, "The JSON text is longer than 4 GiB.");
  }
  if (!is_utf8(text)) {
    return Error(Fault::invalid_json, Origin::client, "The JSON text is not valid UTF-8.");
  }
  Failure failure;
  if (read(text, failure)) return root();
  return json_error(text, failure.offset, failure.problem, failure.code);
}

Result<JsonView> JsonDocument::parse_answer(std::string_view text) {
  constexpr int replaced_max = 32;
  Result<JsonView> parsed = parse(text);
  std::string mended;
  for (int i = 0; i < replaced_max && !parsed; ++i) {
    const std::string_view now = mended.empty() ? text : std::string_view(mended);
    Failure failure;
    if (now.size() >= UINT32_MAX || !is_utf8(now) || read(now, failure)) break;
    if (!failure.number_too_large()) break;
    const std::size_t begin = std::min(failure.offset, now.size());
    const std::size_t end = std::min(now.find_first_not_of("0123456789+-.eE", begin), now.size());
    if (end == begin) break;
    mended = std::string(now).replace(begin, end - begin, "null");
    parsed = parse(mended);
  }
  return parsed;
}

}  // namespace jevons
