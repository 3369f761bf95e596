// HTTP to upstreams: libcurl's multi interface driven by one io_context. One Transport per I/O
// thread; not thread-safe, an exchange stays on its thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "providers/adapter.h"
#include "providers/provider_config.h"
#include "router/error.h"

namespace jevons {

struct HttpCall {
  std::string url;
  std::string body;            // sent as POST
  std::vector<Header> headers;  // complete, credential included
  std::int64_t first_byte_timeout_ms = 120'000;
  std::int64_t idle_timeout_ms = 60'000;  // between body bytes
  std::int64_t total_timeout_ms = 900'000;
};

// One upstream call in flight. Destroying it aborts the call.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual int status() const = 0;
  virtual const std::vector<Header>& headers() const = 0;  // lower-case names, at most 64 KiB
  // The next body bytes; empty at the clean end. Errors: upstream_error (reset, cut),
  // deadline_exceeded, cancelled. Reading slowly pauses the upstream (256 KiB are buffered).
  virtual boost::asio::awaitable<Result<std::string>> read() = 0;
  // No read follows. What is left of the body may be read and dropped for a moment, so that the
  // connection can be used again; destroying the exchange then aborts nothing.
  virtual void discard_rest() {}
  // Aborts; a waiting read returns Fault::cancelled.
  virtual void cancel() = 0;
};

// A handle to abort a call from a callback while `send` or `read` waits.
class CancelSlot {
 public:
  void cancel();                          // idempotent
  bool cancelled() const { return cancelled_; }
  void bind(std::function<void()> abort);  // runs at once if already cancelled
  void unbind() { abort_ = nullptr; }

 private:
  bool cancelled_ = false;
  std::function<void()> abort_;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Returns when the response head is there. maybe_billed() of the error says whether a byte of
  // the request may have reached the upstream. Never sends a request twice: libcurl's silent
  // resend on a reused connection is closed off.
  virtual boost::asio::awaitable<Result<std::unique_ptr<HttpExchange>>> send(
      const ProviderConfig& provider, HttpCall call, CancelSlot& cancel) = 0;
};

std::unique_ptr<Transport> make_curl_transport(boost::asio::io_context& io);

}  // namespace jevons
