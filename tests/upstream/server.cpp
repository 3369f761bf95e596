#include "tests/upstream/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <queue>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "tests/upstream/connection.h"

namespace upstream {

struct Server::Impl {
  struct Timer {
    Clock::time_point at;
    int fd = -1;
    std::uint64_t generation = 0;
    bool operator>(const Timer& other) const { return at > other.at; }
  };

  Impl(Handler& the_handler, Bill& the_bill) : handler(the_handler), bill(the_bill) {}
  ~Impl() {
    connections.clear();
    if (tls != nullptr) SSL_CTX_free(tls);
    for (const int fd : {listener, epoll, signals})
      if (fd >= 0) close(fd);
  }

  void accept_all() {
    while (true) {
      const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto connection = std::make_unique<Connection>(fd, tls, handler);
      connection->generation = ++generations;
      epoll_event event{};
      event.events = EPOLLIN | EPOLLRDHUP;
      event.data.fd = fd;
      epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
      connections[fd] = std::move(connection);
      watched[fd] = false;
    }
  }

  // After any work on a connection: keep it, wait for its socket, its time, or drop it.
  void settle(int fd, bool alive) {
    const auto found = connections.find(fd);
    if (found == connections.end()) return;
    if (!alive) {
      connections.erase(found);
      return;
    }
    Connection& connection = *found->second;
    if (connection.due()) timers.push({*connection.due(), fd, connection.generation});
    const bool blocked = connection.wants_write();
    bool& watching = watched[fd];
    if (blocked == watching) return;
    watching = blocked;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | (blocked ? EPOLLOUT : 0U);
    event.data.fd = fd;
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
  }

  void run_timers() {
    const Clock::time_point now = Clock::now();
    while (!timers.empty() && timers.top().at <= now) {
      const Timer timer = timers.top();
      timers.pop();
      const auto found = connections.find(timer.fd);
      if (found == connections.end() || found->second->generation != timer.generation) continue;
      if (found->second->due() == timer.at) settle(timer.fd, found->second->on_writable());
    }
  }

  int wait(epoll_event* events, int count) const {
    if (timers.empty()) return epoll_wait(epoll, events, count, -1);
    const auto left =
        std::chrono::duration_cast<std::chrono::nanoseconds>(timers.top().at - Clock::now());
    const std::int64_t nanoseconds = std::max<std::int64_t>(0, left.count());
    const timespec timeout = {nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
    return epoll_pwait2(epoll, events, count, &timeout, nullptr);
  }

  void on_event(const epoll_event& event) {
    const int fd = event.data.fd;
    const auto found = connections.find(fd);
    if (found == connections.end()) return;
    bool alive = true;
    if ((event.events & EPOLLOUT) != 0) alive = found->second->on_writable();
    if (alive && (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
      alive = found->second->on_readable();
    settle(fd, alive);
  }

  Handler& handler;
  Bill& bill;
  int listener = -1;
  int epoll = -1;
  int signals = -1;
  SSL_CTX* tls = nullptr;
  std::uint16_t port = 0;
  std::uint64_t generations = 0;
  std::unordered_map<int, std::unique_ptr<Connection>> connections;
  std::unordered_map<int, bool> watched;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers;
};

namespace {

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) throw std::runtime_error("epoll_ctl");
}

SSL_CTX* make_tls(const ServerOptions& options) {
  SSL_CTX* tls = SSL_CTX_new(TLS_server_method());
  if (SSL_CTX_use_certificate_chain_file(tls, options.cert.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(tls, options.key.c_str(), SSL_FILETYPE_PEM) != 1)
    throw std::runtime_error("cannot use " + options.cert + " with " + options.key);
  return tls;
}

int signal_fd() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

}  // namespace

Server::Server(const ServerOptions& options, Handler& handler, Bill& bill)
    : impl_(std::make_unique<Impl>(handler, bill)) {
  if (!options.cert.empty()) impl_->tls = make_tls(options);
  impl_->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(impl_->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options.port);
  if (inet_pton(AF_INET, options.address.c_str(), &address.sin_addr) != 1)
    throw std::runtime_error("not an IPv4 address: " + options.address);
  if (bind(impl_->listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(impl_->listener, 4096) != 0)
    throw std::runtime_error("cannot listen on " + options.address + ":" +
                             std::to_string(options.port));
  socklen_t size = sizeof address;
  getsockname(impl_->listener, reinterpret_cast<sockaddr*>(&address), &size);
  impl_->port = ntohs(address.sin_port);
  impl_->epoll = epoll_create1(EPOLL_CLOEXEC);
  impl_->signals = signal_fd();
  watch(impl_->epoll, impl_->listener);
  watch(impl_->epoll, impl_->signals);
}

Server::~Server() = default;

std::uint16_t Server::port() const { return impl_->port; }

void Server::run() {
  std::vector<epoll_event> events(512);
  while (true) {
    const int count = impl_->wait(events.data(), static_cast<int>(events.size()));
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == impl_->signals) {
        impl_->connections.clear();
        impl_->bill.flush();
        return;
      }
      if (fd == impl_->listener)
        impl_->accept_all();
      else
        impl_->on_event(events[static_cast<std::size_t>(i)]);
    }
    impl_->run_timers();
    if (count < 8) impl_->bill.flush();  // busy: leave it to stdio's buffer
  }
}

}  // namespace upstream
