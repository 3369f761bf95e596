// The structure of YAML: mappings and lists in block and flow form. Scalars: yaml_scalars.cpp.
#include <algorithm>
#include <unordered_set>
#include <utility>

#include "router/yaml_cursor.h"
#include "router/yaml_tree.h"

namespace jevons {
namespace {

// The keys of one mapping, to find the second of two equal ones in constant time.
using SeenKeys = std::unordered_set<std::string>;

// What may be wrong in one file before reading on is no help any more.
constexpr std::size_t refused_max = 20;

// Recursive descent; each read_* starts on the first byte of its node and stops behind it.
class YamlParser {
 public:
  YamlParser(std::string_view text, std::vector<YamlFault>& refused)
      : cursor_(text), refused_(refused) {}
  YamlNode read_document();

 private:
  // A node of any kind inside a block at column `indent`. `same_line`: it stands behind "key:",
  // where no block mapping or list may start.
  YamlNode read_block_node(int indent, bool same_line);
  YamlNode read_block_map(YamlNode first_key, int column);
  YamlNode read_map_value(int column);
  YamlNode read_block_list(int column);
  YamlNode read_plain_or_map(int indent, bool same_line);
  YamlNode read_quoted_or_map(int indent, bool same_line);
  YamlNode read_flow(int indent);
  YamlNode read_flow_list(int indent);
  YamlNode read_flow_map(int indent);
  YamlNode read_flow_key(int indent);
  YamlNode read_key();

  YamlNode begin_node();
  // Notes what must not stand here and reads on, so that one run of `jevons check` shows it all. A
  // file with more than a screenful of such ends at the next.
  void refuse(const YamlNode& at, std::string message);
  // Past anchors and tags, each refused. True if there were any.
  bool pass_properties(bool in_flow);
  YamlNode read_alias(bool in_flow);
  void skip_word(bool in_flow);
  bool alias_is_key() const;
  // Adds a key, or refuses it as the second of its name: then its value is read and dropped.
  bool add_key(SeenKeys& seen, YamlNode& map, YamlNode key);
  // The text of a scalar node, bounded: no setting is longer, and yaml-cpp is slow on such.
  void set_text(YamlNode& node, std::string text);
  void refuse_indicators() const;
  void expect_line_end();
  void skip_flow(int indent, char close);
  bool at_list_item() const { return cursor_.peek() == '-' && cursor_.is_blank(1); }
  bool at_quote() const { return cursor_.peek() == '"' || cursor_.peek() == '\''; }
  std::string read_quoted(int indent) {
    return cursor_.peek() == '"' ? read_double_quoted(cursor_, indent)
                                 : read_single_quoted(cursor_, indent);
  }

  struct Depth {  // one level of nesting for as long as it lives
    explicit Depth(YamlParser& parser) : parser_(parser) {
      if (++parser_.depth_ > yaml_depth_max) {
        parser_.cursor_.fault("nested deeper than " + std::to_string(yaml_depth_max) + " levels");
      }
    }
    ~Depth() { --parser_.depth_; }
    YamlParser& parser_;
  };

