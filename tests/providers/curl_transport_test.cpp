#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include "providers/transport.h"
#include "tests/fakes/run_coroutine.h"
#include "tests/fakes/scripted_server.h"

using namespace jevons;
using fakes::http_reply;
using fakes::Reply;
using fakes::ScriptedServer;
namespace asio = boost::asio;

namespace {

// What one call came to, as text: "200 body" or the error.
struct Outcome {
  int status = 0;
  std::vector<Header> headers;
  std::string body;
  std::optional<Error> error;
};

asio::awaitable<Outcome> converse(Transport& transport, const ProviderConfig& provider,
                                  HttpCall call, CancelSlot& cancel) {
  Outcome outcome;
  auto exchange = co_await transport.send(provider, std::move(call), cancel);
  if (!exchange) {
    outcome.error = exchange.error();
    co_return outcome;
  }
  outcome.status = (*exchange)->status();
  outcome.headers = (*exchange)->headers();
  while (true) {
    auto bytes = co_await (*exchange)->read();
    if (!bytes) {
      outcome.error = bytes.error();
      co_return outcome;
    }
    if (bytes->empty()) co_return outcome;
    outcome.body += *bytes;
  }
}

struct Bench {
  explicit Bench(ScriptedServer::Respond respond) : server(io, std::move(respond)) {
    provider.name = "p";
  }

  HttpCall call(const std::string& body = "{}") const {
    HttpCall made;
    made.url = server.url("/v1/x");
    made.body = body;
    made.headers = {{"content-type", "application/json"}, {"authorization", "Bearer k"}};
    return made;
  }
  Outcome post() { return post(call()); }
  Outcome post(HttpCall made) {
    return fakes::run(io, converse(*transport, provider, std::move(made), cancel));
  }

  asio::io_context io;
  ScriptedServer server;
  std::unique_ptr<Transport> transport = make_curl_transport(io);
  ProviderConfig provider;
  CancelSlot cancel;
};

}  // namespace

TEST_CASE("a POST goes out with exactly its headers, and the answer comes back") {
  Bench bench([](const std::string&, std::size_t) {
    return Reply{http_reply(200, "hello", "X-Id: 7\r\n")};
  });
  const Outcome outcome = bench.post(bench.call("{\"a\":1}"));
  REQUIRE_FALSE(outcome.error);
  CHECK(outcome.status == 200);
  CHECK(outcome.body == "hello");
  REQUIRE(outcome.headers.size() == 2);
  CHECK(outcome.headers[1].name == "x-id");
  CHECK(outcome.headers[1].value == "7");
  const std::string host = bench.server.url().substr(7);
  CHECK(bench.server.requests().at(0) ==
        "POST /v1/x HTTP/1.1\r\nHost: " + host +
            "\r\nUser-Agent: jevons/" JEVONS_VERSION
            "\r\nAccept: */*\r\naccept-encoding: identity\r\n"
            "content-type: application/json\r\nauthorization: Bearer k\r\nContent-Length: 7\r\n\r\n"
            "{\"a\":1}");
}

TEST_CASE("a connection is used again") {
  Bench bench([](const std::string&, std::size_t) { return Reply{http_reply(200, "x")}; });
  for (int i = 0; i < 5; ++i) CHECK(bench.post().body == "x");
  CHECK(bench.server.connections() == 1);
  CHECK(bench.server.requests().size() == 5);
}

TEST_CASE("calls to a server that has not answered yet do not wait for each other") {
  Bench bench([](const std::string&, std::size_t number) {
    return number == 0 ? Reply{"", Reply::Then::stall} : Reply{http_reply(200, "x")};
  });
  CancelSlot first;
  bool first_ended = false;
  asio::co_spawn(bench.io, converse(*bench.transport, bench.provider, bench.call(), first),
                 [&](const std::exception_ptr&, const Outcome&) { first_ended = true; });
  while (bench.server.requests().empty()) bench.io.run_one();
  for (int i = 0; i < 3; ++i) CHECK(bench.post().body == "x");
  CHECK_FALSE(first_ended);
  first.cancel();
  while (!first_ended) bench.io.run_one();
}

