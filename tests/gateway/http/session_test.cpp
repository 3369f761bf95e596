#include <doctest/doctest.h>

#include "tests/gateway/http/wire.h"

using namespace jevons;
using test::Wire;

TEST_CASE("a request is answered and the connection kept") {
  Wire wire;
  auto client = wire.connect();
  client.send("GET /v1/models?limit=2 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(Wire::without_date(client.read_until("?limit=2")) ==
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 23\r\n\r\n"
        "GET /v1/models ?limit=2");
  client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  CHECK(Wire::without_date(client.read_to_end()) ==
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 15\r\n"
        "connection: close\r\n\r\nPOST /b [hello]");
}

TEST_CASE("wire texts") {
  const struct {
    const char* when;
    const char* request;
    const char* answer;
  } rows[] = {
      {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n",
       "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\nconnection: close\r\n"
       "\r\nGET /"},
      {"HEAD has a length and no body", "HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\nconnection: close\r\n"
       "\r\n"},
      {"two pipelined requests get two answers, in order",
       "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\n\r\nGET /1"
       "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 6\r\nconnection: close\r\n"
       "\r\nGET /2"},
      {"a chunked body is joined",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
       "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
       "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 14\r\nconnection: close\r\n"
       "\r\nPOST / [abcde]"},
      {"a refusal is answered and the connection closed", "GET /\r\n\r\n",
       "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-should-retry: false\r\n"
       "content-length: 38\r\nconnection: close\r\n\r\n{\"refused\":\"malformed request target\"}"},
      {"nothing after a refused request is executed",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n",
       "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-should-retry: false\r\n"
       "content-length: 59\r\nconnection: close\r\n\r\n"
       "{\"refused\":\"Transfer-Encoding and Content-Length together\"}"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Wire wire;
    CHECK(wire.talk(row.request) == row.answer);
  }
}
