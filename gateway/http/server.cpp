#include "gateway/http/server.h"

#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "gateway/http/listener.h"
#include "gateway/http/tls.h"
#include "gateway/http/worker.h"

namespace jevons {

namespace asio = boost::asio;

namespace {

constexpr int backlog = 4'096;
constexpr rlim_t connection_share_percent = 40;  // of the file descriptors allowed

std::int64_t default_connections_max() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 65'536;
  return static_cast<std::int64_t>(limit.rlim_cur * connection_share_percent / 100);
}

struct Bound {
  int socket = -1;
  std::uint16_t port = 0;
};

std::string unbracketed(const std::string& host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

std::uint16_t port_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  const in_port_t port = address.ss_family == AF_INET6
                             ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                             : reinterpret_cast<const sockaddr_in&>(address).sin_port;
  return ntohs(port);
}

// Returns the listening socket, or -1 with errno set.
int bind_and_listen(const addrinfo& address) {
  const int socket = ::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  const int on = 1;
  static_cast<void>(::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on));
  if (::bind(socket, address.ai_addr, address.ai_addrlen) == 0 && ::listen(socket, backlog) == 0) {
    return socket;
  }
  const int reason = errno;
  ::close(socket);
  errno = reason;
  return -1;
}

Result<Bound> bind_listener(const std::string& host, std::uint16_t port) {
  const std::string where = host + ":" + std::to_string(port);
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(unbracketed(host).c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) {
    return Error(Fault::config, "cannot listen on " + where + ": " + ::gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  const int socket = bind_and_listen(*addresses);
  if (socket < 0) {
    return Error(Fault::config,
                 "cannot listen on " + where + ": " + std::system_category().message(errno));
  }
  return Bound{socket, port_of(socket)};
}

class Server final : public HttpServer {
 public:
  Server(std::shared_ptr<HttpShared> shared, std::vector<std::shared_ptr<HttpWorker>> workers,
         const Bound& bound)
      : shared_(std::move(shared)),
        workers_(std::move(workers)),
        listener_(std::make_shared<Listener>(bound.socket, workers_)),
        port_(bound.port) {
    asio::post(workers_.front()->io, [listener = listener_] { listener->start(); });
  }

  ~Server() override { stop(); }

  std::uint16_t port() const override { return port_; }
  std::int64_t connections() const override { return shared_->connections; }

  Result<void> swap_tls(const TlsFiles& files) override {
    auto context = load_tls(files);
    if (!context) return context.error();
    shared_->set_tls(*context);
    return {};
  }

  void drain(std::function<void()> drained) override {
    asio::post(workers_.front()->io, [listener = listener_, shared = shared_, workers = workers_,
                                      drained = std::move(drained)] {
      listener->stop();
      shared->draining = true;
      for (const auto& worker : workers) {
        asio::post(worker->io, [worker] { worker->drain(); });
      }
      shared->on_drained(drained);
    });
  }

  void interrupt() override {
    for (const auto& worker : workers_) {
      asio::post(worker->io, [worker] { worker->interrupt(); });
    }
  }

  void stop() override {
    asio::post(workers_.front()->io, [listener = listener_] { listener->stop(); });
    for (const auto& worker : workers_) {
      asio::post(worker->io, [worker] { worker->close_all(); });
    }
  }

 private:
  std::shared_ptr<HttpShared> shared_;
  std::vector<std::shared_ptr<HttpWorker>> workers_;
  std::shared_ptr<Listener> listener_;
  std::uint16_t port_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> listen_http(const std::vector<asio::io_context*>& io_contexts,
                                                const ListenOptions& options,
                                                std::function<HttpHandler(std::size_t)> handler_of,
                                                RefusalWriter refusal) {
  // OpenSSL writes with write(2), which would raise it for a client that has gone.
  std::signal(SIGPIPE, SIG_IGN);
  HttpLimits limits = options.limits;
  if (limits.connections_max == 0) limits.connections_max = default_connections_max();
  auto shared = std::make_shared<HttpShared>(limits, std::move(refusal));
  if (!options.tls.empty()) {
    auto context = load_tls(options.tls);
    if (!context) return context.error();
    shared->set_tls(*context);
  }
  auto bound = bind_listener(options.host, options.port);
  if (!bound) return bound.error();
  std::vector<std::shared_ptr<HttpWorker>> workers;
  for (std::size_t i = 0; i < io_contexts.size(); ++i) {
    workers.push_back(std::make_shared<HttpWorker>(*io_contexts[i], handler_of(i), shared));
  }
  return std::unique_ptr<HttpServer>(
      std::make_unique<Server>(std::move(shared), std::move(workers), *bound));
}

}  // namespace jevons
