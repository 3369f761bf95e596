// Aligned tables and bars for terminals, and CSV.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jevons {

// One cell a column; numbers are right-aligned where the column says so.
struct TableColumn {
  std::string title;
  bool right = false;
};

class Table {
 public:
  explicit Table(std::vector<TableColumn> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells);  // missing cells are empty
  void rule();                               // a line across, before a total
  // Lines end in \n without trailing blanks. `bold` marks the head with ANSI codes.
  std::string text(bool bold) const;

 private:
  std::vector<TableColumn> columns_;
  std::vector<std::vector<std::string>> rows_;  // an empty row is a rule
};

// Letters on a terminal, counting UTF-8 code points.
std::size_t display_width(std::string_view text);
// Control characters as '?', so that stored text cannot steer a terminal.
std::string printable(std::string_view text);
// A bar of eighths of a cell, `part` of `whole` over `width` cells; empty for nothing.
std::string bar(std::int64_t part, std::int64_t whole, std::size_t width);
// "1,234,567".
std::string grouped(std::int64_t number);
// A field of RFC 4180, quoted where it must be.
std::string csv_field(std::string_view text);

}  // namespace jevons
