#include "gateway/log.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("a log line keeps its field order and stays one line") {
  struct {
    const char* when;
    bool json;
    std::string value;
    std::string line;
  } rows[] = {
      {"plain value on a terminal", false, "abc", "level=info event=request id=abc"},
      {"a value with a space is quoted", false, "a b", "level=info event=request id=\"a b\""},
      {"a newline cannot forge a line", false, "a\nb", "level=info event=request id=\"a\\nb\""},
      {"an empty value is visible", false, "", "level=info event=request id=\"\""},
      {"JSON elsewhere", true, "a\"b", R"({"level":"info","event":"request","id":"a\"b"})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(log_line(LogLevel::info, "request", {{"id", row.value}}, row.json) == row.line);
  }
}
