#include "router/yaml_values.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <initializer_list>
#include <numeric>
#include <utility>

namespace jevons {
namespace {

constexpr std::size_t errors_per_file_max = 100;

std::string shown(std::string_view text) {
  std::string out = "'" + std::string(text.substr(0, 60));
  return out + (text.size() > 60 ? "...'" : "'");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// "12", "0.25": digits, no leading zeros, at most one point with digits on both sides.
bool is_plain_decimal(std::string_view text) {
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  if (!all_digits(whole) || (whole.size() > 1 && whole.front() == '0')) return false;
  return point == std::string_view::npos || all_digits(text.substr(point + 1));
}

std::optional<std::int64_t> integer_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

// "7", "-1.5e3", ".5": what YAML 1.2 reads as a decimal number when it stands without quotes.
bool is_yaml_number(std::string_view text) {
  const auto skip_digits = [&text] {
    const std::size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count;
  };
  const auto skip_sign = [&text] {
    if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  };
  skip_sign();
  if (is_one_of(text, {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"})) return true;
  std::size_t digits = skip_digits();
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    digits += skip_digits();
  }
  if (digits == 0) return false;
  if (text.empty() || (text.front() != 'e' && text.front() != 'E')) return text.empty();
  text.remove_prefix(1);
  skip_sign();
  return skip_digits() > 0 && text.empty();
}

bool is_radix_number(std::string_view text) {
  const std::string_view digits = text.substr(std::min<std::size_t>(2, text.size()));
  if (digits.empty()) return false;
  const auto only = [&](std::string_view set) {
    return digits.find_first_not_of(set) == std::string_view::npos;
  };
  return (text.starts_with("0x") && only("0123456789abcdefABCDEF")) ||
         (text.starts_with("0o") && only("01234567"));
}

// What any YAML 1.2 reader, the editor with the JSON Schema included, takes for a number or a
// boolean and not for a text. Empty: it is a text.
std::string_view other_type(const YamlNode& node) {
  if (node.quoted) return {};
  if (is_one_of(node.text, {"true", "True", "TRUE", "false", "False", "FALSE"})) return "boolean";
  return is_yaml_number(node.text) || is_radix_number(node.text) ? "number" : "";
}

// The text of a scalar; reports what is none.
const std::string* scalar(YamlReader& reader, const YamlNode& node, std::string_view what) {
  const std::string name(what);
  switch (node.kind) {
    case YamlNode::Kind::scalar:
      return &node.text;
    case YamlNode::Kind::null:
      reader.fail(node, name + " needs a value");
      break;
    case YamlNode::Kind::list:
      reader.fail(node, name + " takes one value, not a list");
      break;
    case YamlNode::Kind::map:
      reader.fail(node, name + " takes one value, not a mapping");
      break;
  }
  return nullptr;
}

void fail_form(YamlReader& reader, const YamlNode& node, std::string_view what,
               std::string_view form) {
  reader.fail(node,
              std::string(what) + " takes " + std::string(form) + ", got " + shown(node.text));
}

// The digits of a number. In quotes they are a text; reported.
const std::string* number_text(YamlReader& reader, const YamlNode& node, std::string_view what) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr || !node.quoted) return text;
  reader.fail(node, std::string(what) + " takes a number without quotes, got " + shown(*text) +
                        " in quotes");
  return nullptr;
}

// A number or boolean where a text is wanted; reported.
bool is_text(YamlReader& reader, const YamlNode& node, std::string_view what) {
  const std::string_view type = other_type(node);
  if (type.empty()) return true;
  reader.fail(node, std::string(what) + " takes a text, got the " + std::string(type) + " " +
                        node.text + "; if that is meant, write it in quotes");
  return false;
}

// "07:30" -> 450; "24:00" is allowed as an end.
std::optional<int> minute_of(std::string_view text) {
  if (text.size() != 5 || text[2] != ':' || !all_digits(text.substr(0, 2)) ||
      !all_digits(text.substr(3))) {
    return {};
  }
  const int minutes =
      static_cast<int>(*integer_of(text.substr(0, 2)) * 60 + *integer_of(text.substr(3)));
  return text[3] > '5' || minutes > 24 * 60 ? std::optional<int>{} : minutes;
}

}  // namespace

YamlReader::YamlReader(const YamlFile& file, std::vector<ConfigError>& errors) : errors_(errors) {
  parse_yaml(file, document_, errors);
  ok_ = document_.readable;
}

void YamlReader::fail(const YamlNode& at, std::string message) {
  if (at.refused) return;
  if (++failures_ < errors_per_file_max) {
    errors_.push_back(document_.error_at(at, std::move(message)));
  } else if (failures_ == errors_per_file_max) {
    errors_.push_back(
        document_.error_at(at, "too many errors; the rest of this file is not shown"));
  }
}

void YamlReader::fail_unquoted(const YamlNode& at, std::string message) {
  const std::size_t before = errors_.size();
  fail(at, std::move(message));
  if (errors_.size() > before) errors_.back().quoted.clear();
}

std::optional<std::string> yaml_text(YamlReader& reader, const YamlNode& node,
                                     std::string_view what) {
  if (node.kind == YamlNode::Kind::scalar && !is_text(reader, node, what)) return {};
  return yaml_word(reader, node, what);
}

std::optional<std::string> yaml_word(YamlReader& reader, const YamlNode& node,
                                     std::string_view what) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  if (text->empty()) {
    reader.fail(node, std::string(what) + " must not be empty");
    return {};
  }
  const bool control = std::any_of(text->begin(), text->end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
  if (control) {
    reader.fail(node, std::string(what) + " must not hold line ends or control characters");
    return {};
  }
  return *text;
}

std::optional<std::string> yaml_name(YamlReader& reader, const YamlNode& node,
                                     std::string_view what) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  const auto allowed = [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("._-/:").find(c) != std::string_view::npos;
  };
  if (text->empty() || text->size() > 128 || !std::all_of(text->begin(), text->end(), allowed)) {
    fail_form(reader, node, what, "a name of letters, digits and . _ - / : (at most 128)");
    return {};
  }
  if (!is_text(reader, node, what)) return {};
  return *text;
}

std::optional<bool> yaml_boolean(YamlReader& reader, const YamlNode& node, std::string_view what) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  if (!node.quoted && (*text == "true" || *text == "false")) return *text == "true";
  fail_form(reader, node, what, "true or false");
  return {};
}

