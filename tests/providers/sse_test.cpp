#include "providers/sse.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace jevons;

namespace {

// "name|data;" of every event, or the error; `cuts` says where the bytes are split.
std::string read_all(std::string_view bytes, const std::vector<std::size_t>& cuts) {
  SseReader reader;
  std::string seen;
  SseEvent event;
  const auto drain = [&](std::string_view piece) {
    reader.feed(piece);
    for (;;) {
      const Result<bool> next = reader.next(event);
      if (!next) return next.error().message();
      if (!*next) return std::string();
      seen.append(event.name).append("|").append(event.data).append(";");
    }
  };
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    // A copy of exact size, so that a read beyond the piece is seen by AddressSanitizer.
    const std::string piece(bytes.substr(from, cut - from));
    if (const std::string error = drain(piece); !error.empty()) return seen + error;
    from = cut;
  }
  const std::string piece(bytes.substr(from));
  if (const std::string error = drain(piece); !error.empty()) return seen + error;
  const Result<bool> last = reader.finish(event);
  if (!last) return seen + last.error().message();
  if (*last) seen.append(event.name).append("|").append(event.data).append(";");
  return seen;
}

std::vector<std::size_t> every_byte(std::size_t size) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < size; ++i) cuts.push_back(i);
  return cuts;
}

}  // namespace

TEST_CASE("events come out the same for every split") {
  struct Row {
    const char* name;
    std::string bytes, events;
  };
  const std::vector<Row> rows = {
      {"LF", "data: a\n\ndata: b\n\n", "|a;|b;"},
      {"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", "|a;|b;"},
      {"CR", "data: a\r\rdata: b\r\r", "|a;|b;"},
      {"all mixed", "event: x\rdata: a\n\r\ndata: b\r\n\n", "x|a;|b;"},
      {"BOM",
       "\xEF\xBB\xBF"
       "data: a\n\n",
       "|a;"},
      {"BOM only at the begin",
       "data: a\n\n\xEF\xBB\xBF"
       "data: b\n\n",
       "|a;"},
      {"several data lines", "data: a\ndata\ndata: b\n\n", "|a\n\nb;"},
      {"one space is taken", "data:  a\ndata:b\n\n", "| a\nb;"},
      {"comments, id, retry", ": keep-alive\n\nid: 7\nretry: 10\n:\ndata: a\n\n", "|a;"},
      {"a name without data is no event", "event: ping\n\ndata: a\n\n", "|a;"},
      {"empty data is one", "data\n\ndata:\n\n", "|;|;"},
      {"the last blank line is missing", "data: a\n\ndata: b\n", "|a;|b;"},
      {"even the last line end", "data: a\n\ndata: b", "|a;|b;"},
      {"NUL passes", std::string("data: a\0b\n\n", 11), std::string("|a\0b;", 5)},
      {"unknown field", "foo: a\ndata: b\n\n", "|b;"},
      {"nothing", "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(read_all(row.bytes, {}) == row.events);
    CHECK(read_all(row.bytes, every_byte(row.bytes.size())) == row.events);
    for (std::size_t cut = 1; cut < row.bytes.size(); ++cut) {
      CAPTURE(cut);
      CHECK(read_all(row.bytes, {cut}) == row.events);
    }
  }
}

TEST_CASE("a line above 1 MiB and an event above 4 MiB end the stream") {
  const std::string limit(SseReader::line_bytes_max - 5, 'x');
  CHECK(read_all("data:" + limit + "\n\n", {}).size() == limit.size() + 2);
  const std::string line_error = "The upstream sent a stream line of more than 1048576 bytes.";
  CHECK(read_all("data:" + limit + "y\n\n", {}) == line_error);
  CHECK(read_all("data:" + limit + "yyyyyyy", {1000, 500'000}) == line_error);
  CHECK(read_all(":" + limit + "yyyyyyy", {1000, 500'000}) == line_error);
  std::string event;
  for (int i = 0; i < 5; ++i) event += "data:" + limit + "\n";
  CHECK(read_all(event + "\n", {}) ==
        "The upstream sent a stream event of more than 4194304 bytes.");
}
