// One client connection of the scripted upstream: bytes in, segments out.
#pragma once

#include <openssl/ssl.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/upstream/handler.h"

namespace upstream {

using Clock = std::chrono::steady_clock;

enum class Io { done, again, closed };

class Connection {
 public:
  // Takes the socket (non-blocking). `tls` null: plain.
  Connection(int fd, SSL_CTX* tls, Handler& handler);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Reads what is there and answers as far as possible. False: the connection is finished.
  bool on_readable();
  // Writes what is due. False: the connection is finished.
  bool on_writable();
  // When the next segment is due, if one waits for its time.
  std::optional<Clock::time_point> due() const { return due_; }
  bool wants_write() const { return blocked_; }
  int fd() const { return fd_; }
  std::uint64_t generation = 0;

 private:
  Io read_some();
  Io write_some(const char* data, std::size_t size, std::size_t& written);
  bool next_requests();
  bool send_due();
  bool end_exchange();
  void close_with_reset();

  int fd_;
  SSL* ssl_ = nullptr;
  Handler& handler_;
  std::string in_;
  std::optional<Exchange> exchange_;
  std::size_t segment_ = 0;
  std::size_t offset_ = 0;
  std::int64_t tokens_sent_ = 0;
  std::size_t requests_ = 0;
  std::optional<Clock::time_point> due_;
  bool blocked_ = false;
  bool continued_ = false;
  bool keep_alive_ = true;
};

}  // namespace upstream