  YamlCursor cursor_;
  std::vector<YamlFault>& refused_;
  int depth_ = 0;
  std::size_t nodes_ = 0;
};

YamlNode YamlParser::begin_node() {
  if (++nodes_ > yaml_nodes_max) {
    cursor_.fault("more than " + std::to_string(yaml_nodes_max) + " values in one file");
  }
  YamlNode node;
  node.line = cursor_.line();
  node.offset = cursor_.offset();
  return node;
}

void YamlParser::refuse(const YamlNode& at, std::string message) {
  if (refused_.size() >= refused_max) YamlCursor::fault_at(at.line, at.offset, std::move(message));
  refused_.push_back(YamlFault{at.line, at.offset, std::move(message)});
}

bool YamlParser::pass_properties(bool in_flow) {
  bool passed = false;
  while (cursor_.peek() == '&' || cursor_.peek() == '!') {
    refuse(begin_node(), cursor_.peek() == '&'
                             ? "anchors are not allowed: write the value out, or quote it"
                             : "tags are not allowed: write the plain value, or quote it");
    skip_word(in_flow);
    passed = true;
  }
  return passed;
}

YamlNode YamlParser::read_alias(bool in_flow) {
  YamlNode alias = begin_node();
  alias.refused = true;
  refuse(alias, "aliases are not allowed: write the value out, or quote a glob (\"*\")");
  skip_word(in_flow);
  return alias;
}

void YamlParser::skip_word(bool in_flow) {
  const auto ends = [&](char c) {
    return in_flow && (c == ',' || c == '[' || c == ']' || c == '{' || c == '}');
  };
  while (!cursor_.is_blank() && !ends(cursor_.peek())) cursor_.advance();
  cursor_.skip_spaces_and_comment();
}

// "*name :" would be a key: no way to read on from there.
bool YamlParser::alias_is_key() const {
  std::size_t at = 1;
  while (!cursor_.is_blank(at)) ++at;
  while (cursor_.peek(at) == ' ') ++at;
  return cursor_.peek(at) == ':' && cursor_.is_blank(at + 1);
}

bool YamlParser::add_key(SeenKeys& seen, YamlNode& map, YamlNode key) {
  if (seen.insert(key.text).second) {
    map.keys.push_back(std::move(key));
    return true;
  }
  const auto first = std::find_if(map.keys.begin(), map.keys.end(),
                                  [&](const YamlNode& other) { return other.text == key.text; });
  refuse(key, "key '" + key.text.substr(0, 60) + "' is given twice; first in line " +
                  std::to_string(first->line));
  return false;
}

void YamlParser::set_text(YamlNode& node, std::string text) {
  if (text.size() > yaml_scalar_bytes_max) {
    YamlCursor::fault_at(node.line, node.offset,
                         "a value of " + std::to_string(text.size()) + " bytes; the limit is " +
                             std::to_string(yaml_scalar_bytes_max));
  }
  node.kind = YamlNode::Kind::scalar;
  node.text = std::move(text);
}

void YamlParser::refuse_indicators() const {
  switch (cursor_.peek()) {
    case '*':
      cursor_.fault("aliases are not allowed: write the value out, or quote a glob (\"*\")");
    case '@':
    case '`':
    case '%':
      cursor_.fault("a value cannot start with this character: quote it");
    case ',':
    case ']':
    case '}':
      cursor_.fault("a value was expected here");
    case '?':
      if (cursor_.is_blank(1)) cursor_.fault("'? key' is not allowed: write 'key: value'");
      break;
    case ':':
      if (cursor_.is_blank(1)) cursor_.fault("a key is missing before this ':'");
      break;
    default:
      break;
  }
}

void YamlParser::expect_line_end() {
  cursor_.skip_spaces_and_comment();
  if (!cursor_.at_line_end()) cursor_.fault("unexpected text behind the value");
}

YamlNode YamlParser::read_document() {
  cursor_.skip_to_content();
  if (cursor_.column() == 0 && cursor_.peek() == '%') {
    cursor_.fault("directives are not allowed: remove this line");
  }
  if (cursor_.at_marker("---")) {
    cursor_.advance(3);
    cursor_.skip_spaces_and_comment();
    if (!cursor_.at_line_end()) cursor_.fault("start the content on its own line below '---'");
    cursor_.skip_to_content();
  }
  YamlNode root =
      cursor_.at_end() || cursor_.at_document_marker() ? begin_node() : read_block_node(-1, false);
  if (!cursor_.at_end() && cursor_.column() > 0) expect_line_end();
  cursor_.skip_to_content();
  if (cursor_.at_marker("...")) {
    cursor_.advance(3);
    cursor_.skip_to_content();
  }
  if (cursor_.at_marker("---")) cursor_.fault("one file holds one document: remove this '---'");
  if (!cursor_.at_end()) cursor_.fault("this line belongs to nothing: check its indentation");
  return root;
}

YamlNode YamlParser::read_block_node(int indent, bool same_line) {
  const Depth depth(*this);
  if (at_list_item()) {
    if (same_line) cursor_.fault("a list behind 'key:' starts on the next line");
    return read_block_list(cursor_.column());
  }
  if (pass_properties(false) && cursor_.at_line_end()) return read_map_value(indent);
  if (cursor_.peek() == '*' && !alias_is_key()) {
    YamlNode alias = read_alias(false);
    expect_line_end();
    return alias;
  }
  refuse_indicators();
  const char c = cursor_.peek();
  if (c == '|' || c == '>') {
    YamlNode node = begin_node();
    node.quoted = true;
    set_text(node, read_block_scalar(cursor_, indent));
    return node;
  }
  if (c == '[' || c == '{') {
    YamlNode node = read_flow(indent);
    cursor_.skip_spaces();
    if (cursor_.peek() == ':') cursor_.fault("a key must be a word, not a list or mapping");
    expect_line_end();
    return node;
  }
  return at_quote() ? read_quoted_or_map(indent, same_line) : read_plain_or_map(indent, same_line);
}

YamlNode YamlParser::read_quoted_or_map(int indent, bool same_line) {
  YamlNode node = begin_node();
  const int column = cursor_.column();
  node.quoted = true;
  set_text(node, read_quoted(indent));
  cursor_.skip_spaces();
  if (cursor_.peek() != ':' || !cursor_.is_blank(1)) {
    expect_line_end();
    return node;
  }
  if (same_line)
    cursor_.fault("a second ':' on one line: put the mapping on the next line, or in {}");
  if (cursor_.line() != node.line) cursor_.fault("a key must fit on one line");
  return read_block_map(std::move(node), column);
}

YamlNode YamlParser::read_plain_or_map(int indent, bool same_line) {
  YamlNode node = begin_node();
  const int column = cursor_.column();
  set_text(node, read_plain_line(cursor_, false));
  if (cursor_.peek() == ':') {
    if (same_line) {
      cursor_.fault("a second ': ' on one line: quote the value, or put the mapping in {}");
    }
    return read_block_map(std::move(node), column);
  }
  set_text(node, read_plain_rest(cursor_, indent, std::move(node.text)));
  expect_line_end();
  if (node.text == "~" || node.text == "null") node.kind = YamlNode::Kind::null;
  return node;
}

YamlNode YamlParser::read_key() {
  pass_properties(false);
  refuse_indicators();
  if (at_list_item())
    cursor_.fault("a list item among the keys of a mapping: check the indentation");
  YamlNode key = begin_node();
  if (at_quote()) {
    key.quoted = true;
    set_text(key, read_quoted(cursor_.column()));
    cursor_.skip_spaces();
    if (cursor_.line() != key.line) cursor_.fault("a key must fit on one line");
  } else {
    set_text(key, read_plain_line(cursor_, false));
  }
  if (cursor_.peek() != ':' || !cursor_.is_blank(1)) {
    YamlCursor::fault_at(key.line, key.offset,
                         "'key: value' was expected here, with a space behind the ':'");
  }
  return key;
}

// The cursor stands on the ':' behind `first_key`.
YamlNode YamlParser::read_block_map(YamlNode first_key, int column) {
  YamlNode map = begin_node();
  map.kind = YamlNode::Kind::map;
  map.line = first_key.line;
  map.offset = first_key.offset;
  SeenKeys seen;
  bool kept = add_key(seen, map, std::move(first_key));
  for (;;) {
    cursor_.advance();  // ':'
    YamlNode value = read_map_value(column);
    if (kept) map.items.push_back(std::move(value));
    cursor_.skip_to_content();
    if (cursor_.at_end() || cursor_.column() < column || cursor_.at_document_marker()) return map;
    if (cursor_.column() > column) {
      cursor_.fault("this line is indented more than the mapping it stands in");
    }
    kept = add_key(seen, map, read_key());
  }
}

YamlNode YamlParser::read_map_value(int column) {
  YamlNode absent = begin_node();
  --nodes_;
  if (!cursor_.skip_to_content() && !cursor_.at_end()) return read_block_node(column, true);
  if (cursor_.at_end() || cursor_.at_document_marker()) return absent;
  if (cursor_.column() > column) return read_block_node(column, false);
  if (cursor_.column() == column && at_list_item()) {
    const Depth depth(*this);
    return read_block_list(column);
  }
  return absent;
}

YamlNode YamlParser::read_block_list(int column) {
  YamlNode list = begin_node();
  list.kind = YamlNode::Kind::list;
  for (;;) {
    YamlNode absent = begin_node();
    --nodes_;
    cursor_.advance();  // '-'
    const bool next_line = cursor_.skip_to_content();
    if (!cursor_.at_end() && cursor_.column() > column && !cursor_.at_document_marker()) {
      list.items.push_back(read_block_node(column, false));
      cursor_.skip_to_content();
    } else if (!next_line && !cursor_.at_end()) {
      cursor_.fault("a value was expected here");
    } else {
      ++nodes_;
      list.items.push_back(std::move(absent));
    }
    if (cursor_.at_end() || cursor_.column() < column || cursor_.at_document_marker()) return list;
    if (cursor_.column() > column) {
      cursor_.fault("this line is indented more than the list it stands in");
    }
    if (!at_list_item()) return list;  // the next key of a mapping at the same column
  }
}

// To the next content inside a flow collection, which must stay right of the enclosing block; the
// closing bracket may stand below the block's own column.
void YamlParser::skip_flow(int indent, char close) {
  const bool next_line = cursor_.skip_to_content();
  if (cursor_.at_end() || cursor_.at_document_marker()) {
    cursor_.fault(std::string("'") + close + "' is missing");
  }
  if (next_line && cursor_.column() <= indent &&
      !(cursor_.peek() == close && cursor_.column() == indent)) {
    cursor_.fault(std::string("'") + close +
                  "' is missing, or this line must be indented more than its key");
  }
}

YamlNode YamlParser::read_flow(int indent) {
  pass_properties(true);
  if (cursor_.peek() == '[') {
    const Depth depth(*this);
    return read_flow_list(indent);
  }
  if (cursor_.peek() == '{') {
    const Depth depth(*this);
    return read_flow_map(indent);
  }
  if (cursor_.peek() == '*') return read_alias(true);
  refuse_indicators();
  YamlNode node = begin_node();
  if (at_quote()) {
    node.quoted = true;
    set_text(node, read_quoted(indent));
    return node;
  }
  set_text(node, read_plain_line(cursor_, true));
  if (node.text == "-")
    YamlCursor::fault_at(node.line, node.offset, "no '- ' inside brackets: separate by ','");
  if (node.text == "~" || node.text == "null") node.kind = YamlNode::Kind::null;
  return node;
}

YamlNode YamlParser::read_flow_list(int indent) {
  YamlNode list = begin_node();
  list.kind = YamlNode::Kind::list;
  cursor_.advance();
  skip_flow(indent, ']');
  while (cursor_.peek() != ']') {
    list.items.push_back(read_flow(indent));
    skip_flow(indent, ']');
    if (cursor_.peek() == ':')
      cursor_.fault("a 'key: value' inside [] stands in {}: [{key: value}]");
    if (cursor_.peek() == ',') {
      cursor_.advance();
      skip_flow(indent, ']');
    } else if (cursor_.peek() != ']') {
      cursor_.fault("',' or ']' was expected here");
    }
  }
  cursor_.advance();
  return list;
}

YamlNode YamlParser::read_flow_key(int indent) {
  if (cursor_.peek() == '[' || cursor_.peek() == '{') {
    cursor_.fault("a key must be a word, not a list or mapping");
  }
  YamlNode key = read_flow(indent);
  key.kind = YamlNode::Kind::scalar;
  if (cursor_.line() != key.line) cursor_.fault("a key must fit on one line");
  skip_flow(indent, '}');
  if (cursor_.peek() == ':') {
    cursor_.advance();
    return key;
  }
  // Read on as if it had no value.
  key.refused = true;
  refuse(key, "'" + key.text.substr(0, 60) + "' needs ': value', with a space behind the ':'");
  if (cursor_.peek() != ',' && cursor_.peek() != '}') cursor_.fault("',' or '}' was expected here");
  return key;
}

YamlNode YamlParser::read_flow_map(int indent) {
  YamlNode map = begin_node();
  map.kind = YamlNode::Kind::map;
  SeenKeys seen;
  cursor_.advance();
  skip_flow(indent, '}');
  while (cursor_.peek() != '}') {
    YamlNode key = read_flow_key(indent);
    const bool kept = !key.refused && add_key(seen, map, std::move(key));
    YamlNode value = begin_node();
    skip_flow(indent, '}');
    if (cursor_.peek() != ',' && cursor_.peek() != '}') {
      --nodes_;
      value = read_flow(indent);
      skip_flow(indent, '}');
    }
    if (kept) map.items.push_back(std::move(value));
    if (cursor_.peek() == ',') {
      cursor_.advance();
      skip_flow(indent, '}');
    } else if (cursor_.peek() != '}') {
      cursor_.fault("',' or '}' was expected here");
    }
  }
  cursor_.advance();
  return map;
}

}  // namespace

YamlNode read_yaml_nodes(std::string_view text, std::vector<YamlFault>& refused) {
  return YamlParser(text, refused).read_document();
}

}  // namespace jevons
