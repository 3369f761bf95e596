// `jevons prices list`: which prices hold, for people, spreadsheets and programs.
#include <algorithm>
#include <array>
#include <chrono>

#include "gateway/cli/commands.h"
#include "providers/json.h"
#include "router/yaml_values.h"

namespace jevons {
namespace {

constexpr struct {
  std::string_view name;
  TokenClass token_class;
} columns[] = {
    {"input", TokenClass::input},
    {"cache_read", TokenClass::cache_read},
    {"cache_write_5m", TokenClass::cache_write_5m},
    {"cache_write_1h", TokenClass::cache_write_1h},
    {"output", TokenClass::output},
    {"reasoning", TokenClass::reasoning},
    {"audio_input", TokenClass::audio_input},
    {"image_input", TokenClass::image_input},
    {"audio_output", TokenClass::audio_output},
};

// Picodollars per token as dollars per million tokens, exactly: 2800 -> "0.0028".
std::string per_million(Picodollars price) {
  std::string digits = std::to_string(price.value % 1'000'000);
  digits.insert(0, 6 - digits.size(), '0');
  while (!digits.empty() && digits.back() == '0') digits.pop_back();
  return std::to_string(price.value / 1'000'000) + (digits.empty() ? "" : "." + digits);
}

std::string date_of(std::int64_t unix_s) {
  if (unix_s == INT64_MAX) return "";
  const std::chrono::year_month_day day{std::chrono::sys_days(std::chrono::days(unix_s / 86'400))};
  const auto two = [](unsigned value) { return (value < 10 ? "-0" : "-") + std::to_string(value); };
  return std::to_string(static_cast<int>(day.year())) + two(static_cast<unsigned>(day.month())) +
         two(static_cast<unsigned>(day.day()));
}

std::string clock_of(int minute) {
  const auto two = [](int value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  return two(minute / 60) + ":" + two(minute % 60);
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : std::string(separator)) + part;
  return out;
}

// What a row holds besides its rates: "peak 01:00-04:00 06:00-10:00; from 272000 tokens; batch
// flex".
std::string extras_of(const Price& price) {
  std::vector<std::string> extras, modes;
  for (const PriceWindow& window : price.windows) {
    std::string text = "window";
    for (const DailyWindow& daily : window.utc) {
      text += " " + clock_of(daily.from_minute) + "-" + clock_of(daily.until_minute);
    }
    extras.push_back(text);
  }
  for (const PriceTier& tier : price.tiers) {
    extras.push_back("from " + std::to_string(tier.from_tokens) + " tokens");
  }
  for (const auto& entry : price.modes) modes.push_back(entry.first);
  if (!modes.empty()) extras.push_back(joined(modes, " "));
  for (const auto& [region, factor] : price.multipliers) {
    extras.push_back(region + " x" + std::to_string(factor.numerator) + "/" +
                     std::to_string(factor.denominator));
  }
  if (price.discount) extras.push_back("discounted");
  return joined(extras, "; ");
}

std::string rate_of(const Price& price, TokenClass token_class) {
  const auto& rate = price.base[token_class];
  return rate ? per_million(*rate) : "";
}

void write_rates(JsonWriter& json, const Rates& rates) {
  for (const auto& [name, token_class] : columns) {
    if (rates[token_class]) json.key(name).raw(per_million(*rates[token_class]));
  }
}

void write_row(JsonWriter& json, const Price& price) {
  json.begin_object().key("id").string(price.id).key("row_id").string(price.row_id);
  json.key("from").string(date_of(price.from_unix_s)).key("until");
  price.until_unix_s == INT64_MAX ? json.null() : json.string(date_of(price.until_unix_s));
  json.key("usd_per_million_tokens").begin_object();
  write_rates(json, price.base);
  json.end_object().key("modes").begin_object();
  for (const auto& [mode, rates] : price.modes) {
    json.key(mode).begin_object();
    write_rates(json, rates);
    json.end_object();
  }
  json.end_object().key("tiers").begin_array();
  for (const PriceTier& tier : price.tiers) {
    json.begin_object().key("from_tokens").integer(tier.from_tokens);
    write_rates(json, tier.rates);
    json.end_object();
  }
  json.end_array().key("windows").begin_array();
  for (const PriceWindow& window : price.windows) {
    json.begin_object().key("utc").begin_array();
    for (const DailyWindow& daily : window.utc) {
      json.string(clock_of(daily.from_minute) + "-" + clock_of(daily.until_minute));
    }
    json.end_array();
    write_rates(json, window.rates);
    json.end_object();
  }
  json.end_array().key("source").string(price.source).end_object();
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

void print_csv(const CliIo& io, const std::vector<const Price*>& rows) {
  io.out << "row_id,id,from,until";
  for (const auto& column : columns) io.out << "," << column.name;
  io.out << ",extras,source\n";
  for (const Price* price : rows) {
    io.out << csv_field(price->row_id) << "," << csv_field(price->id) << ","
           << date_of(price->from_unix_s) << "," << date_of(price->until_unix_s);
    for (const auto& column : columns) io.out << "," << rate_of(*price, column.token_class);
    io.out << "," << csv_field(extras_of(*price)) << "," << csv_field(price->source) << "\n";
  }
}

void print_table(const CliIo& io, const std::vector<const Price*>& rows) {
  std::vector<std::array<std::string, 6>> cells = {
      {"price", "input", "cached", "write", "output", "besides"}};
  for (const Price* price : rows) {
    cells.push_back({price->row_id, rate_of(*price, TokenClass::input),
                     rate_of(*price, TokenClass::cache_read),
                     rate_of(*price, TokenClass::cache_write_5m),
                     rate_of(*price, TokenClass::output), extras_of(*price)});
  }
  std::array<std::size_t, 6> widths{};
  for (const auto& row : cells) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : cells) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string gap(widths[i] - row[i].size(), ' ');
      const bool text = i == 0 || i == 5;
      line += (i > 0 ? "  " : "") + (text ? row[i] + gap : gap + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    io.out << line << "\n";
  }
  io.err << rows.size() << (rows.size() == 1 ? " price" : " prices")
         << ", US dollars per million tokens; an empty rate is the input's (cached, write)\n";
}

}  // namespace

Exit run_prices_list(const CliIo& io, const ConfigSources& sources,
                     const PricesListOptions& options) {
  std::int64_t at = options.now_unix_s;
  if (!options.at.empty()) {
    std::vector<ConfigError> errors;
    YamlReader reader({"--at", options.at}, errors);
    const auto date = reader.ok() ? yaml_date(reader, reader.root(), "--at") : std::nullopt;
    if (!date) {
      io.err << "--at takes a date such as 2026-08-17, got '" << options.at << "'\n";
      return Exit::usage;
    }
    at = *date;
  }
  Config config;
  if (!load_for_reading(io, sources, options.config, config)) return Exit::config;
  std::vector<const Price*> rows;
  for (const Price& price : config.catalog.prices) {
    if (!options.model.empty() && !glob_match(options.model, price.id)) continue;
    if (!options.all && price_at(config.catalog, price.id, at) != &price) continue;
    rows.push_back(&price);
  }
  if (options.json) {
    std::string out;
    JsonWriter json(out);
    json.begin_array();
    for (const Price* price : rows) write_row(json, *price);
    json.end_array();
    io.out << out << "\n";
  } else if (options.csv) {
    print_csv(io, rows);
  } else {
    print_table(io, rows);
  }
  if (!rows.empty()) return Exit::good;
  io.err << "no price matches" << (options.model.empty() ? "" : " '" + options.model + "'") << "\n";
  return Exit::failure;
}

}  // namespace jevons
