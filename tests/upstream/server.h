// One thread, one epoll: accepts, reads requests, writes segments when they are due. TLS optional.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/upstream/handler.h"

namespace upstream {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  std::string cert;  // PEM files; empty: plain HTTP
  std::string key;
};

class Server {
 public:
  // Binds and listens. Throws std::runtime_error with the reason.
  Server(const ServerOptions& options, Handler& handler, Bill& bill);
  ~Server();
  std::uint16_t port() const;
  // Runs until SIGTERM or SIGINT.
  void run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace upstream
