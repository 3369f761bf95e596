#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "providers/json.h"

namespace jevons {

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

// Bytes of the begin that need no escape, eight at a time; may stop up to seven bytes early. A byte
// below `low` borrows from its top bit; bytes of 0x80 and more are left out by ~word.
std::size_t plain_prefix(const char* text, std::size_t size) {
  constexpr std::uint64_t ones = 0x0101'0101'0101'0101, tops = 0x8080'8080'8080'8080;
  const auto below = [](std::uint64_t w, std::uint64_t low) { return (w - ones * low) & ~w; };
  std::size_t at = 0;
  for (std::uint64_t word = 0; at + sizeof word <= size; at += sizeof word) {
    std::memcpy(&word, text + at, sizeof word);
    const std::uint64_t special =
        below(word, 0x20) | below(word ^ (ones * '"'), 1) | below(word ^ (ones * '\\'), 1);
    if ((special & tops) != 0) break;
  }
  return at;
}

void append_escape(std::string& out, unsigned char byte) {
  out.push_back('\\');
  out.push_back(escapes[byte]);
  if (escapes[byte] != 'u') return;
  constexpr std::string_view hex = "0123456789abcdef";
  out += "00";
  out.push_back(hex[byte >> 4]);
  out.push_back(hex[byte & 15]);
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t plain = at;  // begin of the run that needs no escape
    at += plain_prefix(text.data() + at, text.size() - at);
    while (at < text.size() && escapes[static_cast<unsigned char>(text[at])] == 0) ++at;
    out.append(text, plain, at - plain);
    if (at < text.size() && escapes[static_cast<unsigned char>(text[at])] != 0) {
      append_escape(out, static_cast<unsigned char>(text[at++]));
    }
  }
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

}  // namespace jevons
