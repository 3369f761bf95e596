#include "gateway/http/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

namespace jevons {

namespace asio = boost::asio;

namespace {

constexpr int accepts_per_wake = 64;
constexpr std::chrono::milliseconds pause_without_resources{100};

int open_reserve() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

struct Peer {
  std::string address;
  bool is_loopback = false;
};

Peer peer_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return Peer{text.data(), (ntohl(v4.sin_addr.s_addr) >> 24) == 127};
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    ::inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
    return Peer{text.data(), v6.sin6_addr.s6_addr[12] == 127};
  }
  ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return Peer{text.data(), IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) != 0};
}

bool is_out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Listener::Listener(int socket, std::vector<std::shared_ptr<HttpWorker>> workers)
    : workers_(std::move(workers)),
      descriptor_(workers_.front()->io, socket),
      timer_(workers_.front()->io),
      reserve_(open_reserve()) {}

Listener::~Listener() {
  if (reserve_ >= 0) ::close(reserve_);
}

void Listener::start() {
  descriptor_.async_wait(decltype(descriptor_)::wait_read,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                           if (!error) self->accept_waiting();
                         });
}

void Listener::accept_waiting() {
  for (int i = 0; i < accepts_per_wake; ++i) {
    const Accepted accepted = accept_one();
    if (accepted == Accepted::none_waits) break;
    if (accepted == Accepted::no_resources) {
      refuse_one();
      timer_.expires_after(pause_without_resources);
      timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
        if (!error) self->start();
      });
      return;
    }
  }
  start();
}

Listener::Accepted Listener::accept_one() {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int socket = ::accept4(descriptor_.native_handle(), reinterpret_cast<sockaddr*>(&address),
                               &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket >= 0) {
    Peer peer = peer_of(address);
    hand_over(socket, std::move(peer.address), peer.is_loopback);
    return Accepted::one;
  }
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Accepted::none_waits;
  // Anything else concerns one connection that is gone already (ECONNABORTED and its like).
  return is_out_of_resources(errno) ? Accepted::no_resources : Accepted::one;
}

// Without this a waiting connection would keep the socket readable and its client hanging.
void Listener::refuse_one() {
  if (reserve_ >= 0) {
    ::close(std::exchange(reserve_, -1));
    const int socket =
        ::accept4(descriptor_.native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) ::close(socket);
  }
  reserve_ = open_reserve();
}

void Listener::hand_over(int socket, std::string address, bool is_loopback) {
  const auto fewest = std::min_element(
      workers_.begin(), workers_.end(),
      [](const auto& a, const auto& b) { return a->connections.load() < b->connections.load(); });
  Connection connection(*fewest, socket);
  HttpWorker& worker = **fewest;
  if (&worker.io == &workers_.front()->io) {
    worker.adopt(std::move(connection), std::move(address), is_loopback);
    return;
  }
  asio::post(worker.io, [connection = std::move(connection), address = std::move(address),
                         is_loopback]() mutable {
    HttpWorker& taker = *connection.worker();
    taker.adopt(std::move(connection), std::move(address), is_loopback);
  });
}

void Listener::stop() {
  if (!descriptor_.is_open()) return;
  timer_.cancel();
  while (accept_one() == Accepted::one) {
  }
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace jevons
