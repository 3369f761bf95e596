// A position in YAML text, and how to get to the next thing that means something.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jevons {

// Something that is not YAML, or not allowed. Thrown inside the reader and caught by parse_yaml
// where reading cannot go on.
struct YamlFault {
  std::uint32_t line = 0;
  std::uint32_t offset = 0;
  std::string message;
};

class YamlCursor {
 public:
  explicit YamlCursor(std::string_view text) : text_(text) {}

  bool at_end() const { return at_ >= text_.size(); }
  // The byte `ahead` of here, '\0' past the end (the text itself holds no NUL).
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool at_line_end() const { return at_end() || peek() == '\n'; }
  // Whether the byte `ahead` of here is a space, a line end or the end.
  bool is_blank(std::size_t ahead = 0) const;
  int column() const { return static_cast<int>(at_ - line_start_); }  // 0-based, bytes
  std::uint32_t line() const { return line_; }
  std::uint32_t offset() const { return static_cast<std::uint32_t>(at_); }
  std::string_view rest_of_line() const;

  void advance(std::size_t bytes = 1) { at_ += bytes; }  // within a line
  void next_line();                                      // past the \n under the cursor
  // Spaces only; a tab is a fault.
  void skip_spaces();
  // Spaces, then a comment if one starts here; the cursor then stands at the end of the line, or
  // at what follows on it.
  void skip_spaces_and_comment();
  // To the next content on this or a later line. True if a line end was passed.
  bool skip_to_content();
  // "---" or "..." alone at the start of a line.
  bool at_marker(std::string_view marker) const;
  bool at_document_marker() const { return at_marker("---") || at_marker("..."); }

  [[noreturn]] void fault(std::string message) const;
  [[noreturn]] static void fault_at(std::uint32_t line, std::uint32_t offset, std::string message);

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  std::uint32_t line_ = 1;
};

struct YamlNode;
// The tree of a text whose characters have been checked. What is refused but does not keep the rest
// from being read goes to `refused`: second keys of one name, anchors, aliases, tags. Throws
// YamlFault at the first thing that does.
YamlNode read_yaml_nodes(std::string_view text, std::vector<YamlFault>& refused);

// Scalars, each with the cursor on its first byte. `indent` is the column of the enclosing block:
// further lines of the scalar must stand to the right of it.
std::string read_double_quoted(YamlCursor& cursor, int indent);
std::string read_single_quoted(YamlCursor& cursor, int indent);
std::string read_block_scalar(YamlCursor& cursor, int indent);
// One line of a plain scalar, up to ": ", " #" or, in a flow collection, one of ,[]{}.
std::string read_plain_line(YamlCursor& cursor, bool in_flow);
// The further lines of a plain scalar that began with `first`, folded as YAML says.
std::string read_plain_rest(YamlCursor& cursor, int indent, std::string first);

}  // namespace jevons
