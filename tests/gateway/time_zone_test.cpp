#include "gateway/time_zone.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <ctime>

namespace jevons {
namespace {

TimeZone zone(const char* name) {
  auto loaded = TimeZone::load(name);
  if (!loaded) FAIL(loaded.error().message());
  return *loaded;
}

TEST_CASE("offsets equal the C library's in zones of every kind, over a century") {
  // The C library reads the same files with code of its own; it is asked through the environment.
  for (const char* name :
       {"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe",
        "America/Sao_Paulo", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns",
        "Antarctica/Troll", "Europe/Dublin"}) {
    CAPTURE(name);
    const TimeZone own = zone(name);
    setenv("TZ", name, 1);
    tzset();
    int different = 0;
    for (std::int64_t at = 0; at < 3'200'000'000; at += 1'234'567) {
      const std::time_t time = at;
      std::tm local{};
      localtime_r(&time, &local);
      different += local.tm_gmtoff != own.offset_at(at);
    }
    CHECK(different == 0);
  }
  unsetenv("TZ");
  tzset();
}

TEST_CASE("windows are calendar windows of the zone, across clock changes") {
  struct Row {
    const char* name;
    Window window;
    const char* tz;
    std::int64_t at;
    const char* begin;
    const char* end;
  };
  const Row rows[] = {
      {"minute", Window::minute, "UTC", 1'795'305'661, "2026-11-22T00:01:00Z",
       "2026-11-22T00:02:00Z"},
      {"hour in a zone of 45 minutes", Window::hour, "Asia/Kathmandu", 1'795'305'600,
       "2026-11-21T23:15:00Z", "2026-11-22T00:15:00Z"},
      {"day", Window::day, "UTC", 1'795'305'600, "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"},
      {"the last second of a day", Window::day, "UTC", 1'795'305'599, "2026-11-21T00:00:00Z",
       "2026-11-22T00:00:00Z"},
      {"a day of 25 hours", Window::day, "Europe/Berlin", 1'792'890'000, "2026-10-24T22:00:00Z",
       "2026-10-25T23:00:00Z"},
      {"a day of 23 hours", Window::day, "Europe/Berlin", 1'774'750'000, "2026-03-28T23:00:00Z",
       "2026-03-29T22:00:00Z"},
      {"weeks begin on Monday", Window::week, "UTC", 1'795'305'600, "2026-11-16T00:00:00Z",
       "2026-11-23T00:00:00Z"},
      {"month", Window::month, "America/New_York", 1'795'305'600, "2026-11-01T04:00:00Z",
       "2026-12-01T05:00:00Z"},
      {"a midnight that does not exist", Window::day, "America/Sao_Paulo", 1'541'350'000,
       "2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const WindowBounds bounds = window_at(row.window, zone(row.tz), row.at);
    CHECK(utc_text(bounds.begin) == row.begin);
    CHECK(utc_text(bounds.end) == row.end);
    CHECK(bounds.begin <= row.at);
    CHECK(row.at < bounds.end);
  }
}

TEST_CASE("what people read and write") {
  const TimeZone berlin = zone("Europe/Berlin");
  CHECK(date_text(berlin, 1'795'305'600 - 1) == "2026-11-22");
  CHECK(date_text(TimeZone(), 1'795'305'600 - 1) == "2026-11-21");
  CHECK(reset_text(Window::day, TimeZone(), 1'795'392'000) == "00:00 UTC");
  CHECK(reset_text(Window::week, berlin, 1'795'388'400) == "Monday 2026-11-23 00:00 Europe/Berlin");
  CHECK(reset_text(Window::month, TimeZone(), 1'796'083'200) == "2026-12-01 00:00 UTC");
  CHECK(*parse_date("2026-11-22", TimeZone()) == 1'795'305'600);
  CHECK(*parse_date("2026-11-22", berlin) == 1'795'302'000);
  CHECK(*parse_date("2026-11-22T01:02:03Z", berlin) == 1'795'309'323);
  for (const char* bad : {"", "2026-13-01", "2026-02-30", "2026-1-1", "26-01-01", "yesterday",
                          "2026-11-22T24:00:00Z", "2026-11-22 01:02:03", "2026-11-2x"}) {
    CAPTURE(bad);
    CHECK(parse_date(bad, TimeZone()).error().message() ==
          "'" + std::string(bad) + "' is not a date; write 2026-11-23 or 2026-11-23T14:05:00Z");
  }
}

TEST_CASE("names that lead elsewhere and files that are none are refused") {
  for (const char* bad : {"", "/etc/passwd", "../../etc/passwd", "Europe/Atlantis", "Europe"}) {
    CAPTURE(bad);
    CHECK_FALSE(TimeZone::load(bad).has_value());
  }
  CHECK(TimeZone::load("Mars").error().message() ==
        "time zone 'Mars' does not exist; use a name such as Europe/Berlin or UTC");
  CHECK(TimeZone::parse("x", "TZif2 but not really").error().message() ==
        "time zone 'x' has a file that cannot be read; use a name such as Europe/Berlin or UTC");
}

}  // namespace
}  // namespace jevons
