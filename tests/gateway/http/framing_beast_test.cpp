#include "gateway/http/framing_beast.h"

#include <doctest/doctest.h>

#include <string>

namespace jevons {
namespace {

const std::string head =
    "POST /v1/chat/completions?a=1 HTTP/1.1\r\nHost: x\r\nX-Note: \t a b \r\nContent-Length: "
    "2\r\n\r\n";

HttpRequest as_sent() {
  HttpRequest request;
  request.method = "POST";
  request.headers = {{"host", "x"}, {"x-note", "a b"}, {"content-length", "2"}};
  return request;
}

HeadReading reading_of(const HttpRequest& request) {
  return {.request = request, .target = "/v1/chat/completions?a=1", .body_bytes = 2};
}

}  // namespace

TEST_CASE(
    "a head that both parsers read alike is agreed on, with or without an empty line before") {
  const HttpRequest request = as_sent();
  CHECK(beast_agrees(head, reading_of(request)));
  CHECK(beast_agrees("\r\n" + head, reading_of(request)));
}

TEST_CASE("any part read otherwise is a second reading") {
  HttpRequest request = as_sent();
  HeadReading ours = reading_of(request);
  SUBCASE("the method") { request.method = "GET"; }
  SUBCASE("the target") { ours.target = "/v1/chat/completions"; }
  SUBCASE("a field's name") { request.headers[1].name = "x-other"; }
  SUBCASE("a field's value") { request.headers[1].value = "a b "; }
  SUBCASE("a field less") { request.headers.pop_back(); }
  SUBCASE("a field more") { request.headers.push_back({"a", "b"}); }
  SUBCASE("the length of the body") { ours.body_bytes = 3; }
  SUBCASE("chunks") { ours.chunked = true; }
  CHECK_FALSE(beast_agrees(head, ours));
}

TEST_CASE("what Beast refuses is not agreed on") {
  const HttpRequest request = as_sent();
  std::string twice = head;
  twice.insert(twice.size() - 2, "Content-Length: 3\r\n");
  CHECK_FALSE(beast_agrees(twice, reading_of(request)));
  CHECK_FALSE(beast_agrees(head.substr(0, head.size() - 2), reading_of(request)));
}

}  // namespace jevons
