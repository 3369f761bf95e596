#include "gateway/cli/table.h"

#include <algorithm>

namespace jevons {
namespace {

constexpr std::string_view gap = "  ";

void append_padded(std::string& line, const std::string& cell, std::size_t width, bool right) {
  const std::string blanks(width - std::min(width, display_width(cell)), ' ');
  line += right ? blanks + cell : cell + blanks;
}

std::string trimmed_right(std::string line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

void Table::rule() { rows_.emplace_back(); }

std::string Table::text(bool bold) const {
  std::vector<std::size_t> widths;
  std::size_t total = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_)
      if (!row.empty()) width = std::max(width, display_width(row[i]));
    widths.push_back(width);
    total += width + (i == 0 ? 0 : gap.size());
  }
  const auto line_of = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line += gap;
      append_padded(line, cell_of(i), widths[i], columns_[i].right);
    }
    return trimmed_right(std::move(line));
  };
  const std::string head = line_of([&](std::size_t i) { return columns_[i].title; });
  std::string text = bold ? "\x1b[1m" + head + "\x1b[0m\n" : head + "\n";
  for (const auto& row : rows_) {
    if (row.empty())
      text += std::string(total, '-');
    else
      text += line_of([&](std::size_t i) { return row[i]; });
    text += '\n';
  }
  return text;
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return out;
}

std::string bar(std::int64_t part, std::int64_t whole, std::size_t width) {
  static constexpr const char* eighths[] = {"",       "\u258f", "\u258e", "\u258d",
                                            "\u258c", "\u258b", "\u258a", "\u2589"};
  if (part <= 0 || whole <= 0) return {};
  const double share = std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
  const auto cells = std::max<std::size_t>(
      1, static_cast<std::size_t>(share * static_cast<double>(width) * 8 + 0.5));
  std::string text;
  for (std::size_t i = 0; i < cells / 8; ++i) text += "\u2588";
  return text + eighths[cells % 8];
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::size_t first = text.front() == '-' ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

}  // namespace jevons
