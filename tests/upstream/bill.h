// The upstream's own bill: what a provider would invoice. Integer arithmetic, rounded up once a
// call: ceil(sum of tokens x picodollars per token / 1000) nanodollars. Independent of the gateway.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace upstream {

// Disjoint classes: their sum is what went in and out.
struct Tokens {
  std::int64_t uncached = 0;
  std::int64_t cached = 0;
  std::int64_t cache_write_5m = 0;
  std::int64_t cache_write_1h = 0;
  std::int64_t completion = 0;  // without reasoning
  std::int64_t reasoning = 0;

  std::int64_t prompt() const { return uncached + cached + cache_write_5m + cache_write_1h; }
  std::int64_t output() const { return completion + reasoning; }
};

// Picodollars per token; -1 inherits (cache classes from input, reasoning from output).
struct Rates {
  std::int64_t input = -1;
  std::int64_t cache_read = -1;
  std::int64_t cache_write_5m = -1;
  std::int64_t cache_write_1h = -1;
  std::int64_t output = -1;
  std::int64_t reasoning = -1;
  std::int64_t per_call = 0;  // picodollars
};

struct Tier {
  std::int64_t from = 0;  // applies when the total prompt has at least this many tokens
  Rates rates;
};

struct Price {
  Rates rates;
  std::vector<Tier> tiers;             // ascending; the last that applies prices all tokens
  std::map<std::string, Rates> modes;  // by the service tier that was served
};

// Nanodollars of one call.
std::int64_t cost_of(const Price& price, const Tokens& tokens, const std::string& service_tier);

struct BilledCall {
  std::int64_t number = 0;
  std::string id;
  std::string model;
  std::string endpoint;
  std::string key;    // the credential it came with
  std::string state;  // done, cut, cancelled, refused, dropped
  int status = 0;
  bool stream = false;
  Tokens tokens;
  std::optional<std::int64_t> nanodollars;  // empty: the model has no price
};

class Bill {
 public:
  // Empty paths: no prices, no file. Throws std::runtime_error with the reason.
  Bill(const std::string& price_file, const std::string& jsonl_file, std::size_t keep_calls);
  ~Bill();
  Bill(const Bill&) = delete;
  Bill& operator=(const Bill&) = delete;

  // Prices the call (only `done`, `cut` and `cancelled` cost anything) and writes it down.
  void add(BilledCall call, const std::string& service_tier);
  std::optional<std::int64_t> price_call(const std::string& model, const Tokens& tokens,
                                         const std::string& service_tier) const;
  void flush();
  void reset();
  std::string to_json(std::int64_t open_calls) const;

 private:
  struct Total {
    std::int64_t calls = 0;
    std::int64_t billed = 0;
    Tokens tokens;
    std::int64_t nanodollars = 0;
  };
  static std::string line(const BilledCall& call);
  static std::string total_json(const Total& total);

  std::map<std::string, Price, std::less<>> prices_;
  std::deque<BilledCall> calls_;
  std::size_t keep_calls_ = 0;
  std::map<std::string, Total, std::less<>> by_model_;
  Total total_;
  std::int64_t unpriced_ = 0;
  std::FILE* file_ = nullptr;
};

}  // namespace upstream
