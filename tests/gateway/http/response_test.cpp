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

TEST_CASE("statuses and headers of refusals") {
  const struct {
    Fault fault;
    int status;
  } rows[] = {
      {Fault::bad_request, 400},
      {Fault::request_timeout, 408},
      {Fault::request_too_large, 413},
      {Fault::uri_too_long, 414},
      {Fault::unsupported_media_type, 415},
      {Fault::expectation_failed, 417},
      {Fault::header_too_large, 431},
      {Fault::not_implemented, 501},
      {Fault::overloaded, 503},
      {Fault::version_not_supported, 505},
      {Fault::internal, 500},
  };
  for (const auto& row : rows) {
    CAPTURE(fault_code(row.fault));
    CHECK(refusal_status(Error(row.fault, "x")) == row.status);
  }
  Error busy(Fault::overloaded, "x");
  const auto headers = refusal_headers(busy.with_retry(true).with_retry_after_ms(1'001));
  REQUIRE(headers.size() == 3);
  CHECK(headers[1].value == "true");
  CHECK(headers[2].value == "2");
}
