#include "gateway/time_zone.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace jevons {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t day_s = 86'400;

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

year_month_day date_of(std::int64_t local_s) {
  return year_month_day(sys_days(days(floor_div(local_s, day_s))));
}

std::int64_t seconds_of(const year_month_day& date) {
  return sys_days(date).time_since_epoch().count() * day_s;
}

std::string iso_date(const year_month_day& date) {
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

Error zone_error(std::string_view name, std::string_view why) {
  return Error(Fault::config, fmt::format("time zone '{}' {}; use a name such as Europe/Berlin "
                                          "or UTC",
                                          name, why));
}

// POSIX TZ rules as they stand at the end of a TZif file: "CET-1CEST,M3.5.0,M10.5.0/3".
struct RuleDate {
  int month = 0, week = 0, weekday = 0;  // Mm.w.d
  int day = -1;                          // Jn (1..365, no leap day) or n (0..365)
  bool julian = false;
  std::int64_t at_s = 7'200;
};
struct PosixRule {
  std::int64_t standard = 0, summer = 0;  // seconds east of UTC
  bool has_summer = false;
  RuleDate begin, end;
};

class RuleParser {
 public:
  explicit RuleParser(std::string_view text) : rest_(text) {}
  bool parse(PosixRule& rule) {
    if (!name() || !offset(rule.standard)) return false;
    rule.standard = -rule.standard;
    if (rest_.empty()) return true;
    if (!name()) return false;
    rule.has_summer = true;
    rule.summer = rule.standard + 3'600;
    if (!rest_.empty() && rest_.front() != ',') {
      if (!offset(rule.summer)) return false;
      rule.summer = -rule.summer;
    }
    return date(rule.begin) && date(rule.end) && rest_.empty();
  }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool name() {
    std::size_t length = 0;
    if (take('<')) {
      length = rest_.find('>');
      if (length == std::string_view::npos) return false;
      rest_.remove_prefix(length + 1);
      return true;
    }
    while (length < rest_.size() && ((rest_[length] | 32) >= 'a' && (rest_[length] | 32) <= 'z'))
      ++length;
    rest_.remove_prefix(length);
    return length >= 3;
  }
  bool number(int& value) {
    const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (problem != std::errc() || value < 0 || value > 366) return false;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return true;
  }
  bool offset(std::int64_t& seconds) {
    const bool minus = take('-');
    if (!minus) take('+');
    int part = 0;
    if (!number(part)) return false;
    seconds = part * 3'600;
    for (const int unit : {60, 1}) {
      if (!take(':')) break;
      if (!number(part)) return false;
      seconds += part * unit;
    }
    if (minus) seconds = -seconds;
    return true;
  }
  bool date(RuleDate& date) {
    if (!take(',')) return false;
    if (take('M')) {
      if (!number(date.month) || !take('.') || !number(date.week) || !take('.') ||
          !number(date.weekday))
        return false;
      if (date.month < 1 || date.month > 12 || date.week < 1 || date.week > 5 || date.weekday > 6)
        return false;
    } else {
      date.julian = take('J');
      if (!number(date.day)) return false;
    }
    return !take('/') || offset(date.at_s);
  }

  std::string_view rest_;
};

// Local seconds, in the time before the change, at which the rule's date falls in that year.
std::int64_t local_of(const RuleDate& rule, std::chrono::year year) {
  using namespace std::chrono;
  if (rule.day >= 0) {
    std::int64_t day = rule.julian ? rule.day - 1 : rule.day;
    if (rule.julian && year.is_leap() && rule.day >= 60) ++day;
    return seconds_of(year / January / 1) + day * day_s + rule.at_s;
  }
  const weekday wanted(static_cast<unsigned>(rule.weekday));
  const month in(static_cast<unsigned>(rule.month));
  const year_month_day date =
      rule.week == 5
          ? year_month_day(sys_days(year / in / wanted[last]))
          : year_month_day(sys_days(year / in / wanted[static_cast<unsigned>(rule.week)]));
  return seconds_of(date) + rule.at_s;
}

std::int64_t offset_by(const PosixRule& rule, std::int64_t unix_s) {
  if (!rule.has_summer) return rule.standard;
  const auto year = date_of(unix_s + rule.standard).year();
  const std::int64_t begin = local_of(rule.begin, year) - rule.standard;
  const std::int64_t end = local_of(rule.end, year) - rule.summer;
  const bool summer =
      begin < end ? unix_s >= begin && unix_s < end : !(unix_s >= end && unix_s < begin);
  return summer ? rule.summer : rule.standard;
}

}  // namespace

