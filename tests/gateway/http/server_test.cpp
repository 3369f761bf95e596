#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <thread>

#include "tests/gateway/http/wire.h"

using namespace jevons;
using test::Wire;
namespace asio = boost::asio;

namespace {

const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

HttpAnswer refusal_of(const Error& error) { return http_error(error, Dialect::openai, ""); }

void run_until(Wire& wire, const std::function<bool()>& done) {
  while (!done()) {
    if (wire.io.stopped()) wire.io.restart();
    REQUIRE(wire.io.run_one_for(std::chrono::seconds(10)) > 0);
  }
}

}  // namespace

TEST_CASE("server: listening fails with a reason") {
  Wire wire;
  ListenOptions options;
  options.host = "127.0.0.1";
  options.port = wire.server->port();
  const auto handlers = [](std::size_t) { return Wire::echo(); };
  const auto taken = listen_http({&wire.io}, options, handlers, refusal_of);
  REQUIRE(taken.has_error());
  CHECK(taken.error().message() ==
        "cannot listen on 127.0.0.1:" + std::to_string(options.port) + ": Address already in use");
  CHECK(taken.error().fault() == Fault::config);
  options.host = "256.0.0.1";
  const auto unknown = listen_http({&wire.io}, options, handlers, refusal_of);
  REQUIRE(unknown.has_error());
  CHECK(unknown.error().message().starts_with("cannot listen on 256.0.0.1:"));
}

TEST_CASE("server: the handler sees where a request comes from") {
  std::optional<HttpRequest> seen;
  Wire wire([&](HttpRequest& request, Responder& responder) -> asio::awaitable<void> {
    seen = request;
    std::vector<Header> headers;
    co_await responder.send(204, std::move(headers), "");
  });
  auto client = wire.connect();
  client.send(get);
  client.read_until("\r\n\r\n");
  REQUIRE(seen);
  CHECK(seen->peer_address == "127.0.0.1");
  CHECK(seen->peer_is_loopback);
  CHECK_FALSE(seen->tls);
}

TEST_CASE("server: one connection too many is told so; an idle one makes room") {
  HttpLimits limits;
  limits.connections_max = 2;
  std::function<void()> answer;
  asio::io_context* io = nullptr;
  Wire wire(
      [&](HttpRequest& request, Responder& responder) -> asio::awaitable<void> {
        asio::steady_timer wait(*io, std::chrono::hours(1));
        if (request.path == "/wait") {
          responder.on_interrupt([&](Interrupt) { wait.cancel(); });
          co_await wait.async_wait(asio::as_tuple(asio::use_awaitable));
        }
        std::vector<Header> headers;
        co_await responder.send(204, std::move(headers), "");
      },
      limits);
  io = &wire.io;
  auto idle = wire.connect();
  idle.send(get);
  CHECK(idle.read_until("\r\n\r\n").starts_with("HTTP/1.1 204"));
  auto busy_1 = wire.connect();
  busy_1.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(idle.read_to_end() == "");
  auto busy_2 = wire.connect();
  busy_2.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  run_until(wire, [&] { return wire.server->connections() == 2; });
  wire.io.poll();
  auto third = wire.connect();
  third.send(get);
  CHECK(Wire::without_date(third.read_to_end()) ==
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
        "x-should-retry: true\r\nretry-after: 1\r\nretry-after-ms: 1000\r\ncontent-length: "
        "51\r\nconnection: close\r\n\r\n"
        "{\"refused\":\"too many connections; try again later\"}");
  busy_1.close();
  busy_2.close();
  run_until(wire, [&] { return wire.server->connections() == 0; });
}

