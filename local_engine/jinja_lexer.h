// Cuts a template into text and the tokens of its tags, with Jinja's rules for white space
// (trim_blocks and lstrip_blocks on, as chat templates expect). Internal to the Jinja files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jevons::engine {

struct JinjaToken {
  enum class Kind : std::uint8_t {
    text,          // outside of tags
    output_begin,  // {{
    output_end,
    block_begin,  // {%
    block_end,
    name,
    string,  // unescaped
    integer,
    real,
    symbol,  // operators and brackets
    end,
  };
  Kind kind = Kind::end;
  std::string text;
  std::uint32_t line = 1;

  bool is(std::string_view symbol_text) const {
    return kind == Kind::symbol && text == symbol_text;
  }
  bool is_name(std::string_view name) const { return kind == Kind::name && text == name; }
};

// Throws JinjaError with the line.
std::vector<JinjaToken> lex_jinja(std::string_view source);

}  // namespace jevons::engine
