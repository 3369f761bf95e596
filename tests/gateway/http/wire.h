// Literal wire tests: raw request text in, raw answer text out, server and client in one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "gateway/http/server.h"
#include "gateway/http_error.h"
#include "tests/fakes/raw_client.h"

namespace jevons::test {

// A server on a free loopback port. The default handler answers with the request it saw.
class Wire {
 public:
  explicit Wire(HttpHandler handler = echo(), HttpLimits limits = {}, TlsFiles tls = {}) {
    ListenOptions options;
    options.host = "127.0.0.1";
    options.limits = limits;
    options.tls = std::move(tls);
    auto listening = listen_http(
        {&io}, options, [&](std::size_t) { return handler; },
        [](const Error& error) {
          HttpAnswer answer = http_error(error, Dialect::openai, "");
          answer.body = "{\"refused\":\"" + error.message() + "\"}";
          return answer;
        });
    if (!listening) throw std::runtime_error(listening.error().message());
    server = std::move(*listening);
  }

  fakes::RawClient connect() { return fakes::RawClient(io, server->port()); }

  // One connection: sends, half-closes nothing, reads until the server closes. Dates are cut out.
  std::string talk(std::string_view request) {
    fakes::RawClient client = connect();
    client.send(request);
    return without_date(client.read_to_end());
  }

  static std::string without_date(std::string text) {
    for (std::size_t at = text.find("date: "); at != std::string::npos; at = text.find("date: ")) {
      text.erase(at, text.find("\r\n", at) + 2 - at);
    }
    return text;
  }

  static HttpHandler echo() {
    return [](HttpRequest& request, Responder& responder) -> boost::asio::awaitable<void> {
      std::string seen = request.method + " " + request.path;
      if (!request.query.empty()) seen += " ?" + request.query;
      if (!request.body.empty()) seen += " [" + request.body + "]";
      std::vector<Header> headers;
      headers.push_back(Header{"content-type", "text/plain"});
      co_await responder.send(200, std::move(headers), std::move(seen));
    };
  }

  boost::asio::io_context io;
  std::unique_ptr<HttpServer> server;
};

}  // namespace jevons::test
