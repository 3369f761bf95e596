#include <doctest/doctest.h>

#include "router/target.h"

using namespace jevons;

namespace {

Rates rates(std::string_view input, std::string_view output = "", std::string_view cache_read = "",
            std::string_view write_5m = "", std::string_view write_1h = "") {
  Rates r;
  const auto set = [&r](TokenClass c, std::string_view text) {
    if (!text.empty()) r[c] = parse_dollars_per_million(text).value();
  };
  set(TokenClass::input, input);
  set(TokenClass::output, output);
  set(TokenClass::cache_read, cache_read);
  set(TokenClass::cache_write_5m, write_5m);
  set(TokenClass::cache_write_1h, write_1h);
  return r;
}

Usage used(std::int64_t input, std::int64_t output = 0) {
  Usage usage;
  usage[TokenClass::input].count = input;
  usage[TokenClass::output].count = output;
  return usage;
}

std::int64_t at(int hour, int minute, int second = 0) {
  return 1'790'000'000 / 86'400 * 86'400 + hour * 3600 + minute * 60 + second;
}

// The rates as "input/cache_read/cache_write_5m/output" in picodollars per token.
std::string shown(const std::optional<Rates>& r) {
  if (!r) return "unknown";
  std::string text;
  for (const TokenClass c : {TokenClass::input, TokenClass::cache_read, TokenClass::cache_write_5m,
                             TokenClass::output}) {
    text += (text.empty() ? "" : "/") + ((*r)[c] ? std::to_string((*r)[c]->value) : "-");
  }
  return text;
}

// Peak windows of DeepSeek V4-Flash, one of them made to wrap past midnight.
Price windowed() {
  Price price{.id = "w", .base = rates("0.22", "0.66", "0.007", "0.275")};
  price.windows = {{.utc = {{60, 240}, {360, 600}}, .rates = rates("0.44", "1.32", "0.014")},
                   {.utc = {{1380, 30}}, .rates = rates("0.11")}};
  return price;
}

// GPT-5.4 and its relatives: a cliff, a batch mode with a cliff of its own, priority without one.
Price tiered() {
  Price price{.id = "t", .base = rates("2.5", "15", "0.25")};
  price.tiers = {{.from_tokens = 272'000, .rates = rates("5", "22.5", "0.5")}};
  price.modes = {
      {"batch", rates("1.25", "7.5", "0.13")}, {"priority", rates("5", "30")}, {"flex", {}}};
  price.mode_tiers["batch"] = {{.from_tokens = 272'000, .rates = rates("2.5", "11.25")}};
  return price;
}

}  // namespace

TEST_CASE("rates: row, then mode, then its tier, then window") {
  Price plain{.id = "p", .base = rates("0.15", "0.60")};
  Price no_output{.id = "p", .base = rates("0.15")};
  Price embeddings{.id = "e", .embeddings = true, .base = rates("0.02")};
  Price no_input{.id = "p", .base = rates("", "0.60")};
  const Price t = tiered(), w = windowed();
  struct {
    std::string when;
    const Price& price;
    PriceQuery query;
    const char* expect;
  } rows[] = {
      {"cache classes inherit the input rate", plain, {}, "150000/150000/150000/600000"},
      {"standard is no mode", plain, {.mode = "standard"}, "150000/150000/150000/600000"},
      {"an unlisted mode is unknown", plain, {.mode = "batch"}, "unknown"},
      {"no output rate is unknown", no_output, {}, "unknown"},
      {"no input rate is unknown", no_input, {}, "unknown"},
      {"embeddings need no output rate", embeddings, {}, "20000/20000/20000/-"},
      {"below the cliff", t, {.total_input = 271'999}, "2500000/250000/2500000/15000000"},
      {"on the cliff, all rates change",
       t,
       {.total_input = 272'000},
       "5000000/500000/5000000/22500000"},
      {"a mode keeps its explicit cached rate",
       t,
       {.mode = "batch"},
       "1250000/130000/1250000/7500000"},
      {"a mode's own cliff; absent keys inherit from the mode",
       t,
       {.mode = "batch", .total_input = 300'000},
       "2500000/130000/2500000/11250000"},
      {"an empty mode is the row", t, {.mode = "flex"}, "2500000/250000/2500000/15000000"},
      {"a mode without a cliff inherits the row's",
       t,
       {.mode = "flex", .total_input = 272'000},
       "5000000/500000/5000000/22500000"},
      {"a mode inherits the row's cached rate",
       t,
       {.mode = "priority"},
       "5000000/250000/5000000/30000000"},
      {"before a window", w, {.unix_s = at(0, 59, 59)}, "220000/7000/275000/660000"},
      {"a window includes its start", w, {.unix_s = at(1, 0)}, "440000/14000/275000/1320000"},
      {"its last second", w, {.unix_s = at(3, 59, 59)}, "440000/14000/275000/1320000"},
      {"its end is exclusive", w, {.unix_s = at(4, 0)}, "220000/7000/275000/660000"},
      {"the second span of a window", w, {.unix_s = at(9, 59)}, "440000/14000/275000/1320000"},
      {"a window before midnight", w, {.unix_s = at(23, 0)}, "110000/7000/275000/660000"},
      {"it wraps past midnight", w, {.unix_s = at(0, 29, 59)}, "110000/7000/275000/660000"},
      {"and ends", w, {.unix_s = at(0, 30)}, "220000/7000/275000/660000"},
      {"before 1970 the clock still has 24 hours", w, {.unix_s = -1}, "110000/7000/275000/660000"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(shown(effective_rates(row.price, row.query)) == row.expect);
  }
}

TEST_CASE("rates: above means one token later than from") {
  Price google{.id = "g", .base = rates("2", "12", "0.2")};
  google.tiers = {{.from_tokens = 200'001, .rates = rates("4", "18", "0.4")}};
  CHECK(shown(effective_rates(google, {.total_input = 200'000})) ==
        "2000000/200000/2000000/12000000");
  CHECK(shown(effective_rates(google, {.total_input = 200'001})) ==
        "4000000/400000/4000000/18000000");
}

TEST_CASE("rates: reasoning and audio take their side's rate unless they have one") {
  Price price{.id = "p", .base = rates("0.10", "0.40")};
  price.base[TokenClass::audio_input] = parse_dollars_per_million("0.30").value();
  auto r = effective_rates(price, {}).value();
  CHECK(r[TokenClass::audio_input]->value == 300'000);
  CHECK(r[TokenClass::image_input]->value == 100'000);
  CHECK(r[TokenClass::reasoning]->value == 400'000);
  CHECK(r[TokenClass::audio_output]->value == 400'000);
  price.base[TokenClass::reasoning] = parse_dollars_per_million("3.5").value();
  r = effective_rates(price, {}).value();
  CHECK(r[TokenClass::reasoning]->value == 3'500'000);
}

TEST_CASE("the last row that holds at a time is the price") {
  Catalog catalog;
  catalog.prices = {
      {.id = "a", .row_id = "a@1", .from_unix_s = 100, .until_unix_s = 300},
      {.id = "a", .row_id = "a@2", .from_unix_s = 200},
      {.id = "b", .row_id = "b@1"},
      {.id = "a", .row_id = "a@3", .from_unix_s = 400, .until_unix_s = 500},
  };
  struct {
    std::string when;
    const char* id;
    std::int64_t time;
    const char* row;
  } rows[] = {
      {"before the first", "a", 99, ""},
      {"from is inclusive", "a", 100, "a@1"},
      {"two hold: the later in the file", "a", 200, "a@2"},
      {"a dated exception", "a", 400, "a@3"},
      {"until is exclusive", "a", 500, "a@2"},
      {"another id", "b", 100, "b@1"},
      {"an unknown id is not guessed from a prefix", "a-mini", 100, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Price* price = price_at(catalog, row.id, row.time);
    CHECK((price ? price->row_id : "") == row.row);
  }
}

TEST_CASE("cost is summed exactly and rounded up once") {
  Price mini{.id = "m", .base = rates("0.15", "0.60", "0.075", "0.1875", "0.3")};
  Price tiny{.id = "t", .base = rates("0.0028", "0.28")};
  Price us{.id = "u", .base = rates("2", "10")};
  us.multipliers["us"] = {11, 10};
  Price rebate{.id = "r", .base = rates("0.01", "0.01"), .discount = Rational{85, 100}};
  Price free_of_charge{.id = "f", .base = rates("0", "0")};
  Usage mixed = used(10, 3);
  mixed[TokenClass::cache_read].count = 100;
  mixed[TokenClass::cache_write_5m].count = 4;
  mixed[TokenClass::cache_write_1h].count = 2;
  mixed[TokenClass::reasoning].count = 7;
  struct {
    std::string when;
    const Price& price;
    PriceQuery query;
    Usage usage;
    std::optional<std::int64_t> nanodollars;
  } rows[] = {
      {"nothing used costs nothing", mini, {}, {}, 0},
      {"a million tokens cost the published price", mini, {}, used(1'000'000), 150'000'000},
      {"one token of a tiny price is a whole nanodollar more, not zero", tiny, {}, used(1), 3},
      {"rounding happens once, not per class", tiny, {}, used(5, 0), 14},
      {"classes are disjoint and each has its rate",
       mini,
       {},
       mixed,
       // 10*150 + 3*600 + 100*75 + 4*187.5 + 2*300 + 7*600 nanodollars per thousand
       16'350},
      {"a region multiplier", us, {.region = "us"}, used(1'000), 2'200'000},
      {"another region pays the base price", us, {.region = "eu"}, used(1'000), 2'000'000},
      {"a discount is exact and rounds up", rebate, {}, used(1), 9},
      {"a price of zero is known", free_of_charge, {}, used(1'000, 1'000), 0},
      {"a negative claim has no cost", mini, {}, used(-1), std::nullopt},
      {"an unlisted mode has no cost", mini, {.mode = "flex"}, used(1), std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const auto cost = cost_of(row.price, row.query, row.usage);
    REQUIRE(cost.has_value() == row.nanodollars.has_value());
    if (cost) CHECK(cost->total.value == *row.nanodollars);
  }
}

TEST_CASE("calls and seconds join the sum before it is rounded") {
  Price price{.id = "p", .base = rates("0.0001", "0.0001")};
  price.base.web_search = Picodollars{10'000'000'000};  // 0.01 dollars a call
  price.base.per_second = Picodollars{250};
  Usage usage = used(1);  // 100 picodollars
  usage.web_search_calls = 3;
  const auto cost = cost_of(price, {}, usage, 1'600);  // 400 picodollars of engine time
  REQUIRE(cost);
  CHECK(cost->total.value == 30'000'001);
  CHECK(cost->call.value == 30'000'000);

  Price without{.id = "p", .base = rates("1", "1")};
  CHECK_FALSE(cost_of(without, {}, usage));  // a search whose price nobody knows
}

TEST_CASE("embeddings that claim completion tokens have no known cost") {
  Price embeddings{.id = "e", .embeddings = true, .base = rates("0.02")};
  CHECK(cost_of(embeddings, {}, used(50)).value().total.value == 1'000);
  CHECK_FALSE(cost_of(embeddings, {}, used(50, 1)));
}

TEST_CASE("sums that leave int64 are unknown, never wrapped") {
  Price dear{.id = "d", .base = rates("150", "600")};
  struct {
    std::string when;
    std::int64_t tokens;
    std::optional<std::int64_t> nanodollars;
  } rows[] = {
      {"the most that fits", 61'489'146'912'365, 9'223'372'036'854'750'000},
      {"one token more", 61'489'146'912'366, std::nullopt},
      {"an absurd claim", INT64_MAX, std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const auto cost = cost_of(dear, {}, used(row.tokens));
    REQUIRE(cost.has_value() == row.nanodollars.has_value());
    if (cost) CHECK(cost->total.value == *row.nanodollars);
  }
  Usage all;
  for (auto& tokens : all.tokens) tokens.count = INT64_MAX;
  Price absurd{.id = "x", .base = rates("9223372036854.775807", "9223372036854.775807")};
  CHECK_FALSE(cost_of(absurd, {}, all));
}

TEST_CASE("the parts of a cost never add up to more than rounding allows") {
  Price price{.id = "p", .base = rates("0.22", "0.66", "0.007", "0.275")};
  std::uint64_t state = 1;
  const auto next = [&state](std::int64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::int64_t>((state >> 33) % static_cast<std::uint64_t>(below));
  };
  for (int round = 0; round < 500; ++round) {
    Usage usage;
    for (auto& tokens : usage.tokens) tokens.count = next(100'000);
    const auto cost = cost_of(price, {}, usage).value();
    const std::int64_t parts = cost.input.value + cost.cache_read.value + cost.cache_write.value +
                               cost.output.value + cost.reasoning.value + cost.call.value;
    CHECK(std::abs(parts - cost.total.value) <= 4);
    // A bill of two halves is never cheaper than the whole: rounding up favours nobody twice.
    Usage half = usage, rest = usage;
    for (std::size_t i = 0; i < token_class_count; ++i) {
      half.tokens[i].count /= 2;
      rest.tokens[i].count -= half.tokens[i].count;
    }
    const std::int64_t split =
        cost_of(price, {}, half)->total.value + cost_of(price, {}, rest)->total.value;
    CHECK(split >= cost.total.value);
    CHECK(split <= cost.total.value + 1);
  }
}

TEST_CASE("a local target costs its hours, rounded up") {
  struct {
    std::string when;
    std::int64_t per_hour, microseconds, nanodollars;
  } rows[] = {
      {"an hour", 900'000'000, 3'600'000'000, 900'000'000},
      {"a microsecond is not free", 900'000'000, 1, 1},
      {"no time, no cost", 900'000'000, 0, 0},
      {"a broken clock costs nothing", 900'000'000, -5, 0},
      {"it saturates", INT64_MAX, INT64_MAX, INT64_MAX},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(local_cost({row.per_hour}, row.microseconds).value == row.nanodollars);
  }
}
