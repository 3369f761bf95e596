#include "router/yaml_tree.h"

#include <algorithm>
#include <utility>

#include "router/utf8.h"
#include "router/yaml_agreement.h"
#include "router/yaml_cursor.h"

namespace jevons {
namespace {

// Throws at the first byte that no configuration file holds.
void check_characters(std::string_view text) {
  std::uint32_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const auto offset = static_cast<std::uint32_t>(at);
    if (byte == '\n') ++line;
    if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F) {
      YamlCursor::fault_at(line, offset,
                           byte == 0 ? "NUL is not allowed in a configuration file"
                                     : "control character: remove it");
    }
    const std::size_t length = utf8_length(text.substr(at));
    if (length == 0) YamlCursor::fault_at(line, offset, "not UTF-8: save the file as UTF-8");
    at += length;
  }
}

// What a terminal may be shown of a hostile file: control characters and bytes that are no UTF-8
// are replaced.
std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    const std::size_t length = utf8_length(text.substr(at));
    const bool control = (byte < 0x20 && byte != '\t') || byte == 0x7F;
    // C1 controls are two bytes, C2 80 to C2 9F.
    const bool c1 = length == 2 && byte == 0xC2 && static_cast<unsigned char>(text[at + 1]) < 0xA0;
    out += length == 0 || control || c1 ? "\xEF\xBF\xBD" : text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  return out;
}

std::string normalised(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i];
  }
  return out;
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) return &items[i];
  }
  return nullptr;
}

ConfigError YamlDocument::error_at(std::uint32_t line, std::uint32_t offset,
                                   std::string message) const {
  const auto characters = [](std::string_view bytes) {
    return static_cast<int>(std::count_if(bytes.begin(), bytes.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    }));
  };
  const std::string_view all = text;
  const std::size_t at = std::min<std::size_t>(offset, all.size());
  const std::size_t newline = at == 0 ? std::string_view::npos : all.rfind('\n', at - 1);
  std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  const std::size_t end = std::min(all.find('\n', at), all.size());
  ConfigError error{file,
                    static_cast<int>(line),
                    characters(all.substr(begin, at - begin)) + 1,
                    std::move(message),
                    "",
                    0};
  // A very long line is shown as a window around the fault, cut between characters.
  constexpr std::size_t window = 120;
  const auto inside = [&](std::size_t i) {
    return i < end && (static_cast<unsigned char>(all[i]) & 0xC0) == 0x80;
  };
  if (at - begin > window) {
    begin = at - window;
    while (begin < at && inside(begin)) ++begin;
  }
  std::size_t stop = std::min(end, at + window);
  while (inside(stop)) ++stop;
  const std::string before = printable(all.substr(begin, at - begin));
  error.quoted = before + printable(all.substr(at, stop - at));
  error.caret = characters(before);
  return error;
}

bool parse_yaml(const YamlFile& file, YamlDocument& document, std::vector<ConfigError>& errors) {
  document.file = file.name;
  if (file.text.size() > yaml_bytes_max) {
    errors.push_back(
        {file.name, 0, 0,
         "the file has " + std::to_string(file.text.size()) + " bytes; the limit is 4 MiB", "", 0});
    return false;
  }
  document.text = normalised(file.text);
  std::vector<YamlFault> refused;
  const auto report = [&](const auto& fault) {
    errors.push_back(document.error_at(fault.line, fault.offset, fault.message));
  };
  try {
    check_characters(document.text);
    document.root = read_yaml_nodes(document.text, refused);
    std::for_each(refused.begin(), refused.end(), report);
    document.readable = true;
    if (!refused.empty()) return false;
    const auto disagreement = yaml_disagreement(document.text, document.root);
    if (!disagreement) return true;
    report(*disagreement);
  } catch (const YamlFault& fault) {
    std::for_each(refused.begin(), refused.end(), report);
    report(fault);
  }
  document.readable = false;
  return false;
}

}  // namespace jevons