TEST_CASE("server: a line of requests that stands too long turns newcomers away, not connections") {
  HttpLimits limits;
  limits.burst_wait_ms = limits.standing_wait_ms = limits.standing_ms = 0;
  const auto no_content = [](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    std::vector<Header> headers;
    co_await responder.send(204, std::move(headers), "");
  };
  Wire wire(no_content, limits);
  std::vector<std::unique_ptr<fakes::RawClient>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::make_unique<fakes::RawClient>(wire.io, wire.server->port()));
    clients.back()->send(get);
    CHECK(clients.back()->read_until("\r\n\r\n").starts_with("HTTP/1.1 204"));
  }
  for (const auto& client : clients) client->send(get);
  int answered = 0;
  for (const auto& client : clients) {
    const std::string head = client->read_until("\r\n\r\n");
    if (head.starts_with("HTTP/1.1 204")) {
      ++answered;
      continue;
    }
    CHECK(Wire::without_date(head) ==
          "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
          "x-should-retry: true\r\nretry-after: 1\r\nretry-after-ms: 1000\r\ncontent-length: "
          "58\r\n\r\n");
    CHECK(client->read_until("}") ==
          "{\"refused\":\"the gateway is overloaded; try again shortly\"}");
    client->send(get);
    CHECK(client->read_until("\r\n\r\n").starts_with("HTTP/1.1 204"));
  }
  // Eight are begun in a turn of the loop, the ninth begins the line.
  CHECK(answered == 9);
}

TEST_CASE("server: drain lets requests end, closes idle connections, accepts nobody new") {
  std::optional<asio::steady_timer> gate;
  int waiting = 0;
  Wire wire([&](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    ++waiting;
    if (gate) co_await gate->async_wait(asio::as_tuple(asio::use_awaitable));
    std::vector<Header> headers;
    co_await responder.send(200, std::move(headers), "done");
  });
  gate.emplace(wire.io, std::chrono::hours(1));
  auto running = wire.connect();
  running.send(get);
  run_until(wire, [&] { return waiting == 1; });
  auto queued = wire.connect();  // connected, not yet accepted: still served
  queued.send("GET / HTTP/1.1\r\n");
  bool drained = false;
  wire.server->drain([&] { drained = true; });
  wire.io.poll();
  CHECK_FALSE(drained);
  CHECK_THROWS(wire.connect());
  queued.send("Host: x\r\n\r\n");
  run_until(wire, [&] { return waiting == 2; });
  gate->cancel();
  const std::string done = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone";
  CHECK(Wire::without_date(running.read_to_end()) == done);
  CHECK(Wire::without_date(queued.read_to_end()) == done);
  run_until(wire, [&] { return drained; });
  CHECK(wire.server->connections() == 0);
  gate.reset();
}

TEST_CASE("server: drain closes connections that are idle") {
  Wire wire;
  auto client = wire.connect();
  client.send(get);
  client.read_until("GET /");
  bool drained = false;
  wire.server->drain([&] { drained = true; });
  CHECK(client.read_to_end() == "");
  run_until(wire, [&] { return drained; });
}

TEST_CASE("server: an interrupted handler may still answer, what has no handler is closed") {
  std::optional<Interrupt> heard;
  Wire wire([&](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    asio::steady_timer wait(wire.io, std::chrono::hours(1));
    responder.on_interrupt([&](Interrupt why) {
      heard = why;
      wait.cancel();
    });
    co_await wait.async_wait(asio::as_tuple(asio::use_awaitable));
    std::vector<Header> headers;
    co_await responder.send(503, std::move(headers), "stopping");
  });
  auto half_a_request = wire.connect();
  half_a_request.send("GET /");
  auto client = wire.connect();
  client.send(get);
  run_until(wire, [&] { return wire.server->connections() == 2; });
  wire.io.poll();
  bool drained = false;
  wire.server->drain([&] { drained = true; });
  wire.io.poll();
  wire.server->interrupt();
  CHECK(client.read_to_end().ends_with("\r\n\r\nstopping"));
  CHECK(heard == Interrupt::stopping);
  CHECK(half_a_request.read_to_end() == "");
  run_until(wire, [&] { return drained; });
}

