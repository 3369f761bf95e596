#include <algorithm>
#include <array>
#include <utility>

#include "router/utf8.h"
#include "router/yaml_values.h"

namespace jevons {
namespace {

// Edits from one word to the other; two letters swapped are one edit. Long words are never near.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  constexpr std::size_t longest = 64;
  using Row = std::array<std::size_t, longest + 1>;
  if (a.size() > longest || b.size() > longest) return longest;
  Row before_last{}, last{}, row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last = last;
    last = row;
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest(std::string_view word, const std::vector<std::string_view>& known) {
  std::string_view best;
  std::size_t best_distance = std::min<std::size_t>(3, (word.size() + 1) / 2) + 1;
  for (const std::string_view candidate : known) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string or_list(std::span<const std::string_view> words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += words[i];
  }
  return out;
}

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known) {
  const std::string_view near = nearest(word, known);
  if (!near.empty()) return "; did you mean '" + std::string(near) + "'?";
  std::string out = " (known: ";
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (i == 20) return out + ", ...)";
    out += (i > 0 ? ", " : "") + std::string(known[i]);
  }
  return out + (known.empty() ? "none)" : ")");
}

std::string unknown_word(std::string_view kind, std::string_view word,
                         const std::vector<std::string_view>& known, std::string_view where) {
  std::string out = "unknown " + std::string(kind) + " " + quoted(word);
  if (!where.empty()) out += " in " + std::string(where);
  return out + suggestion(word, known);
}

YamlMap::YamlMap(YamlReader& reader, const YamlNode& node, std::string_view what,
                 std::span<const std::string_view> keys)
    : reader_(reader), node_(node), what_(what) {
  if (node.kind != YamlNode::Kind::map) {
    reader.fail(node, std::string(what) + " must be a mapping of 'key: value'");
    return;
  }
  for (const YamlNode& key : node.keys) {
    if (std::find(keys.begin(), keys.end(), key.text) != keys.end()) continue;
    reader.fail(key, unknown_word("key", key.text, {keys.begin(), keys.end()}, what));
  }
}

const YamlNode* YamlMap::get(std::string_view key) const {
  const YamlNode* value = node_.find(key);
  if (value == nullptr || value->kind != YamlNode::Kind::null) return value;
  if (value->refused) return nullptr;
  const auto named = std::find_if(node_.keys.begin(), node_.keys.end(),
                                  [&](const YamlNode& k) { return k.text == key; });
  reader_.fail(*named, std::string(key) + " needs a value; remove the key to leave it out");
  return nullptr;
}

const YamlNode* YamlMap::need(std::string_view key) const {
  if (node_.kind == YamlNode::Kind::map && node_.find(key) == nullptr) {
    reader_.fail(node_, std::string(what_) + " needs '" + std::string(key) + "'");
  }
  return get(key);
}

bool YamlMap::text(std::string_view key, std::string& out) const {
  const YamlNode* node = get(key);
  auto value = node == nullptr ? std::nullopt : yaml_text(reader_, *node, key);
  if (value) out = std::move(*value);
  return value.has_value();
}

bool YamlMap::name(std::string_view key, std::string& out) const {
  const YamlNode* node = get(key);
  auto value = node == nullptr ? std::nullopt : yaml_name(reader_, *node, key);
  if (value) out = std::move(*value);
  return value.has_value();
}

bool YamlMap::boolean(std::string_view key, bool& out) const {
  const YamlNode* node = get(key);
  const auto value = node == nullptr ? std::nullopt : yaml_boolean(reader_, *node, key);
  if (value) out = *value;
  return value.has_value();
}

bool YamlMap::integer(std::string_view key, std::int64_t& out, std::int64_t low,
                      std::int64_t high) const {
  const YamlNode* node = get(key);
  const auto value = node == nullptr ? std::nullopt : yaml_integer(reader_, *node, key, low, high);
  if (value) out = *value;
  return value.has_value();
}

bool YamlMap::decimal(std::string_view key, double& out, double low, double high) const {
  const YamlNode* node = get(key);
  const auto value = node == nullptr ? std::nullopt : yaml_decimal(reader_, *node, key, low, high);
  if (value) out = *value;
  return value.has_value();
}

bool YamlMap::duration_ms(std::string_view key, std::int64_t& out) const {
  const YamlNode* node = get(key);
  const auto value = node == nullptr ? std::nullopt : yaml_duration_ms(reader_, *node, key);
  if (value) out = *value;
  return value.has_value();
}

bool YamlMap::dollars(std::string_view key, std::optional<Nanodollars>& out) const {
  const YamlNode* node = get(key);
  const auto value = node == nullptr ? std::nullopt : yaml_dollars(reader_, *node, key);
  if (value) out = *value;
  return value.has_value();
}

bool YamlMap::words(std::string_view key, std::vector<std::string>& out) const {
  const YamlNode* node = get(key);
  if (node == nullptr) return false;
  out = yaml_words(reader_, *node, key);
  return true;
}

std::optional<std::size_t> YamlMap::choice(std::string_view key,
                                           std::span<const std::string_view> words) const {
  const YamlNode* node = get(key);
  return node == nullptr ? std::nullopt : yaml_choice(reader_, *node, key, words);
}

std::span<const YamlNode> YamlMap::list(std::string_view key) const {
  const YamlNode* node = get(key);
  if (node == nullptr) return {};
  if (node->kind != YamlNode::Kind::list) {
    reader_.fail(*node, std::string(key) + " must be a list: one '- ' a line, or [a, b]");
    return {};
  }
  return node->items;
}

}  // namespace jevons
