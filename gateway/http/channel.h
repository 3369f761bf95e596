// One client socket, never blocking, plain or TLS behind the same calls. It waits for nothing: the
// session waits for readiness and calls again.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace jevons {

class Channel {
 public:
  enum class Status { done, want_read, want_write, closed, failed };
  struct Progress {
    Status status = Status::failed;
    std::size_t bytes = 0;  // only when done; never 0 then
  };

  // Does not own `socket`, which must be non-blocking. `context` null: plain.
  Channel(int socket, SSL_CTX* context);

  bool encrypted() const { return ssl_ != nullptr; }
  // Done at once on a plain socket.
  Status handshake();
  // Some bytes. closed: the client will send no more.
  Progress read(std::span<char> into);
  // Some of the pieces' bytes, in order. A repeat must offer the bytes not yet taken, unchanged.
  Progress write(std::span<const std::string_view> pieces);
  // Tells the client that nothing more follows.
  void shutdown_write();

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  Progress write_plain(std::span<const std::string_view> pieces);
  Progress write_tls(std::span<const std::string_view> pieces);
  Progress tls_progress(int result, std::size_t bytes);

  int socket_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace jevons
