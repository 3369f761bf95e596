// Calendar windows in a time zone: minutes to months, with half-open bounds. Zones are read from
// the system's zoneinfo files (TZif, RFC 8536); UTC needs no file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "router/error.h"

namespace jevons {

// Offsets of one zone from UTC over time. Immutable.
class TimeZone {
 public:
  TimeZone() = default;  // UTC
  // `name` as in "Europe/Berlin"; "UTC" and "Z" always work. Errors: Fault::config for a name that
  // leads outside the folder or has no file.
  static Result<TimeZone> load(std::string_view name,
                               const std::string& folder = "/usr/share/zoneinfo");
  // From the bytes of a TZif file. Errors: Fault::config.
  static Result<TimeZone> parse(std::string_view name, std::string_view bytes);

  const std::string& name() const { return name_; }
  // Seconds to add to UTC to get local time at that instant.
  std::int64_t offset_at(std::int64_t unix_s) const;
  // The first instant whose local time is at or after the given one (a local time that a clock
  // change skips maps to the change itself).
  std::int64_t instant_of(std::int64_t local_s) const;

 private:
  friend struct ZoneReader;
  std::string name_ = "UTC";
  std::vector<std::int64_t> changes_;  // ascending; offsets_[i + 1] holds from changes_[i] on
  std::vector<std::int64_t> offsets_ = {0};
  std::string rule_;  // POSIX rule for instants after the last change, empty: none
};

enum class Window : std::uint8_t { minute, hour, day, week, month };  // weeks begin on Monday
std::string_view window_name(Window window);                          // "day"
std::string_view window_adjective(Window window);                     // "daily"

struct WindowBounds {
  std::int64_t begin = 0, end = 0;  // unix seconds; end is exclusive
  bool operator==(const WindowBounds&) const = default;
};
WindowBounds window_at(Window window, const TimeZone& zone, std::int64_t unix_s);

// "2026-11-23" of the instant in the zone.
std::string date_text(const TimeZone& zone, std::int64_t unix_s);
// "2026-11-23T14:05:00Z".
std::string utc_text(std::int64_t unix_s);
// "00:00 UTC", "Monday 2026-11-23 00:00 Europe/Berlin", "2026-12-01 00:00 UTC": when a window ends,
// with as much of the date as the window needs.
std::string reset_text(Window window, const TimeZone& zone, std::int64_t unix_s);
// Midnight of "2026-11-23" in the zone, or an instant "2026-11-23T14:05:00Z". Errors:
// invalid_value.
Result<std::int64_t> parse_date(std::string_view text, const TimeZone& zone);

}  // namespace jevons
