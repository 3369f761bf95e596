#include <doctest/doctest.h>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/gateway/http/wire.h"

using namespace jevons;
using test::Wire;
namespace asio = boost::asio;

namespace {

std::string answer(const std::string& status, const std::string& body,
                   const std::string& fields = "") {
  return "HTTP/1.1 " + status +
         "\r\ncontent-type: text/plain\r\ncontent-length: " + std::to_string(body.size()) + "\r\n" +
         fields + "\r\n" + body;
}

std::string refusal(const std::string& status, const std::string& message,
                    const std::string& fields = "x-should-retry: false\r\n") {
  const std::string body = "{\"refused\":\"" + message + "\"}";
  return "HTTP/1.1 " + status + "\r\ncontent-type: application/json\r\n" + fields +
         "content-length: " + std::to_string(body.size()) + "\r\nconnection: close\r\n\r\n" + body;
}

const std::string close_field = "connection: close\r\n";
const std::string retry_fields =
    "x-should-retry: true\r\nretry-after: 1\r\nretry-after-ms: 1000\r\n";

// Streams two events, then ends as told.
HttpHandler streamer(bool clean) {
  return [clean](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    std::vector<Header> headers;
    headers.push_back(Header{"content-type", "text/event-stream"});
    CHECK(co_await responder.begin_stream(200, std::move(headers)));
    CHECK(co_await responder.write("data: 1\n\n"));
    CHECK(co_await responder.write(""));
    CHECK(co_await responder.write("data: 2\n\n"));
    co_await responder.end_stream(clean);
  };
}

}  // namespace

