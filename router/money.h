// Money as integers. Prices are picodollars per token (= the published dollars per million tokens
// times 1,000,000), spend is nanodollars. Arithmetic is checked: what does not fit is an error,
// never a wrapped or rounded number.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jevons {

struct Picodollars {  // per token, or per call or second where a field says so
  std::int64_t value = 0;
  auto operator<=>(const Picodollars&) const = default;
};

struct Nanodollars {
  std::int64_t value = 0;
  auto operator<=>(const Nanodollars&) const = default;
};

inline constexpr Nanodollars nanodollars_max{INT64_MAX};

// Saturates at the ends of int64: sums of spend must never turn negative.
Nanodollars operator+(Nanodollars a, Nanodollars b);
Nanodollars operator-(Nanodollars a, Nanodollars b);
Nanodollars& operator+=(Nanodollars& a, Nanodollars b);

// An exact decimal ("0.22", "1e-3" is refused) of dollars per million tokens to picodollars per
// token. Empty when it is not a plain non-negative decimal or has digits below a picodollar.
std::optional<Picodollars> parse_dollars_per_million(std::string_view text);
// An exact decimal of dollars to nanodollars; empty likewise.
std::optional<Nanodollars> parse_dollars(std::string_view text);

// "0.000412000": dollars with nine decimals, the form of money in headers (contract.md 7).
std::string dollars_text(Nanodollars amount);
// "0.000412": the same without trailing zeros, the form of money in JSON.
std::string dollars_json(Nanodollars amount);

}  // namespace jevons
