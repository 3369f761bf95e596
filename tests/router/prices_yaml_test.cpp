// policies/prices.yaml: every form of contract.md 4, every mistake with its message.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include "tests/router/catalog_text.h"

using namespace jevons;

namespace {

std::string errors_of(const std::string& rows) {
  return testing::catalog_errors(load_prices, {"p.yaml", "prices:\n" + rows});
}

Catalog loaded(const std::string& text) {
  return testing::catalog_of(load_prices, {"p.yaml", text});
}

std::int64_t picodollars(const std::optional<Picodollars>& price) {
  return price ? price->value : -1;
}

}  // namespace

TEST_CASE("prices: every key of the contract") {
  const Catalog catalog = loaded(
      "prices:\n"
      "  - id: deepseek/deepseek-v4-flash\n"
      "    from: 2026-08-17\n"
      "    until: 2027-01-01\n"
      "    input: 0.22\n"
      "    cache_read: 0.0028\n"
      "    cache_write: {5m: 0.275, 1h: 0.44}\n"
      "    output: 0.66\n"
      "    reasoning: 0.7\n"
      "    audio_input: 1\n"
      "    windows: [{utc: [\"01:00-04:00\", \"22:30-24:00\"], input: 0.44, output: 1.32}]\n"
      "    tiers: [{above: 200000, input: 0.44}, {from: 272000, output: 0.99}]\n"
      "    modes: {batch: {input: 0.11, output: 0.33, tiers: [{from: 10, input: 3}]}, flex: {}}\n"
      "    per_call: {web_search: 0.01}\n"
      "    per_second: 0.0001\n"
      "    multipliers: {us: 1.1}\n"
      "    discount_percent: 12.5\n"
      "    source: \"price page, read 2026-09-23\"\n");
  const Price& price = catalog.prices.at(0);
  CHECK(price.row_id == "deepseek/deepseek-v4-flash@2026-08-17");
  CHECK(price.from_unix_s == 1'786'924'800);
  CHECK(price.until_unix_s == 1'798'761'600);
  CHECK(picodollars(price.base[TokenClass::input]) == 220'000);
  CHECK(picodollars(price.base[TokenClass::cache_read]) == 2'800);
  CHECK(picodollars(price.base[TokenClass::cache_write_5m]) == 275'000);
  CHECK(picodollars(price.base[TokenClass::cache_write_1h]) == 440'000);
  CHECK(picodollars(price.base[TokenClass::output]) == 660'000);
  CHECK(picodollars(price.base[TokenClass::reasoning]) == 700'000);
  CHECK(picodollars(price.base[TokenClass::audio_input]) == 1'000'000);
  CHECK(picodollars(price.base[TokenClass::image_input]) == -1);
  CHECK(picodollars(price.base.web_search) == 10'000'000'000);
  CHECK(picodollars(price.base.per_second) == 100'000'000);
  CHECK(price.windows.at(0).utc.at(0).from_minute == 60);
  CHECK(price.windows.at(0).utc.at(0).until_minute == 240);
  CHECK(price.windows.at(0).utc.at(1).from_minute == 1'350);
  CHECK(price.windows.at(0).utc.at(1).until_minute == 1'440);
  CHECK(picodollars(price.windows.at(0).rates[TokenClass::output]) == 1'320'000);
  CHECK(price.tiers.at(0).from_tokens == 200'001);  // above: more than
  CHECK(price.tiers.at(1).from_tokens == 272'000);  // from: at least
  CHECK(picodollars(price.modes.at("batch")[TokenClass::input]) == 110'000);
  CHECK(picodollars(price.mode_tiers.at("batch").at(0).rates[TokenClass::input]) == 3'000'000);
  CHECK(price.modes.contains("flex"));
  CHECK_FALSE(price.modes.contains("priority"));
  CHECK(price.multipliers.at("us").numerator == 11);
  CHECK(price.multipliers.at("us").denominator == 10);
  CHECK(price.discount->numerator * 8 == price.discount->denominator * 7);
  CHECK(price.source == "price page, read 2026-09-23");
}

TEST_CASE("prices: one cache_write is both, unknown is absent, old rows stay") {
  const Catalog catalog = loaded(
      "prices:\n"
      "  - {id: a/b, from: 2026-01-01, until: 2026-02-01, input: 1, cache_write: 2, output: 3}\n"
      "  - {id: a/b, from: 2026-02-01, input: unknown, output: 4, discount_percent: 0}\n");
  CHECK(picodollars(catalog.prices.at(0).base[TokenClass::cache_write_5m]) == 2'000'000);
  CHECK(picodollars(catalog.prices.at(0).base[TokenClass::cache_write_1h]) == 2'000'000);
  CHECK(picodollars(catalog.prices.at(1).base[TokenClass::input]) == -1);
  CHECK_FALSE(catalog.prices.at(1).discount.has_value());
  CHECK(price_at(catalog, "a/b", catalog.prices.at(1).from_unix_s - 1) == &catalog.prices.at(0));
  CHECK(price_at(catalog, "a/b", catalog.prices.at(1).from_unix_s) == &catalog.prices.at(1));
}

namespace {

const struct {
  const char* when;
  const char* rows;
  const char* error;
} mistakes[] = {
    {"a misspelt key", "  - {id: a/b, from: 2026-01-01, inptu: 1}\n",
     "p.yaml:2:33: unknown key 'inptu' in a price row; did you mean 'input'?\n"
     "  - {id: a/b, from: 2026-01-01, inptu: 1}\n                                ^\n"},
    {"no id and no date", "  - {input: 1}\n",
     "p.yaml:2:5: a price row needs 'id'\n  - {input: 1}\n    ^\n"
     "p.yaml:2:5: a price row needs 'from'\n  - {input: 1}\n    ^\n"},
    {"a float exponent", "  - {id: a/b, from: 2026-01-01, input: 1e-3}\n",
     "p.yaml:2:40: input takes dollars per million tokens such as 0.22, at most 6 decimals, got "
     "'1e-3'\n  - {id: a/b, from: 2026-01-01, input: 1e-3}\n"
     "                                       ^\n"},
    {"a leading zero", "  - {id: a/b, from: 2026-01-01, input: 012}\n",
     "p.yaml:2:40: input takes dollars per million tokens such as 0.22, at most 6 decimals, got "
     "'012'\n  - {id: a/b, from: 2026-01-01, input: 012}\n"
     "                                       ^\n"},
    {"a negative price", "  - {id: a/b, from: 2026-01-01, input: -1}\n",
     "p.yaml:2:40: input takes dollars per million tokens such as 0.22, at most 6 decimals, got "
     "'-1'\n  - {id: a/b, from: 2026-01-01, input: -1}\n"
     "                                       ^\n"},
    {"a currency sign", "  - {id: a/b, from: 2026-01-01, input: $1}\n",
     "p.yaml:2:40: input takes dollars per million tokens such as 0.22, at most 6 decimals, got "
     "'$1'\n  - {id: a/b, from: 2026-01-01, input: $1}\n"
     "                                       ^\n"},
    {"below a picodollar", "  - {id: a/b, from: 2026-01-01, input: 0.0000001}\n",
     "p.yaml:2:40: input takes dollars per million tokens such as 0.22, at most 6 decimals, got "
     "'0.0000001'\n  - {id: a/b, from: 2026-01-01, input: 0.0000001}\n"
     "                                       ^\n"},
    {"no such day", "  - {id: a/b, from: 2026-02-30, input: 1}\n",
     "p.yaml:2:21: from takes a date such as 2026-08-17, got '2026-02-30'\n"
     "  - {id: a/b, from: 2026-02-30, input: 1}\n                    ^\n"},
    {"an end before the start", "  - {id: a/b, from: 2026-01-02, until: 2026-01-02, input: 1}\n",
     "p.yaml:2:40: until must be after from: the row is valid from 'from', before 'until'\n"
     "  - {id: a/b, from: 2026-01-02, until: 2026-01-02, input: 1}\n"
     "                                       ^\n"},
    {"the same row twice", "  - {id: a/b, from: 2026-01-01}\n  - {id: a/b, from: 2026-01-01}\n",
     "p.yaml:3:5: price row 'a/b@2026-01-01' exists already; the ledger names rows by id and date, "
     "so give this one another 'from'\n  - {id: a/b, from: 2026-01-01}\n    ^\n"},
    {"a window without an end",
     "  - {id: a/b, from: 2026-01-01, windows: [{utc: \"01:00\", input: 1}]}\n",
     "p.yaml:2:49: utc takes a daily time window in UTC such as \"01:00-04:00\", got '01:00'\n"
     "  - {id: a/b, from: 2026-01-01, windows: [{utc: \"01:00\", input: 1}]}\n"
     "                                                ^\n"},
    {"a tier with two limits",
     "  - {id: a/b, from: 2026-01-01, tiers: [{above: 1, from: 2, input: 1}]}\n",
     "p.yaml:2:41: a tier takes 'above' (more than) or 'from' (at least), not both\n"
     "  - {id: a/b, from: 2026-01-01, tiers: [{above: 1, from: 2, input: 1}]}\n"
     "                                        ^\n"},
    {"a tier without a limit", "  - {id: a/b, from: 2026-01-01, tiers: [{input: 1}]}\n",
     "p.yaml:2:41: a tier needs 'above' (more than) or 'from' (at least) a number of tokens\n"
     "  - {id: a/b, from: 2026-01-01, tiers: [{input: 1}]}\n"
     "                                        ^\n"},
    {"tiers out of order",
     "  - {id: a/b, from: 2026-01-01, tiers: [{from: 9, input: 1}, {above: 8, input: 2}]}\n",
     "p.yaml:2:62: tiers must be in ascending order, each once\n"
     "  - {id: a/b, from: 2026-01-01, tiers: [{from: 9, input: 1}, {above: 8, input: 2}]}\n"
     "                                                             ^\n"},
    {"an unknown mode", "  - {id: a/b, from: 2026-01-01, modes: {batsh: {}}}\n",
     "p.yaml:2:41: unknown key 'batsh' in modes; did you mean 'batch'?\n"
     "  - {id: a/b, from: 2026-01-01, modes: {batsh: {}}}\n"
     "                                        ^\n"},
    {"unknown in a mode, which would mean the row's rate",
     "  - {id: a/b, from: 2026-01-01, modes: {batch: {input: unknown}}}\n",
     "p.yaml:2:56: 'unknown' stands in the row itself; a mode that is not known is left out\n"
     "  - {id: a/b, from: 2026-01-01, modes: {batch: {input: unknown}}}\n"
     "                                                       ^\n"},
    {"a factor of zero", "  - {id: a/b, from: 2026-01-01, multipliers: {us: 0}}\n",
     "p.yaml:2:51: multipliers.us takes a factor above zero such as 1.1, got '0'\n"
     "  - {id: a/b, from: 2026-01-01, multipliers: {us: 0}}\n"
     "                                                  ^\n"},
    {"a discount above 100", "  - {id: a/b, from: 2026-01-01, discount_percent: 101}\n",
     "p.yaml:2:51: discount_percent takes a plain decimal from 0 to 100, got '101'\n"
     "  - {id: a/b, from: 2026-01-01, discount_percent: 101}\n"
     "                                                  ^\n"},
    {"no list", "  a: 1\n",
     "p.yaml:2:3: prices must be a list: one '- ' a line, or [a, b]\n  a: 1\n  ^\n"},
    {"nothing at all", "",
     "p.yaml:1:1: prices needs a value; remove the key to leave it out\nprices:\n^\n"},
};

}  // namespace

TEST_CASE("prices: mistakes, each with its message") {
  for (const auto& row : mistakes) {
    CAPTURE(row.when);
    CHECK(errors_of(row.rows) == row.error);
  }
}

TEST_CASE("prices: the rows of prices.md that are easy to get wrong") {
  std::ifstream in(std::string(JEVONS_SOURCE_DIR) + "/policies/prices.yaml");
  std::stringstream text;
  text << in.rdbuf();
  const Catalog catalog = loaded(text.str());
  constexpr std::int64_t day = 86'400, november = 1'795'392'000;  // 2026-11-23
  const struct {
    const char* when;
    const char* id;
    std::int64_t time;
    const char* mode;
    std::int64_t total_input;
    TokenClass token_class;
    std::int64_t picodollars;
  } rows[] = {
      {"DeepSeek outside peak", "deepseek/deepseek-v4-flash", november, "", 9, TokenClass::input,
       220'000},
      {"DeepSeek at peak", "deepseek/deepseek-v4-flash", november + 3'600, "", 9,
       TokenClass::cache_read, 14'000},
      {"DeepSeek when peak ends", "deepseek/deepseek-v4-flash", november + 4 * 3'600, "", 9,
       TokenClass::output, 660'000},
      {"DeepSeek before its rise", "deepseek/deepseek-v4-flash", 1'786'924'799, "", 9,
       TokenClass::cache_read, 2'800},
      {"GPT-5.4 below its cliff", "openai/gpt-5.4", november, "", 271'999, TokenClass::output,
       15'000'000},
      {"GPT-5.4 at its cliff", "openai/gpt-5.4", november, "", 272'000, TokenClass::output,
       22'500'000},
      {"GPT-6 sol at its cliff, which is above", "openai/gpt-6-sol", november, "", 272'000,
       TokenClass::input, 2'000'000},
      {"GPT-6 sol above its cliff", "openai/gpt-6-sol", november, "", 272'001, TokenClass::input,
       4'000'000},
      {"GPT-5.4 batch cached is not half", "openai/gpt-5.4", november, "batch", 9,
       TokenClass::cache_read, 130'000},
      {"Gemini at its cliff", "gemini/gemini-3.1-pro-preview", november, "", 200'000,
       TokenClass::input, 2'000'000},
      {"Gemini above it", "gemini/gemini-3.1-pro-preview", november, "", 200'001,
       TokenClass::cache_read, 400'000},
      {"Gemini Flash doubles", "gemini/gemini-3.8-flash", 1'798'761'600, "priority", 9,
       TokenClass::input, 2'700'000},
      {"Gemini audio", "gemini/gemini-2.5-flash-lite", november, "", 9, TokenClass::audio_input,
       300'000},
      {"Sonnet 4.6 was not flat", "anthropic/claude-sonnet-4-6", 1'773'360'000 - day, "", 200'001,
       TokenClass::output, 22'500'000},
      {"Sonnet 4.6 is flat", "anthropic/claude-sonnet-4-6", 1'773'360'000, "", 900'000,
       TokenClass::output, 15'000'000},
      {"Opus 4.6 fast", "anthropic/claude-opus-4-6", november, "fast", 9,
       TokenClass::cache_write_1h, 60'000'000},
      {"Fable 5.1 reads its cache cheaply", "anthropic/claude-fable-5-1", november, "", 9,
       TokenClass::cache_read, 250'000},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Price* price = price_at(catalog, row.id, row.time);
    REQUIRE(price != nullptr);
    const auto rates = effective_rates(
        *price, {.unix_s = row.time, .mode = row.mode, .total_input = row.total_input});
    REQUIRE(rates.has_value());
    CHECK(picodollars((*rates)[row.token_class]) == row.picodollars);
  }
  const Price* opus = price_at(catalog, "anthropic/claude-opus-5", november);
  REQUIRE(opus != nullptr);
  CHECK_FALSE(effective_rates(*opus, {.unix_s = november, .mode = "fast"}).has_value());
}
