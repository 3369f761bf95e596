// A plain TCP client for tests that drive a server in the same thread: it never blocks, but runs
// the given io_context while it waits.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>

namespace jevons::fakes {

class RawClient {
 public:
  RawClient(boost::asio::io_context& io, std::uint16_t port) : io_(io) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("cannot connect");
    }
  }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  ~RawClient() { close(); }

  int socket() const { return socket_; }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count =
          ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        step();
      } else {
        return;  // the server has closed; what it answered can still be read
      }
    }
  }

  void half_close() { ::shutdown(socket_, SHUT_WR); }
  void reset() {
    const linger now{1, 0};
    static_cast<void>(::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now));
    close();
  }
  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }

  // Everything until the server closes. `was_reset` says how it did.
  std::string read_to_end() {
    while (read_some()) {
    }
    return take();
  }

  // Everything up to and including the marker; what there is if the server closes before it.
  std::string read_until(std::string_view marker) {
    while (received_.find(marker) == std::string::npos && read_some()) {
    }
    const std::size_t at = received_.find(marker);
    if (at == std::string::npos) return take();
    std::string taken = received_.substr(0, at + marker.size());
    received_.erase(0, at + marker.size());
    return taken;
  }

  bool was_reset() const { return was_reset_; }

 private:
  // Waits for bytes; false at the end.
  bool read_some() {
    char buffer[16'384];
    while (true) {
      const ssize_t count = ::recv(socket_, buffer, sizeof buffer, MSG_DONTWAIT);
      if (count > 0) {
        received_.append(buffer, static_cast<std::size_t>(count));
        return true;
      }
      if (count < 0 && errno == EAGAIN) {
        step();
        continue;
      }
      was_reset_ = count < 0;
      return false;
    }
  }

  void step() {
    if (io_.stopped()) io_.restart();
    if (io_.run_one_for(std::chrono::seconds(10)) == 0) {
      throw std::runtime_error("nothing happened for 10 seconds; received: " + received_);
    }
  }

  std::string take() { return std::exchange(received_, {}); }

  boost::asio::io_context& io_;
  int socket_ = -1;
  bool was_reset_ = false;
  std::string received_;
};

}  // namespace jevons::fakes
