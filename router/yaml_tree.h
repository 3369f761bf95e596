// Configuration text to a tree. The part of YAML 1.2 that configuration needs, read strictly:
// mappings and lists in block or flow form, plain, quoted and block scalars, comments. Refused with
// a position and a remedy: duplicate keys, anchors, aliases, tags, directives, several documents,
// `? key`, tabs outside comments, control characters, invalid UTF-8, and whatever exceeds a limit.
//
// yaml-cpp 0.7 alone keeps duplicate keys, accepts 34 of the 94 invalid files of the YAML suite,
// and needs 978 MiB and 3.4 s to refuse 4 MiB of "[". So this reader stands in front of it, as
// strict framing stands in front of Beast, and yaml-cpp must then read the same
// (yaml_agreement.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "router/config_load.h"

namespace jevons {

inline constexpr std::size_t yaml_bytes_max = 4u << 20;
inline constexpr int yaml_depth_max = 32;
inline constexpr std::size_t yaml_nodes_max = 65'536;
inline constexpr std::size_t yaml_scalar_bytes_max = 65'536;  // of one value or key

struct YamlNode {
  enum class Kind : std::uint8_t { null, scalar, list, map };
  Kind kind = Kind::null;
  bool quoted = false;          // a quoted or block scalar: never a number, a bool or null
  bool refused = false;         // an alias in place of a value, which is on record as an error
  std::uint32_t line = 0;       // 1-based
  std::uint32_t offset = 0;     // of its first byte in YamlDocument::text
  std::string text;             // of a scalar
  std::vector<YamlNode> items;  // of a list; of a map the values, in the order of `keys`
  std::vector<YamlNode> keys;   // of a map, all scalars, no two equal

  const YamlNode* find(std::string_view key) const;  // the value, null if absent
};

struct YamlDocument {
  std::string file;
  std::string text;       // without byte order mark, lines end in \n
  YamlNode root;          // null for an empty file
  bool readable = false;  // `root` holds the whole file, perhaps without what parse_yaml refused

  // An error at a place in this document: position, quoted line and caret filled in.
  ConfigError error_at(std::uint32_t line, std::uint32_t offset, std::string message) const;
  ConfigError error_at(const YamlNode& node, std::string message) const {
    return error_at(node.line, node.offset, std::move(message));
  }
};

// False after appending what is wrong to `errors`. Where that does not keep the rest from being
// read (a second key of one name, an anchor), the document is `readable` and its values can be
// checked.
bool parse_yaml(const YamlFile& file, YamlDocument& document, std::vector<ConfigError>& errors);

}  // namespace jevons
