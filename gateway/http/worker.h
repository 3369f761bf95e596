// What the sessions of one I/O thread share, and what all threads share.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "gateway/http/server.h"
#include "gateway/http/tls.h"

namespace jevons {

// One per server; every member is thread-safe.
struct HttpShared {
  HttpShared(const HttpLimits& configured, RefusalWriter writer)
      : limits(configured), refusal(std::move(writer)) {}

  const HttpLimits limits;
  const RefusalWriter refusal;
  std::atomic<std::int64_t> connections{0};
  std::atomic<std::int64_t> body_bytes{0};  // of all requests being read or answered
  std::atomic<bool> draining{false};

  // Above 92 % of the connections allowed, answers end their connection.
  bool crowded() const { return connections.load() * 100 > limits.connections_max * 92; }

  TlsContext tls() const;  // null: plain
  void set_tls(TlsContext context);

  // `drained` runs once, when no connection is left; at once if none is.
  void on_drained(std::function<void()> drained);
  void connection_opened() { ++connections; }
  void connection_closed();

 private:
  void report_drained();

  mutable std::mutex mutex_;
  TlsContext tls_;
  std::function<void()> drained_;
};

// A connection's place in its worker's list; leaves the list when it is destroyed.
using SessionHook =
    boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

class HttpSession;

class HttpWorker;

// An accepted connection on its way to its worker and in it: counted from accept to close, so that
// neither the choice of a worker nor a drain overlooks one that is still queued.
class Connection {
 public:
  Connection(std::shared_ptr<HttpWorker> worker, int socket);
  Connection(Connection&& other) noexcept
      : worker_(std::move(other.worker_)), socket_(std::exchange(other.socket_, -1)) {}
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  const std::shared_ptr<HttpWorker>& worker() const { return worker_; }
  int socket() const { return socket_; }
  // The caller closes it from now on.
  int release_socket() { return std::exchange(socket_, -1); }

 private:
  std::shared_ptr<HttpWorker> worker_;  // null: moved from
  int socket_;                          // -1: released
};

// One per I/O thread. All but `connections` is used by that thread alone.
class HttpWorker : public std::enable_shared_from_this<HttpWorker> {
 public:
  HttpWorker(boost::asio::io_context& context, HttpHandler answer,
             std::shared_ptr<HttpShared> common);
  ~HttpWorker();

  boost::asio::io_context& io;
  const HttpHandler handler;
  const std::shared_ptr<HttpShared> shared;
  std::atomic<std::int64_t> connections{0};
  std::vector<char> scratch;  // every session reads into this; it keeps only what it must

  // Takes over a connected, non-blocking socket, on this thread.
  void adopt(Connection connection, std::string peer_address, bool peer_is_loopback);
  // Closes the connection that has been idle for longest; false if none is idle.
  bool drop_one_idle();
  void drain();
  void interrupt();
  void close_all();

  // Begins the answer to a session's request, now or when its turn comes: what is under way already
  // goes first. Where it would wait too long it is turned away, which costs little.
  void admit(HttpSession& session);

  // Idle connections stand in the order in which they became idle.
  void move_to_back(HttpSession& session);

  // The current HTTP date, formatted once a second.
  const std::string& date();

 private:
  using SteadyClock = std::chrono::steady_clock;
  struct Sessions;
  struct Waiting {
    std::shared_ptr<HttpSession> session;
    SteadyClock::time_point since;
  };

  // Keeps them alive: what is done to one may end it.
  std::vector<std::shared_ptr<HttpSession>> sessions() const;
  void begin(HttpSession& session);
  void take_turn();
  bool line_stands(SteadyClock::time_point now) const;

  std::unique_ptr<Sessions> sessions_;
  std::deque<Waiting> waiting_;
  SteadyClock::time_point waiting_from_{};  // since when somebody has been waiting without a break
  int begun_ = 0;                           // in this turn of the loop
  bool turn_ends_ = false;                  // it is posted
  std::int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace jevons
