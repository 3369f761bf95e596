// Byte classes of HTTP/1.1 (RFC 9110 5.6, RFC 3986), as tables for the framing parser.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace jevons::framing {

using ByteClass = std::array<bool, 256>;

constexpr ByteClass class_of(std::string_view extra, bool alphanumeric) {
  ByteClass members{};
  for (int byte = '0'; byte <= '9'; ++byte) members[static_cast<std::size_t>(byte)] = alphanumeric;
  for (int byte = 'a'; byte <= 'z'; ++byte) members[static_cast<std::size_t>(byte)] = alphanumeric;
  for (int byte = 'A'; byte <= 'Z'; ++byte) members[static_cast<std::size_t>(byte)] = alphanumeric;
  for (char byte : extra) members[static_cast<unsigned char>(byte)] = true;
  return members;
}

constexpr ByteClass field_value_class() {
  ByteClass members{};
  for (std::size_t byte = 0x20; byte < 0x100; ++byte) members[byte] = byte != 0x7f;
  members['\t'] = true;
  return members;
}

inline constexpr ByteClass token_bytes = class_of("!#$%&'*+-.^_`|~", true);
// What RFC 3986 allows unencoded in path and query.
inline constexpr ByteClass target_bytes = class_of("-._~:/?@!$&'()*+,;=%[]", true);
inline constexpr ByteClass reg_name_bytes = class_of("-._~!$&'()*+;=%", true);
// Field values: visible bytes, blanks and what lies above ASCII; no control bytes.
inline constexpr ByteClass value_bytes = field_value_class();

inline bool is_in(const ByteClass& members, char byte) {
  return members[static_cast<unsigned char>(byte)];
}

inline const char* skip(const ByteClass& members, const char* p, const char* end) {
  while (p != end && is_in(members, *p)) ++p;
  return p;
}

constexpr int hex_digit(char byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

constexpr char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte + ('a' - 'A')) : byte;
}

inline bool equals_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

// Calls `each` for the members of a comma-separated list, blanks trimmed.
template <class Each>
void for_each_member(std::string_view list, Each each) {
  while (true) {
    const std::size_t comma = list.find(',');
    std::string_view member = list.substr(0, comma);
    while (!member.empty() && (member.front() == ' ' || member.front() == '\t')) {
      member.remove_prefix(1);
    }
    while (!member.empty() && (member.back() == ' ' || member.back() == '\t')) {
      member.remove_suffix(1);
    }
    each(member);
    if (comma == std::string_view::npos) return;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace jevons::framing