// Reads the 64-bit block of a TZif file (RFC 8536, section 3).
struct ZoneReader {
  std::string_view bytes;
  std::size_t at = 0;
  bool good = true;

  std::int64_t integer(std::size_t width) {
    if (bytes.size() - at < width) {
      good = false;
      return 0;
    }
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < width; ++i)
      value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    at += width;
    return width == 4 ? static_cast<std::int32_t>(value) : static_cast<std::int64_t>(value);
  }
  struct Counts {
    std::int64_t utc = 0, standard = 0, leaps = 0, changes = 0, types = 0, letters = 0;
  };
  Counts header() {
    Counts counts;
    if (bytes.size() - at < 44 || bytes.substr(at, 4) != "TZif") good = false;
    at += good ? 20 : 0;
    counts.utc = integer(4);
    counts.standard = integer(4);
    counts.leaps = integer(4);
    counts.changes = integer(4);
    counts.types = integer(4);
    counts.letters = integer(4);
    for (const std::int64_t count :
         {counts.utc, counts.standard, counts.leaps, counts.changes, counts.types, counts.letters})
      if (count < 0 || count > 100'000) good = false;
    return counts;
  }
  void skip(std::int64_t length) {
    if (length < 0 || static_cast<std::uint64_t>(length) > bytes.size() - at)
      good = false;
    else
      at += static_cast<std::size_t>(length);
  }
  bool read(TimeZone& zone) {
    const char version = bytes.size() > 4 ? bytes[4] : '\0';
    const Counts first = header();
    if (!good || version < '2') return false;
    skip(first.changes * 5 + first.types * 6 + first.letters + first.leaps * 8 + first.standard +
         first.utc);
    const Counts counts = header();
    if (!good || counts.types < 1) return false;
    zone.changes_.clear();
    for (std::int64_t i = 0; i < counts.changes && good; ++i) zone.changes_.push_back(integer(8));
    std::vector<std::size_t> kinds;
    for (std::int64_t i = 0; i < counts.changes && good; ++i)
      kinds.push_back(static_cast<std::size_t>(integer(1)));
    std::vector<std::int64_t> offsets;
    for (std::int64_t i = 0; i < counts.types && good; ++i) {
      offsets.push_back(integer(4));
      skip(2);
    }
    skip(counts.letters + counts.leaps * 12 + counts.standard + counts.utc);
    if (!good || !std::is_sorted(zone.changes_.begin(), zone.changes_.end())) return false;
    zone.offsets_.assign(1, offsets.front());
    for (const std::size_t kind : kinds) {
      if (kind >= offsets.size()) return false;
      zone.offsets_.push_back(offsets[kind]);
    }
    std::string_view rule = bytes.substr(at);
    if (rule.starts_with('\n')) rule.remove_prefix(1);
    zone.rule_ = rule.substr(0, rule.find('\n'));
    PosixRule check;
    return zone.rule_.empty() || RuleParser(zone.rule_).parse(check);
  }
};

Result<TimeZone> TimeZone::parse(std::string_view name, std::string_view bytes) {
  TimeZone zone;
  zone.name_ = name;
  ZoneReader reader{.bytes = bytes};
  if (!reader.read(zone)) return zone_error(name, "has a file that cannot be read");
  return zone;
}

Result<TimeZone> TimeZone::load(std::string_view name, const std::string& folder) {
  if (name == "UTC" || name == "Z") return TimeZone();
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  });
  if (name.empty() || !plain || name.front() == '/') return zone_error(name, "does not exist");
  const std::string path = folder + "/" + std::string(name);
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return zone_error(name, "does not exist");
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse(name, bytes);
}

std::int64_t TimeZone::offset_at(std::int64_t unix_s) const {
  const auto after = std::upper_bound(changes_.begin(), changes_.end(), unix_s);
  if (after == changes_.end() && !rule_.empty()) {
    PosixRule rule;
    if (RuleParser(rule_).parse(rule)) return offset_by(rule, unix_s);
  }
  return offsets_[static_cast<std::size_t>(after - changes_.begin())];
}

