#include "gateway/http/response.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("dates") {
  CHECK(http_date(784'111'777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(http_date(1'709'251'199) == "Thu, 29 Feb 2024 23:59:59 GMT");
}

TEST_CASE("a head is written with the server's own framing alone") {
  const std::vector<Header> headers = {
      {"content-type", "text/plain"},
      {"connection", "upgrade"},
      {"transfer-encoding", "gzip"},
      {"date", "never"},
      {"bad name", "x"},
      {"x-cut", "a\r\nb: c"},
      {"x-nul", std::string("a\0", 2)},
      {"", "x"},
      {"x-empty", ""},
  };
  ResponseFraming framing;
  framing.content_length = 0;
  framing.connection = ConnectionField::keep_alive;
  CHECK(response_head(299, headers, framing, "D") ==
        "HTTP/1.1 299 Unknown\r\ndate: D\r\ncontent-type: text/plain\r\nx-empty: \r\n"
        "content-length: 0\r\nconnection: keep-alive\r\n\r\n");
}