TEST_CASE("server: a handler that outlives its client hears of the stop as well") {
  std::vector<Interrupt> heard;
  Wire wire([&](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    asio::steady_timer wait(wire.io, std::chrono::hours(1));
    responder.on_interrupt([&](Interrupt why) {
      heard.push_back(why);
      if (why == Interrupt::stopping) wait.cancel();
    });
    co_await wait.async_wait(asio::as_tuple(asio::use_awaitable));
    responder.on_interrupt({});
  });
  auto client = wire.connect();
  client.send(get);
  run_until(wire, [&] { return wire.server->connections() == 1; });
  wire.io.poll();
  client.reset();
  run_until(wire, [&] { return heard.size() == 1; });
  bool drained = false;
  wire.server->drain([&] { drained = true; });
  wire.server->interrupt();
  run_until(wire, [&] { return drained; });
  CHECK(heard == std::vector{Interrupt::client_gone, Interrupt::stopping});
}

TEST_CASE("server: stop ends running requests") {
  bool gone = false;
  Wire wire([&](HttpRequest&, Responder& responder) -> asio::awaitable<void> {
    asio::steady_timer wait(wire.io, std::chrono::hours(1));
    responder.on_interrupt([&](Interrupt) { wait.cancel(); });
    co_await wait.async_wait(asio::as_tuple(asio::use_awaitable));
    gone = true;
  });
  auto client = wire.connect();
  client.send(get);
  run_until(wire, [&] { return wire.server->connections() == 1; });
  wire.io.poll();
  wire.server->stop();
  CHECK(client.read_to_end() == "");
  run_until(wire, [&] { return gone && wire.server->connections() == 0; });
}

TEST_CASE("server: out of descriptors it refuses, and serves again when there are some") {
  Wire wire;
  auto before = wire.connect();
  before.send(get);
  before.read_until("GET /");
  auto starved = wire.connect();
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlim_t usual = limit.rlim_cur;
  const int next_free = ::open("/dev/null", O_RDONLY);
  ::close(next_free);
  limit.rlim_cur = static_cast<rlim_t>(next_free);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  starved.send(get);
  const std::string refused = starved.read_to_end();
  before.send(get);
  const std::string served = before.read_until("GET /");
  limit.rlim_cur = usual;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(refused == "");
  CHECK(served.starts_with("HTTP/1.1 200 OK"));
  auto after = wire.connect();
  after.send(get);
  CHECK(after.read_until("GET /").starts_with("HTTP/1.1 200 OK"));
}

TEST_CASE("server: answers of two threads go to whom they belong") {
  constexpr int clients = 6;
  constexpr int requests = 150;
  asio::io_context contexts[2];
  auto guard_0 = asio::make_work_guard(contexts[0]);
  auto guard_1 = asio::make_work_guard(contexts[1]);
  ListenOptions options;
  options.host = "127.0.0.1";
  auto listening = listen_http(
      {&contexts[0], &contexts[1]}, options, [](std::size_t) { return Wire::echo(); }, refusal_of);
  REQUIRE(listening.has_value());
  HttpServer& server = **listening;
  std::atomic<int> right{0};
  std::atomic<bool> drained{false};
  {
    std::jthread first([&] { contexts[0].run(); });
    std::jthread second([&] { contexts[1].run(); });
    {
      std::vector<std::jthread> talkers;
      for (int c = 0; c < clients; ++c) {
        talkers.emplace_back([&, c] {
          asio::io_context own;
          for (int i = 0; i < requests; ++i) {
            fakes::RawClient client(own, server.port());
            const std::string token = "/" + std::to_string(c) + "-" + std::to_string(i);
            if (i % 10 == 0) {  // aborted
              client.send("GET " + token);
              client.reset();
              ++right;
              continue;
            }
            client.send("GET " + token + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            std::string text;
            char buffer[512];
            for (ssize_t n = 1; n > 0;) {
              n = ::recv(client.socket(), buffer, sizeof buffer, 0);
              if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
            }
            if (text.ends_with("\r\n\r\nGET " + token)) ++right;
          }
        });
      }
    }
    server.drain([&] {
      drained = true;
      guard_0.reset();
      guard_1.reset();
    });
  }
  CHECK(right == clients * requests);
  CHECK(drained);
  CHECK(server.connections() == 0);
}