std::int64_t TimeZone::instant_of(std::int64_t local_s) const {
  // Offsets are within a day of UTC, and clocks change at most once in two days.
  const std::int64_t before = offset_at(local_s - day_s), after = offset_at(local_s + day_s);
  const std::int64_t early = local_s - std::max(before, after);
  const std::int64_t late = local_s - std::min(before, after);
  if (early + offset_at(early) == local_s) return early;
  if (late + offset_at(late) == local_s) return late;
  // Skipped by a change between the two: find it.
  std::int64_t low = early, high = late;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (middle + offset_at(middle) >= local_s)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

std::string_view window_name(Window window) {
  switch (window) {
    case Window::minute:
      return "minute";
    case Window::hour:
      return "hour";
    case Window::day:
      return "day";
    case Window::week:
      return "week";
    case Window::month:
      return "month";
  }
  return "month";
}

std::string_view window_adjective(Window window) {
  switch (window) {
    case Window::minute:
      return "per-minute";
    case Window::hour:
      return "hourly";
    case Window::day:
      return "daily";
    case Window::week:
      return "weekly";
    case Window::month:
      return "monthly";
  }
  return "monthly";
}

WindowBounds window_at(Window window, const TimeZone& zone, std::int64_t unix_s) {
  using namespace std::chrono;
  // Minutes and hours have one length; their grid is the zone's, whose offsets are whole minutes.
  if (window == Window::minute || window == Window::hour) {
    const std::int64_t length = window == Window::minute ? 60 : 3'600;
    const std::int64_t offset = zone.offset_at(unix_s);
    const std::int64_t begin = floor_div(unix_s + offset, length) * length - offset;
    return {begin, begin + length};
  }
  const sys_days today = sys_days(date_of(unix_s + zone.offset_at(unix_s)));
  sys_days begin = today, end = today + days(1);
  if (window == Window::week) {
    begin = today - (weekday(today) - Monday);
    end = begin + days(7);
  } else if (window == Window::month) {
    const year_month_day date(today);
    begin = sys_days(date.year() / date.month() / 1);
    end = sys_days((date.year() / date.month() + months(1)) / 1);
  }
  return {zone.instant_of(begin.time_since_epoch().count() * day_s),
          zone.instant_of(end.time_since_epoch().count() * day_s)};
}

std::string date_text(const TimeZone& zone, std::int64_t unix_s) {
  return iso_date(date_of(unix_s + zone.offset_at(unix_s)));
}

std::string utc_text(std::int64_t unix_s) {
  const std::int64_t second = unix_s - floor_div(unix_s, day_s) * day_s;
  return fmt::format("{}T{:02}:{:02}:{:02}Z", iso_date(date_of(unix_s)), second / 3'600,
                     second / 60 % 60, second % 60);
}

std::string reset_text(Window window, const TimeZone& zone, std::int64_t unix_s) {
  static constexpr const char* names[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                          "Thursday", "Friday", "Saturday"};
  const std::int64_t local = unix_s + zone.offset_at(unix_s);
  const std::int64_t second = local - floor_div(local, day_s) * day_s;
  const std::string time =
      fmt::format("{:02}:{:02} {}", second / 3'600, second / 60 % 60, zone.name());
  const year_month_day date = date_of(local);
  switch (window) {
    case Window::minute:
    case Window::hour:
    case Window::day:
      return time;
    case Window::week:
      return fmt::format("{} {} {}", names[std::chrono::weekday(sys_days(date)).c_encoding()],
                         iso_date(date), time);
    case Window::month:
      return fmt::format("{} {}", iso_date(date), time);
  }
  return time;
}

Result<std::int64_t> parse_date(std::string_view text, const TimeZone& zone) {
  const auto bad = [&] {
    return Error(Fault::invalid_value,
                 fmt::format("'{}' is not a date; write 2026-11-23 or 2026-11-23T14:05:00Z", text));
  };
  const auto number = [&](std::size_t begin, std::size_t length, int& value) {
    const std::string_view part = text.substr(begin, length);
    const auto [end, problem] = std::from_chars(part.data(), part.data() + part.size(), value);
    return problem == std::errc() && end == part.data() + length && part.front() != '-';
  };
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  const bool instant = text.size() == 20;
  if (text.size() != 10 && !instant) return bad();
  if (text[4] != '-' || text[7] != '-' || !number(0, 4, year) || !number(5, 2, month) ||
      !number(8, 2, day))
    return bad();
  const year_month_day date(std::chrono::year(year),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return bad();
  if (!instant) return zone.instant_of(seconds_of(date));
  if (text[10] != 'T' || text[13] != ':' || text[16] != ':' || text[19] != 'Z') return bad();
  if (!number(11, 2, hour) || !number(14, 2, minute) || !number(17, 2, second)) return bad();
  if (hour > 23 || minute > 59 || second > 59) return bad();
  return seconds_of(date) + hour * 3'600 + minute * 60 + second;
}

}  // namespace jevons
