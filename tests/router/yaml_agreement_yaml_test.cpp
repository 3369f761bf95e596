#include "router/yaml_agreement.h"

#include <doctest/doctest.h>

using namespace jevons;

namespace {

YamlNode scalar(std::string text) {
  YamlNode node;
  node.kind = YamlNode::Kind::scalar;
  node.text = std::move(text);
  node.line = 1;
  return node;
}

YamlNode map_of(std::string key, YamlNode value) {
  YamlNode node;
  node.kind = YamlNode::Kind::map;
  node.line = 1;
  node.keys.push_back(scalar(std::move(key)));
  node.items.push_back(std::move(value));
  return node;
}

}  // namespace

TEST_CASE("a tree that yaml-cpp reads differently is named at its place") {
  struct {
    const char* when;
    const char* text;
    YamlNode tree;
    const char* message;
  } rows[] = {
      {"the same mapping", "a: 1\n", map_of("a", scalar("1")), ""},
      {"null in any spelling", "a: ~\n", map_of("a", YamlNode{}), ""},
      {"another value", "a: 2\n", map_of("a", scalar("1")),
       "other readers of YAML find '2' here: put the value in quotes or write it more plainly"},
      {"a list in place of a scalar", "a: [1]\n", map_of("a", scalar("1")),
       "other readers of YAML find a list here: put the value in quotes or write it more plainly"},
      {"something missing", "a: 1\n", scalar("a: 1"),
       "other readers of YAML find a mapping here: put the value in quotes or write it more "
       "plainly"},
      {"what yaml-cpp refuses", "a: [1\n", map_of("a", scalar("1")),
       "other readers of YAML refuse this line: end of sequence flow not found"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const auto found = yaml_disagreement(row.text, row.tree);
    CHECK((found ? found->message : "") == row.message);
  }
}