TEST_CASE("a reused connection that closes after the POST: the POST is not sent again") {
  Bench bench([](const std::string&, std::size_t number) {
    return number == 0 ? Reply{http_reply(200, "x")} : Reply{"", Reply::Then::close};
  });
  CHECK(bench.post().body == "x");
  const Outcome outcome = bench.post();
  REQUIRE(outcome.error);
  CHECK(outcome.error->message() ==
        "provider 'p': it closed a reused connection without an answer; the request was not sent "
        "again, because it may have been accepted");
  CHECK(outcome.error->fault() == Fault::upstream_error);
  CHECK(outcome.error->maybe_billed());
  CHECK(bench.server.requests().size() == 2);
}

TEST_CASE("failures after the request was sent say what happened; it may have been billed") {
  const struct {
    const char* when;
    Reply reply;
    Fault fault;
    const char* message;
  } rows[] = {
      {"closed without an answer",
       {"", Reply::Then::close},
       Fault::upstream_error,
       "provider 'p': server returned nothing (no headers, no data)"},
      {"reset without an answer",
       {"", Reply::Then::reset},
       Fault::upstream_error,
       "provider 'p': failure when receiving data from the peer"},
      {"cut inside the body",
       {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", Reply::Then::close},
       Fault::upstream_error,
       "provider 'p': transferred a partial file"},
      {"cut inside a chunk",
       {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc", Reply::Then::close},
       Fault::upstream_error,
       "provider 'p': transferred a partial file"},
      {"not HTTP",
       {"SSH-2.0-OpenSSH\r\n\r\n", Reply::Then::close},
       Fault::upstream_protocol_error,
       "provider 'p': unsupported protocol"},
      {"compressed against our wish",
       {http_reply(200, "x", "content-encoding: gzip\r\n")},
       Fault::upstream_protocol_error,
       "provider 'p': it compressed an answer it was asked not to"},
      {"endless headers",
       {"HTTP/1.1 200 OK\r\na: " + std::string(40'000, 'x') + "\r\nb: " + std::string(40'000, 'x') +
        "\r\n\r\n"},
       Fault::upstream_protocol_error,
       "provider 'p': its headers exceed 64 KiB"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Bench bench([&](const std::string&, std::size_t) { return row.reply; });
    const Outcome outcome = bench.post();
    REQUIRE(outcome.error);
    CHECK(outcome.error->message() == row.message);
    CHECK(outcome.error->fault() == row.fault);
    CHECK_FALSE(outcome.error->retryable());  // it was sent: perhaps accepted
    CHECK(outcome.error->maybe_billed());
    CHECK(bench.server.requests().size() == 1);
  }
}

TEST_CASE("failures before the request is sent are not billed") {
  asio::io_context io;
  auto transport = make_curl_transport(io);
  std::uint16_t closed_port = 0;
  {
    asio::ip::tcp::acceptor probe(io, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    closed_port = probe.local_endpoint().port();
  }
  const struct {
    const char* when;
    std::string url;
    bool allow_private;
    bool insecure_http;
    const char* message;
  } rows[] = {
      {"nobody listens", "http://127.0.0.1:" + std::to_string(closed_port), false, false,
       "provider 'p': couldn't connect to server"},
      {"a private address without leave", "https://10.0.0.1/", false, false,
       "provider 'p': its name resolves to a private address, which needs allow_private: true"},
      {"the metadata service", "http://169.254.169.254/", false, true,
       "provider 'p': its name resolves to a private address, which needs allow_private: true"},
      {"no address at all", "https://0.0.0.0/", true, false,
       "provider 'p': its name resolves to a private address, which needs allow_private: true"},
      {"plain http to the world", "http://192.0.2.1/", false, false,
       "provider 'p': plain http needs insecure_http: true"},
      {"another scheme", "ftp://127.0.0.1/", true, true,
       "provider 'p': plain http needs insecure_http: true"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    ProviderConfig provider;
    provider.name = "p";
    provider.allow_private = row.allow_private;
    provider.insecure_http = row.insecure_http;
    HttpCall call;
    call.url = row.url;
    CancelSlot cancel;
    const Outcome outcome = fakes::run(io, converse(*transport, provider, std::move(call), cancel));
    REQUIRE(outcome.error);
    CHECK(outcome.error->message() == row.message);
    CHECK(outcome.error->fault() == Fault::upstream_error);
    CHECK_FALSE(outcome.error->maybe_billed());
  }
}

TEST_CASE("each timeout has its own words") {
  const struct {
    const char* when;
    Reply reply;
    std::int64_t first_byte_ms, idle_ms, total_ms;
    const char* message;
  } rows[] = {
      {"no first byte",
       {"", Reply::Then::stall},
       60,
       5'000,
       5'000,
       "provider 'p': no answer in 60 ms"},
      {"a body that stands still",
       {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", Reply::Then::stall},
       5'000,
       60,
       5'000,
       "provider 'p': its answer stood still for 60 ms"},
      {"the whole",
       {"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", Reply::Then::stall},
       5'000,
       5'000,
       60,
       "provider 'p': no complete answer in 60 ms"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Bench bench([&](const std::string&, std::size_t) { return row.reply; });
    HttpCall call = bench.call();
    call.first_byte_timeout_ms = row.first_byte_ms;
    call.idle_timeout_ms = row.idle_ms;
    call.total_timeout_ms = row.total_ms;
    const Outcome outcome = bench.post(std::move(call));
    REQUIRE(outcome.error);
    CHECK(outcome.error->message() == row.message);
    CHECK(outcome.error->fault() == Fault::deadline_exceeded);
    CHECK(outcome.error->maybe_billed());
  }
}

TEST_CASE("interim answers and redirects") {
  Bench bench([](const std::string&, std::size_t number) {
    if (number == 0) {
      return Reply{"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + http_reply(200, "after")};
    }
    return Reply{http_reply(302, "", "location: http://127.0.0.1:1/\r\n")};
  });
  const Outcome hinted = bench.post();
  CHECK(hinted.status == 200);
  CHECK(hinted.body == "after");
  CHECK(hinted.headers.size() == 1);
  CHECK(bench.post().status == 302);
}

TEST_CASE("a cancelled call ends at once") {
  Bench bench([](const std::string&, std::size_t) { return Reply{"", Reply::Then::stall}; });
  SUBCASE("while it waits for the head") {
    asio::steady_timer timer(bench.io, std::chrono::milliseconds(20));
    timer.async_wait([&](const boost::system::error_code&) { bench.cancel.cancel(); });
  }
  SUBCASE("before it began") { bench.cancel.cancel(); }
  const Outcome outcome = bench.post();
  REQUIRE(outcome.error);
  CHECK(outcome.error->fault() == Fault::cancelled);
  CHECK(outcome.error->message() == "provider 'p': cancelled");
  CHECK(outcome.error->maybe_billed() == (bench.server.requests().size() == 1));
}

TEST_CASE("a slow reader pauses the upstream, and nothing is lost") {
  const std::string large(3'000'000, 'a');
  Bench bench([&](const std::string&, std::size_t) { return Reply{http_reply(200, large)}; });
  const auto read_slowly = [&]() -> asio::awaitable<std::size_t> {
    auto exchange = co_await bench.transport->send(bench.provider, bench.call(), bench.cancel);
    asio::steady_timer pause(bench.io);
    std::size_t total = 0;
    std::size_t largest = 0;
    while (true) {
      pause.expires_after(std::chrono::milliseconds(1));
      co_await pause.async_wait(asio::use_awaitable);
      const auto bytes = co_await (*exchange)->read();
      if (!bytes || bytes->empty()) break;
      total += bytes->size();
      largest = std::max(largest, bytes->size());
    }
    CHECK(largest <= 262'144);
    co_return total;
  };
  CHECK(fakes::run(bench.io, read_slowly()) == large.size());
}
