// Typed values out of a YAML tree: the one place that knows how a duration, a price or a date is
// written, and what is said when it is not. Errors are collected, reading goes on.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/config_load.h"
#include "router/money.h"
#include "router/target.h"
#include "router/yaml_tree.h"

namespace jevons {

// One file that is being read, and where its errors go.
class YamlReader {
 public:
  YamlReader(const YamlFile& file, std::vector<ConfigError>& errors);
  // False: the file is not YAML, or empty where it must not be; the error is reported.
  bool ok() const { return ok_; }
  const YamlNode& root() const { return document_.root; }
  const std::string& file() const { return document_.file; }
  void fail(const YamlNode& at, std::string message);
  // The same without the quoted line, where that line may hold a secret.
  void fail_unquoted(const YamlNode& at, std::string message);

 private:
  YamlDocument document_;
  std::vector<ConfigError>& errors_;
  std::size_t failures_ = 0;
  bool ok_ = false;
};

// Each reads one scalar, or reports and answers empty. `what` names the value in the message.
// Types are as the JSON Schemas say: a text that YAML reads as a number needs quotes, a number must
// not have any.
std::optional<std::string> yaml_text(YamlReader& reader, const YamlNode& node,
                                     std::string_view what);
// The same for a value that may be a number or a boolean too, such as that of a condition.
std::optional<std::string> yaml_word(YamlReader& reader, const YamlNode& node,
                                     std::string_view what);
// A name: letters, digits and . _ - / : , at most 128 of them.
std::optional<std::string> yaml_name(YamlReader& reader, const YamlNode& node,
                                     std::string_view what);
std::optional<bool> yaml_boolean(YamlReader& reader, const YamlNode& node, std::string_view what);
std::optional<std::int64_t> yaml_integer(YamlReader& reader, const YamlNode& node,
                                         std::string_view what, std::int64_t low,
                                         std::int64_t high);
// A plain decimal between low and high.
std::optional<double> yaml_decimal(YamlReader& reader, const YamlNode& node, std::string_view what,
                                   double low, double high);
std::optional<double> yaml_percent(YamlReader& reader, const YamlNode& node, std::string_view what);
// "500ms", "2s", "15m", "24h", "400d" -> milliseconds, above zero.
std::optional<std::int64_t> yaml_duration_ms(YamlReader& reader, const YamlNode& node,
                                             std::string_view what);
// "2026-08-17" -> unix seconds of 00:00 UTC.
std::optional<std::int64_t> yaml_date(YamlReader& reader, const YamlNode& node,
                                      std::string_view what);
std::optional<Picodollars> yaml_per_million(YamlReader& reader, const YamlNode& node,
                                            std::string_view what);
std::optional<Nanodollars> yaml_dollars(YamlReader& reader, const YamlNode& node,
                                        std::string_view what);
// An exact decimal above zero as a fraction: 1.1 = 11/10.
std::optional<Rational> yaml_rational(YamlReader& reader, const YamlNode& node,
                                      std::string_view what);
// "01:00-04:00", UTC.
std::optional<DailyWindow> yaml_daily_window(YamlReader& reader, const YamlNode& node,
                                             std::string_view what);
// One value or a list of values, each a text.
std::vector<std::string> yaml_words(YamlReader& reader, const YamlNode& node,
                                    std::string_view what);
// The nodes of a list, or the node itself: "one or several". Reports an empty list.
std::vector<const YamlNode*> yaml_several(YamlReader& reader, const YamlNode& node,
                                          std::string_view what);
// The index of the word in `words`; otherwise reports "... takes a, b or c".
std::optional<std::size_t> yaml_choice(YamlReader& reader, const YamlNode& node,
                                       std::string_view what,
                                       std::span<const std::string_view> words);

// A mapping with a fixed set of keys: unknown ones are reported at once, with the nearest known.
class YamlMap {
 public:
  // `what` with its article: "a target", "the price row".
  YamlMap(YamlReader& reader, const YamlNode& node, std::string_view what,
          std::span<const std::string_view> keys);
  // The value of a key, null if absent; a key without a value is reported and counts as absent.
  const YamlNode* get(std::string_view key) const;
  // The same, reported if absent.
  const YamlNode* need(std::string_view key) const;
  const YamlNode& node() const { return node_; }

  // These leave `out` as it is when the key is absent or wrong, and say whether it was set.
  bool text(std::string_view key, std::string& out) const;
  bool name(std::string_view key, std::string& out) const;
  bool boolean(std::string_view key, bool& out) const;
  bool integer(std::string_view key, std::int64_t& out, std::int64_t low, std::int64_t high) const;
  bool decimal(std::string_view key, double& out, double low, double high) const;
  bool duration_ms(std::string_view key, std::int64_t& out) const;
  bool dollars(std::string_view key, std::optional<Nanodollars>& out) const;
  bool words(std::string_view key, std::vector<std::string>& out) const;
  std::optional<std::size_t> choice(std::string_view key,
                                    std::span<const std::string_view> words) const;
  // The items of a list; a value that is no list is reported.
  std::span<const YamlNode> list(std::string_view key) const;

 private:
  YamlReader& reader_;
  const YamlNode& node_;
  std::string_view what_;
};

// "; did you mean 'model'?", or " (known: name, model)" where none is near.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& known);
// "unknown key 'modle' in a target; did you mean 'model'?", or the known ones where none is near.
// `where` is "a target", empty where the kind says enough.
std::string unknown_word(std::string_view kind, std::string_view word,
                         const std::vector<std::string_view>& known, std::string_view where = {});
// "a, b or c"
std::string or_list(std::span<const std::string_view> words);

}  // namespace jevons