TEST_CASE("session: a request is answered and the connection kept") {
  Wire wire;
  auto client = wire.connect();
  client.send("GET /v1/models?limit=2 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(Wire::without_date(client.read_until("?limit=2")) ==
        answer("200 OK", "GET /v1/models ?limit=2"));
  client.send("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
  CHECK(Wire::without_date(client.read_to_end()) ==
        answer("200 OK", "POST /b [hello]", close_field));
}

TEST_CASE("session: wire texts") {
  const struct {
    const char* when;
    std::string request;
    std::string answer;
  } rows[] = {
      {"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", answer("200 OK", "GET /", close_field)},
      {"HEAD has a length and no body", "HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\nconnection: close\r\n"
       "\r\n"},
      {"pipelined requests get their answers in order",
       "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n"
       "POST /3 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
       answer("200 OK", "GET /1") + answer("200 OK", "GET /2") +
           answer("200 OK", "POST /3 [ab]", close_field)},
      {"nothing after a request that closes is executed",
       "GET /1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
       answer("200 OK", "GET /1", close_field)},
      {"a chunked body is joined",
       "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
       "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
       answer("200 OK", "POST / [abcde]", close_field)},
      {"a refusal is answered and the connection closed", "GET /\r\n\r\n",
       refusal("400 Bad Request", "malformed request target")},
      {"nothing after a refused request is executed",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n",
       refusal("400 Bad Request", "Transfer-Encoding and Content-Length together")},
      {"a refusal of HEAD has no body", "HEAD / HTTP/1.1\r\n\r\n",
       "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-should-retry: false\r\n"
       "content-length: 40\r\nconnection: close\r\n\r\n"},
      {"the body is too large", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n",
       refusal("413 Content Too Large", "the request body is too large")},
      {"the target is too long", "GET /" + std::string(9'000, 'a'),
       refusal("414 URI Too Long", "the request target is too long")},
      {"the head is too large",
       "GET / HTTP/1.1\r\nHost: x\r\na: " + std::string(17'000, 'a') + "\r\n",
       refusal("431 Request Header Fields Too Large", "the request head is too large")},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Wire wire;
    CHECK(wire.talk(row.request) == row.answer);
  }
}

TEST_CASE("session: a request a byte at a time") {
  Wire wire;
  auto client = wire.connect();
  const std::string_view request =
      "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "2\r\nhi\r\n0\r\n\r\n";
  for (const char byte : request) {
    client.send(std::string_view(&byte, 1));
    wire.io.poll();
  }
  CHECK(Wire::without_date(client.read_to_end()) == answer("200 OK", "POST /b [hi]", close_field));
}

TEST_CASE("session: a long pipeline does not nest") {
  Wire wire;
  auto client = wire.connect();
  std::string requests;
  for (int i = 0; i < 3'000; ++i) requests += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  requests += "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  client.send(requests);
  const std::string answers = client.read_to_end();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = answers.find("HTTP/1.1 200", at)) != std::string::npos; ++at) {
    ++count;
  }
  CHECK(count == 3'001);
  CHECK(answers.ends_with("GET /last"));
}

TEST_CASE("session: 100-continue is sent when the client waits for it") {
  Wire wire;
  auto client = wire.connect();
  client.send(
      "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
      "Connection: close\r\n\r\n");
  CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ab");
  CHECK(Wire::without_date(client.read_to_end()) == answer("200 OK", "POST / [ab]", close_field));
}

TEST_CASE("session: streams") {
  const std::string head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
  const std::string get = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  const struct {
    const char* when;
    bool clean;
    std::string request;
    std::string answer;
    bool reset;
  } rows[] = {
      {"chunked", true, get,
       head + "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
              "9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n",
       false},
      {"a cut has no last chunk", false, get,
       head + "transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
              "9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n",
       false},
      {"HTTP/1.0 ends with the connection", true, "GET / HTTP/1.0\r\n\r\n",
       head + "connection: close\r\n\r\ndata: 1\n\ndata: 2\n\n", false},
      {"a cut in HTTP/1.0 resets", false, "GET / HTTP/1.0\r\n\r\n",
       head + "connection: close\r\n\r\ndata: 1\n\ndata: 2\n\n", true},
      {"HEAD has no body", true, "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
       head + "transfer-encoding: chunked\r\nconnection: close\r\n\r\n", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Wire wire(streamer(row.clean));
    auto client = wire.connect();
    client.send(row.request);
    const std::string got = Wire::without_date(client.read_to_end());
    // A reset may overtake bytes that the client has not read.
    if (!row.reset) CHECK(got == row.answer);
    CHECK(client.was_reset() == row.reset);
  }
}

TEST_CASE("session: a stream is followed by the next request") {
  Wire wire(streamer(true));
  auto client = wire.connect();
  for (int i = 0; i < 3; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(client.read_until("0\r\n\r\n").ends_with("data: 2\n\n\r\n0\r\n\r\n"));
  }
}

TEST_CASE("session: a handler that fails") {
  const struct {
    const char* when;
    HttpHandler handler;
    std::string answer;
  } rows[] = {
      {"throws",
       [](HttpRequest&, Responder&) -> asio::awaitable<void> {
         throw std::runtime_error("secret");
         co_return;
       },
       refusal("500 Internal Server Error", "the request failed inside the gateway")},
      {"answers nothing", [](HttpRequest&, Responder&) -> asio::awaitable<void> { co_return; },
       refusal("500 Internal Server Error", "the request was left without an answer")},
      {"answers twice",
       [](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
         std::vector<Header> headers;
         CHECK(co_await responder.send(204, headers, ""));
         CHECK_FALSE(co_await responder.send(200, headers, "again"));
         CHECK_FALSE(co_await responder.write("again"));
       },
       "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"},
      {"puts a line break into a header",
       [](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
         std::vector<Header> headers;
         headers.push_back(Header{"x-bad", "a\r\nset-cookie: b"});
         headers.push_back(Header{"x-good", "c"});
         headers.push_back(Header{"content-length", "99"});
         co_await responder.send(200, std::move(headers), "");
       },
       "HTTP/1.1 200 OK\r\nx-good: c\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Wire wire(row.handler);
    CHECK(wire.talk("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") == row.answer);
  }
}

TEST_CASE("session: a stream left open by its handler is cut") {
  Wire wire([](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    std::vector<Header> headers;
    co_await responder.begin_stream(200, std::move(headers));
    co_await responder.write("x");
  });
  CHECK(wire.talk("GET / HTTP/1.1\r\nHost: x\r\n\r\n") ==
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
}

TEST_CASE("session: absolute deadlines") {
  HttpLimits limits;
  limits.header_ms = limits.body_ms = limits.keep_alive_ms = limits.linger_ms = 30;
  const std::string late = refusal("408 Request Timeout", "the request took too long to arrive");
  const struct {
    const char* when;
    std::string sent;
    std::string answer;
  } rows[] = {
      {"nothing is sent", "", ""},
      {"half a head", "GET / HT", late},
      {"half a body", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na", late},
      {"idle after an answer", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", answer("200 OK", "GET /")},
      {"half a second head", "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET",
       answer("200 OK", "GET /") + late},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Wire wire(Wire::echo(), limits);
    CHECK(wire.talk(row.sent) == row.answer);
  }
}

TEST_CASE("session: dribbling does not extend the deadline") {
  HttpLimits limits;
  limits.header_ms = 60;
  Wire wire(Wire::echo(), limits);
  auto client = wire.connect();
  asio::steady_timer timer(wire.io);
  int sent = 0;
  std::function<void()> dribble = [&] {
    timer.expires_after(std::chrono::milliseconds(5));
    timer.async_wait([&](const boost::system::error_code& error) {
      if (error || ++sent > 1'000) return;
      client.send("a");
      dribble();
    });
  };
  client.send("GET /");
  dribble();
  CHECK(client.read_to_end().find("408 Request Timeout") != std::string::npos);
  CHECK(sent < 100);
}

TEST_CASE("session: a client that does not read is cut off") {
  HttpLimits limits;
  limits.stalled_write_ms = 40;
  bool written = true;
  bool told = false;
  Wire wire(
      [&](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
        std::vector<Header> headers;
        responder.on_interrupt([&](Interrupt) { told = true; });
        co_await responder.begin_stream(200, std::move(headers));
        while (written) written = co_await responder.write(std::string(1'000'000, 'x'));
        CHECK(responder.client_gone());
      },
      limits);
  auto client = wire.connect();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  while (written) wire.io.run_one();
  CHECK(told);
}

TEST_CASE("session: a handler learns that its client has gone") {
  bool told = false;
  bool told_at_once = false;
  Wire wire([&](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    asio::steady_timer forever(wire.io, std::chrono::hours(1));
    responder.on_interrupt([&](Interrupt) {
      told = true;
      forever.cancel();
    });
    boost::system::error_code error;
    co_await forever.async_wait(asio::redirect_error(asio::use_awaitable, error));
    responder.on_interrupt([&](Interrupt) { told_at_once = true; });
    CHECK(responder.client_gone());
    std::vector<Header> headers;
    CHECK_FALSE(co_await responder.send(200, std::move(headers), "late"));
  });
  auto client = wire.connect();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  SUBCASE("closes") {
    wire.io.poll();
    client.close();
  }
  SUBCASE("resets") {
    wire.io.poll();
    client.reset();
  }
  SUBCASE("closes behind a pipelined request") {
    client.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
    wire.io.poll();
    client.close();
  }
  SUBCASE("had closed before") { client.close(); }
  while (!told_at_once) wire.io.run_one();
  CHECK(told);
  while (wire.server->connections() > 0) wire.io.run_one();
}

TEST_CASE("session: a client that only ends its sending still gets the answer") {
  Wire wire;
  auto client = wire.connect();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  client.half_close();
  CHECK(Wire::without_date(client.read_to_end()) == answer("200 OK", "GET /"));
}

TEST_CASE("session: request bodies of all connections together are bounded") {
  HttpLimits limits;
  limits.body_memory_max = 100;
  Wire wire(Wire::echo(), limits);
  auto first = wire.connect();
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n";
  first.send(head + std::string(60, 'a'));
  wire.io.run_one();
  wire.io.poll();
  auto second = wire.connect();
  second.send(head + std::string(60, 'b'));
  CHECK(Wire::without_date(second.read_to_end()) ==
        refusal("503 Service Unavailable", "too many request bodies at once; try again later",
                retry_fields));
  first.send(std::string(30, 'a'));
  CHECK(first.read_until("a]").starts_with("HTTP/1.1 200 OK"));
  auto third = wire.connect();
  third.send(head + std::string(90, 'c'));
  CHECK(third.read_until("c]").starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("session: after a refusal the client's rest is read, up to a limit") {
  HttpLimits limits;
  limits.body_bytes_max = 1'000;
  Wire wire(Wire::echo(), limits);
  auto client = wire.connect();
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" +
              std::string(60'000, 'x'));
  CHECK(Wire::without_date(client.read_to_end()) ==
        refusal("413 Content Too Large", "the request body is too large"));
  CHECK_FALSE(client.was_reset());
}

TEST_CASE("session: a connection serves a limited number of requests") {
  HttpLimits limits;
  limits.keep_alive_requests = 2;
  Wire wire(Wire::echo(), limits);
  auto client = wire.connect();
  client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(Wire::without_date(client.read_until("GET /1")) == answer("200 OK", "GET /1"));
  client.send("GET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(Wire::without_date(client.read_to_end()) == answer("200 OK", "GET /2", close_field));
}
