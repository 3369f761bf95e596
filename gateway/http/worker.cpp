#include "gateway/http/worker.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "gateway/http/session.h"

namespace jevons {

TlsContext HttpShared::tls() const {
  const std::scoped_lock lock(mutex_);
  return tls_;
}

void HttpShared::set_tls(TlsContext context) {
  const std::scoped_lock lock(mutex_);
  tls_ = std::move(context);
}

void HttpShared::on_drained(std::function<void()> drained) {
  {
    const std::scoped_lock lock(mutex_);
    drained_ = std::move(drained);
  }
  if (connections == 0) report_drained();
}

void HttpShared::connection_closed() {
  if (--connections == 0 && draining) report_drained();
}

void HttpShared::report_drained() {
  std::function<void()> drained;
  {
    const std::scoped_lock lock(mutex_);
    drained = std::exchange(drained_, nullptr);
  }
  if (drained) drained();
}

Connection::Connection(std::shared_ptr<HttpWorker> worker, int socket)
    : worker_(std::move(worker)), socket_(socket) {
  ++worker_->connections;
  worker_->shared->connection_opened();
}

Connection::~Connection() {
  if (socket_ >= 0) ::close(socket_);
  if (!worker_) return;
  --worker_->connections;
  worker_->shared->connection_closed();
}

struct HttpWorker::Sessions {
  boost::intrusive::list<HttpSession, boost::intrusive::constant_time_size<false>> list;
};

namespace {
constexpr std::size_t scratch_bytes = 65'536;
// Requests begun in one turn of the loop; a turn ends when all that was ready has had its turn.
constexpr int begun_max = 8;
}  // namespace

HttpWorker::HttpWorker(boost::asio::io_context& context, HttpHandler answer,
                       std::shared_ptr<HttpShared> common)
    : io(context),
      handler(std::move(answer)),
      shared(std::move(common)),
      scratch(scratch_bytes),
      sessions_(std::make_unique<Sessions>()) {}

HttpWorker::~HttpWorker() = default;

void HttpWorker::adopt(Connection connection, std::string peer_address, bool peer_is_loopback) {
  const std::int64_t allowed = shared->limits.connections_max;
  const std::int64_t open = shared->connections;
  const bool made_room = open * 100 >= allowed * 95 && drop_one_idle();
  auto session = std::make_shared<HttpSession>(std::move(connection), std::move(peer_address),
                                               peer_is_loopback);
  sessions_->list.push_back(*session);
  if (open > allowed && !made_room) return session->shed();
  session->start();
}

bool HttpWorker::drop_one_idle() {
  for (HttpSession& session : sessions_->list) {
    if (!session.spare()) continue;
    session.close();
    return true;
  }
  return false;
}

std::vector<std::shared_ptr<HttpSession>> HttpWorker::sessions() const {
  std::vector<std::shared_ptr<HttpSession>> all;
  for (HttpSession& session : sessions_->list) all.push_back(session.shared_from_this());
  return all;
}

void HttpWorker::drain() {
  for (const auto& session : sessions()) session->drain();
}

void HttpWorker::interrupt() {
  for (const auto& session : sessions()) session->interrupt();
}

void HttpWorker::close_all() {
  for (const auto& session : sessions()) session->close();
}

void HttpWorker::admit(HttpSession& session) {
  if (waiting_.empty() && begun_ < begun_max) return begin(session);
  const auto now = SteadyClock::now();
  if (waiting_.empty()) waiting_from_ = now;
  // The newcomer, not whoever has waited: its bytes are in the caches now.
  if (line_stands(now)) return session.turn_away();
  waiting_.push_back({session.shared_from_this(), now});
}

void HttpWorker::begin(HttpSession& session) {
  ++begun_;
  if (!std::exchange(turn_ends_, true))
    boost::asio::post(io, [self = shared_from_this()] { self->take_turn(); });
  session.begin_handling();
}

// Whether so many wait, and have waited for so long, that a newcomer would wait too long as well.
bool HttpWorker::line_stands(SteadyClock::time_point now) const {
  if (waiting_.empty()) return false;
  const auto longest = now - waiting_.front().since;
  const HttpLimits& limits = shared->limits;
  const bool standing = now - waiting_from_ > std::chrono::milliseconds(limits.standing_ms);
  const std::int64_t most = standing ? limits.standing_wait_ms : limits.burst_wait_ms;
  return longest > std::chrono::milliseconds(most);
}

void HttpWorker::take_turn() {
  turn_ends_ = false;
  begun_ = 0;
  while (!waiting_.empty() && begun_ < begun_max) {
    const std::shared_ptr<HttpSession> next = std::move(waiting_.front().session);
    waiting_.pop_front();
    if (next->waits()) begin(*next);
  }
}

void HttpWorker::move_to_back(HttpSession& session) {
  sessions_->list.splice(sessions_->list.end(), sessions_->list,
                         sessions_->list.iterator_to(session));
}

const std::string& HttpWorker::date() {
  namespace chrono = std::chrono;
  const std::int64_t second =
      chrono::duration_cast<chrono::seconds>(chrono::system_clock::now().time_since_epoch())
          .count();
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(second);
  }
  return date_;
}

}  // namespace jevons
