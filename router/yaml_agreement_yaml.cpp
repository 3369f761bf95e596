#include <yaml-cpp/anchor.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>
#include <vector>

#include "router/yaml_agreement.h"

namespace jevons {
namespace {

enum class Event : std::uint8_t { scalar, list_begin, list_end, map_begin, map_end };

struct Expected {
  Event event;
  const YamlNode* node;
};

// The tree as the sequence of events that a parser reports for it.
void flatten(const YamlNode& node, std::vector<Expected>& out) {
  switch (node.kind) {
    case YamlNode::Kind::null:
    case YamlNode::Kind::scalar: out.push_back({Event::scalar, &node}); return;
    case YamlNode::Kind::list:
      out.push_back({Event::list_begin, &node});
      for (const YamlNode& item : node.items) flatten(item, out);
      out.push_back({Event::list_end, &node});
      return;
    case YamlNode::Kind::map:
      out.push_back({Event::map_begin, &node});
      for (std::size_t i = 0; i < node.keys.size(); ++i) {
        flatten(node.keys[i], out);
        flatten(node.items[i], out);
      }
      out.push_back({Event::map_end, &node});
      return;
  }
}

bool is_null_word(const std::string& text) {
  constexpr std::array<std::string_view, 5> words{"", "~", "null", "Null", "NULL"};
  return std::find(words.begin(), words.end(), text) != words.end();
}

class Comparison : public YAML::EventHandler {
 public:
  explicit Comparison(const YamlNode& root) : root_(root) { flatten(root, expected_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t anchor) override { scalar({}, anchor); }
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { differ("an alias"); }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t anchor,
                const std::string& value) override {
    scalar(value, anchor);
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    take(Event::list_begin, "a list");
  }
  void OnSequenceEnd() override { take(Event::list_end, "the end of a list"); }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    take(Event::map_begin, "a mapping");
  }
  void OnMapEnd() override { take(Event::map_end, "the end of a mapping"); }

  void finish() {
    if (at_ < expected_.size()) differ("nothing");
  }
  const std::optional<YamlDisagreement>& found() const { return found_; }

 private:
  void scalar(const std::string& value, YAML::anchor_t anchor) {
    if (anchor != 0) return differ("an anchor");
    const YamlNode* node = at_ < expected_.size() ? expected_[at_].node : nullptr;
    const bool same = node && expected_[at_].event == Event::scalar &&
                      (node->kind == YamlNode::Kind::null ? is_null_word(value)
                                                          : node->text == value);
    if (!same) return differ("'" + value.substr(0, 60) + "'");
    ++at_;
  }
  void take(Event event, const char* name) {
    if (at_ >= expected_.size() || expected_[at_].event != event) return differ(name);
    ++at_;
  }
  void differ(const std::string& what) {
    if (found_) return;
    const YamlNode& node = at_ < expected_.size() ? *expected_[at_].node : root_;
    found_ = YamlDisagreement{node.line, node.offset,
                              "other readers of YAML find " + what +
                                  " here: put the value in quotes or write it more plainly"};
  }

  const YamlNode& root_;
  std::vector<Expected> expected_;
  std::size_t at_ = 0;
  std::optional<YamlDisagreement> found_;
};

}  // namespace

std::optional<YamlDisagreement> yaml_disagreement(const std::string& text, const YamlNode& root) {
  Comparison comparison(root);
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    // An empty file is no document for yaml-cpp and an empty mapping for us.
    if (!parser.HandleNextDocument(comparison)) {
      if (root.kind == YamlNode::Kind::null) return std::nullopt;
    }
    comparison.finish();
    return comparison.found();
  } catch (const YAML::Exception& error) {
    const int line = error.mark.is_null() ? 0 : error.mark.line;
    std::size_t offset = 0;
    for (int i = 0; i < line && offset < text.size(); ++i) offset = text.find('\n', offset) + 1;
    return YamlDisagreement{static_cast<std::uint32_t>(line + 1),
                            static_cast<std::uint32_t>(offset),
                            "other readers of YAML refuse this line: " + error.msg};
  }
}

}  // namespace jevons
