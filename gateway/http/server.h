// The HTTP/1.1 server: strict framing in front of Beast, TLS, limits, absolute deadlines, drain.
// It knows nothing of models and money; a Handler answers each request.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/request.h"
#include "providers/provider_config.h"
#include "router/error.h"

namespace jevons {

// Why a handler should end before its answer is whole.
enum class Interrupt : std::uint8_t {
  client_gone,  // it closed or reset; nothing reaches it any more
  stopping,     // the server stops; what is written at once still arrives
};

// How one request is answered: either send() once, or begin_stream(), write() any number of times
// and end_stream(). All return false once the client is gone or the write stalled (30 s).
class Responder {
 public:
  virtual ~Responder() = default;
  virtual boost::asio::awaitable<bool> send(int status, std::vector<Header> headers,
                                            std::string body) = 0;
  // Chunked transfer; a HEAD or HTTP/1.0 client is handled by the server.
  virtual boost::asio::awaitable<bool> begin_stream(int status, std::vector<Header> headers) = 0;
  virtual boost::asio::awaitable<bool> write(std::string bytes) = 0;
  // clean = false closes the connection without the last chunk, so that a cut shows as a cut.
  virtual boost::asio::awaitable<bool> end_stream(bool clean) = 0;
  // Calls back on the session's executor when the answer is no longer wanted, at most once for each
  // reason; at once if the client has gone already. An empty function removes it.
  virtual void on_interrupt(std::function<void(Interrupt)> callback) = 0;
  virtual bool client_gone() const = 0;
};

using HttpHandler =
    std::function<boost::asio::awaitable<void>(HttpRequest& request, Responder& responder)>;
// The server's own refusals (framing, limits, overload) in the wire form of the surface.
using RefusalWriter = std::function<HttpAnswer(const Error& error)>;

struct TlsFiles {
  std::string certificate, key;
  bool empty() const { return certificate.empty(); }
};

struct ListenOptions {
  std::string host;
  std::uint16_t port = 0;
  TlsFiles tls;
  HttpLimits limits;
};

// Accepts on one listening socket shared by the given io_contexts (one per I/O thread); a session
// stays on the thread that accepted it.
class HttpServer {
 public:
  virtual ~HttpServer() = default;
  virtual std::uint16_t port() const = 0;
  // A half-written or mismatched pair is refused and the old one kept.
  virtual Result<void> swap_tls(const TlsFiles& files) = 0;
  // Thread-safe. Stops accepting, closes idle connections, answers running requests with
  // `connection: close`; `drained` runs when none is left.
  virtual void drain(std::function<void()> drained) = 0;
  // Tells running requests that they must end now; they may still say so to their clients.
  virtual void interrupt() = 0;
  // Closes what is left.
  virtual void stop() = 0;
  virtual std::int64_t connections() const = 0;
};

// `handler_of(i)` gives the handler for io_contexts[i]. Errors: Fault::config (address in use, bad
// certificate), with the address in the message.
Result<std::unique_ptr<HttpServer>> listen_http(
    const std::vector<boost::asio::io_context*>& io_contexts, const ListenOptions& options,
    std::function<HttpHandler(std::size_t)> handler_of, RefusalWriter refusal);

}  // namespace jevons
