// The conditions that a rule's `when` can hold: one table in conditions.cpp says which keys exist,
// how their values are written and when they match.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "router/error.h"
#include "router/policy.h"

namespace jevons {

struct DecideInput;

// Reads the value of one key of `when`: `words` is what YAML held, a single value or a list. The
// error's message says what is wrong with the value and how to write it ("difficulty takes a range
// such as \">= 0.7\", got 'hard'"); the loader adds the position. An unknown key is an error too,
// but the loader looks it up in condition_table() first, to suggest the nearest.
Result<Condition> parse_condition(std::string_view key, const std::vector<std::string>& words);

// Its values are words or a list of them; else one range, or true or false.
bool condition_takes_words(std::string_view key);

// Whether the request, caller and snapshot of a decision fulfil it.
bool matches(const Condition& condition, const DecideInput& input);

// Whether this rule speaks about who asks (key, tags): such a rule binds a pinned name as well.
bool about_caller(const Rule& rule);

// Whether the minute of the day in UTC lies in a window, which may wrap past midnight.
bool in_daily_window(const DailyWindow& window, int minute_of_day);
int minute_of_day_utc(std::int64_t unix_s);

}  // namespace jevons
