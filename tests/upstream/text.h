// Small text helpers of the scripted upstream. Nothing here is shared with the gateway on purpose:
// a judge that uses the code it judges finds nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace upstream {

// Appends `text` as a JSON string, quotes included; bytes above 0x7f pass unchanged.
void append_quoted(std::string& out, std::string_view text);
std::string quoted(std::string_view text);

// FNV-1a, 64 bit, over the bytes: the key of a script's `lengths` map (written as 16 hex digits).
std::uint64_t fnv1a(std::string_view bytes);
std::string hex16(std::uint64_t value);

// Cuts text into pieces of about four bytes that never split a UTF-8 sequence.
std::vector<std::string> cut_into_pieces(std::string_view text);

// `count` short English words, one a token, the first without a leading space.
std::vector<std::string> filler_pieces(std::int64_t count);

std::string base64(std::string_view bytes);

std::string join(const std::vector<std::string>& pieces);

}  // namespace upstream