std::optional<std::int64_t> yaml_integer(YamlReader& reader, const YamlNode& node,
                                         std::string_view what, std::int64_t low,
                                         std::int64_t high) {
  const std::string* text = number_text(reader, node, what);
  if (text == nullptr) return {};
  if (text->size() > 1 && text->front() == '0' && all_digits(*text)) {
    reader.fail(node, std::string(what) + " must not have leading zeros, got " + shown(*text));
    return {};
  }
  const auto value = all_digits(*text) ? integer_of(*text) : std::optional<std::int64_t>{};
  if (value && *value >= low && *value <= high) return value;
  fail_form(reader, node, what,
            "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  return {};
}

std::optional<double> yaml_decimal(YamlReader& reader, const YamlNode& node, std::string_view what,
                                   double low, double high) {
  const std::string* text = number_text(reader, node, what);
  if (text == nullptr) return {};
  double value = 0;
  if (is_plain_decimal(*text)) {
    std::from_chars(text->data(), text->data() + text->size(), value);
    if (value >= low && value <= high) return value;
  }
  const auto shown = [](double bound) {
    char digits[32];
    return std::string(digits, std::to_chars(digits, std::end(digits), bound).ptr);
  };
  fail_form(reader, node, what, "a plain decimal from " + shown(low) + " to " + shown(high));
  return {};
}

std::optional<double> yaml_percent(YamlReader& reader, const YamlNode& node,
                                   std::string_view what) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  const std::string_view digits =
      std::string_view(*text).substr(0, text->empty() ? 0 : text->size() - 1);
  if (text->ends_with('%') && is_plain_decimal(digits)) {
    double value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (value <= 100) return value / 100;
  }
  fail_form(reader, node, what, "a percentage such as 5%");
  return {};
}

std::optional<std::int64_t> yaml_duration_ms(YamlReader& reader, const YamlNode& node,
                                             std::string_view what) {
  static constexpr struct {
    std::string_view unit;
    std::int64_t ms;
  } units[] = {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  const std::size_t digits = std::min(text->find_first_not_of("0123456789"), text->size());
  const std::string_view number = std::string_view(*text).substr(0, digits);
  for (const auto& [unit, ms] : units) {
    if (std::string_view(*text).substr(digits) != unit || number.empty() || number.front() == '0' ||
        number.size() > 9) {
      continue;
    }
    return *integer_of(number) * ms;  // at most 1e9 days: fits
  }
  fail_form(reader, node, what, "a duration such as 500ms, 2s, 15m, 24h or 400d");
  return {};
}

std::optional<std::int64_t> yaml_date(YamlReader& reader, const YamlNode& node,
                                      std::string_view what) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  const std::string_view s = *text;
  if (s.size() == 10 && s[4] == '-' && s[7] == '-' && all_digits(s.substr(0, 4)) &&
      all_digits(s.substr(5, 2)) && all_digits(s.substr(8, 2))) {
    const auto part = [&](std::size_t at, std::size_t size) {
      return static_cast<unsigned>(*integer_of(s.substr(at, size)));
    };
    const std::chrono::year_month_day day{std::chrono::year(static_cast<int>(part(0, 4))),
                                          std::chrono::month(part(5, 2)),
                                          std::chrono::day(part(8, 2))};
    if (day.ok()) return std::chrono::sys_days(day).time_since_epoch().count() * 86'400LL;
  }
  fail_form(reader, node, what, "a date such as 2026-08-17");
  return {};
}

std::optional<Picodollars> yaml_per_million(YamlReader& reader, const YamlNode& node,
                                            std::string_view what) {
  const std::string* text = number_text(reader, node, what);
  if (text == nullptr) return {};
  if (const auto price =
          is_plain_decimal(*text) ? parse_dollars_per_million(*text) : std::nullopt) {
    return price;
  }
  fail_form(reader, node, what, "dollars per million tokens such as 0.22, at most 6 decimals");
  return {};
}

std::optional<Nanodollars> yaml_dollars(YamlReader& reader, const YamlNode& node,
                                        std::string_view what) {
  const std::string* text = number_text(reader, node, what);
  if (text == nullptr) return {};
  if (const auto amount = is_plain_decimal(*text) ? parse_dollars(*text) : std::nullopt)
    return amount;
  fail_form(reader, node, what, "dollars such as 5 or 0.05, at most 9 decimals");
  return {};
}

std::optional<Rational> yaml_rational(YamlReader& reader, const YamlNode& node,
                                      std::string_view what) {
  const std::string* text = number_text(reader, node, what);
  if (text == nullptr) return {};
  if (is_plain_decimal(*text) && text->size() <= 10) {
    std::string digits = *text;
    Rational value;
    if (const std::size_t point = digits.find('.'); point != std::string::npos) {
      for (std::size_t i = point + 1; i < digits.size(); ++i) value.denominator *= 10;
      digits.erase(point, 1);
    }
    value.numerator = *integer_of(digits);
    if (value.numerator > 0) {
      const std::int64_t common = std::gcd(value.numerator, value.denominator);
      return Rational{value.numerator / common, value.denominator / common};
    }
  }
  fail_form(reader, node, what, "a factor above zero such as 1.1");
  return {};
}

std::optional<DailyWindow> yaml_daily_window(YamlReader& reader, const YamlNode& node,
                                             std::string_view what) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  const std::string_view s = *text;
  const auto from = s.size() == 11 && s[5] == '-' ? minute_of(s.substr(0, 5)) : std::nullopt;
  const auto until = s.size() == 11 ? minute_of(s.substr(6)) : std::nullopt;
  if (from && until && *from != *until && *from < 24 * 60) return DailyWindow{*from, *until};
  fail_form(reader, node, what, "a daily time window in UTC such as \"01:00-04:00\"");
  return {};
}

std::vector<const YamlNode*> yaml_several(YamlReader& reader, const YamlNode& node,
                                          std::string_view what) {
  if (node.kind != YamlNode::Kind::list) return {&node};
  if (node.items.empty()) reader.fail(node, std::string(what) + " must not be an empty list");
  std::vector<const YamlNode*> nodes;
  for (const YamlNode& item : node.items) nodes.push_back(&item);
  return nodes;
}

std::vector<std::string> yaml_words(YamlReader& reader, const YamlNode& node,
                                    std::string_view what) {
  std::vector<std::string> words;
  if (node.kind == YamlNode::Kind::list) {
    for (const YamlNode& item : node.items) {
      if (auto word = yaml_text(reader, item, what)) words.push_back(std::move(*word));
    }
  } else if (auto word = yaml_text(reader, node, what)) {
    words.push_back(std::move(*word));
  }
  return words;
}

std::optional<std::size_t> yaml_choice(YamlReader& reader, const YamlNode& node,
                                       std::string_view what,
                                       std::span<const std::string_view> words) {
  const std::string* text = scalar(reader, node, what);
  if (text == nullptr) return {};
  const auto found = std::find(words.begin(), words.end(), *text);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  fail_form(reader, node, what, or_list(words));
  return {};
}

}  // namespace jevons
