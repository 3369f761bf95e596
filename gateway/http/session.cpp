#include "gateway/http/session.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <utility>

namespace jevons {

namespace asio = boost::asio;

namespace {

// The next request's early bytes that a connection holds while one is being answered.
constexpr std::size_t pending_bytes_max = 16'384;
constexpr std::int64_t fresh_connection_drain_ms = 1'000;
// The kernel holds at most this much of an answer that the client does not read.
constexpr int unsent_bytes_max = 262'144;

void set_option(int socket, int level, int option, int value) {
  // A failure costs speed, nothing else.
  static_cast<void>(::setsockopt(socket, level, option, &value, sizeof value));
}

}  // namespace

HttpSession::HttpSession(Connection connection, std::string peer_address, bool peer_is_loopback)
    : connection_(std::move(connection)),
      worker_(connection_.worker().get()),
      shared_(*worker_->shared),
      socket_(worker_->io, asio::ip::tcp::v4(), connection_.socket()),
      tls_(shared_.tls()),
      channel_(connection_.socket(), tls_.get()),
      timer_(worker_->io),
      state_(tls_ ? State::handshake : State::reading),
      peer_is_loopback_(peer_is_loopback),
      peer_address_(std::move(peer_address)),
      parser_(shared_.limits) {
  const int socket = connection_.release_socket();
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_bytes_max);
}

HttpSession::~HttpSession() { shared_.body_bytes -= body_bytes_held_; }

void HttpSession::start() {
  set_deadline(state_ == State::handshake ? shared_.limits.handshake_ms : shared_.limits.header_ms);
  watch();
}

void HttpSession::shed() {
  if (state_ == State::handshake) return close();  // a handshake costs more than it gives
  Error error(Fault::overloaded, "too many connections; try again later");
  refuse(error.with_retry(true).with_retry_after_ms(1'000));
}

bool HttpSession::idle() const {
  return state_ == State::reading && parser_.untouched() && pending_.empty();
}

// A client that has just connected may have a request on its way; an idle one knows that idle
// connections end.
void HttpSession::drain() {
  if (!idle()) return;
  if (requests_ > 0) return close();
  set_deadline(fresh_connection_drain_ms);
}

void HttpSession::interrupt() {
  // A handler may work on although its client has gone.
  if (const auto callback = interrupt_callback_) return callback(Interrupt::stopping);
  if (state_ == State::waiting) return turn_away();
  if (state_ != State::handling && state_ != State::lingering) close();
}

void HttpSession::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  boost::system::error_code ignored;
  socket_.close(ignored);
  timer_.cancel();
  client_left();
}

void HttpSession::watch() {
  if (watching_ || state_ == State::closed) return;
  watching_ = true;
  socket_.async_wait(Socket::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       self->watching_ = false;
                       if (!error) self->on_readable();
                     });
}

void HttpSession::on_readable() {
  try {
    switch (state_) {
      case State::handshake:
        return handshake();
      case State::reading:
        return read_request();
      case State::waiting:
      case State::handling:
        return notice_client();
      case State::lingering:
        return linger();
      case State::closed:
        return;
    }
  } catch (const std::exception&) {  // a failed assertion or allocation ends this connection alone
    close();
  }
}

void HttpSession::handshake() {
  switch (channel_.handshake()) {
    case Channel::Status::done:
      state_ = State::reading;
      set_deadline(shared_.limits.header_ms);
      return read_request();
    case Channel::Status::want_read:
      return watch();
    case Channel::Status::want_write:  // a first flight larger than the socket's buffer
      socket_.async_wait(Socket::wait_write,
                         [self = shared_from_this()](const boost::system::error_code& error) {
                           if (!error) self->on_readable();
                         });
      return;
    default:
      return close();
  }
}

void HttpSession::read_request() {
  while (state_ == State::reading) {
    std::vector<char>& scratch = worker_->scratch;
    const Channel::Progress got = channel_.read(scratch);
    if (got.status == Channel::Status::closed || got.status == Channel::Status::failed) {
      return close();
    }
    if (got.status != Channel::Status::done) return watch();
    if (!take(std::string_view(scratch.data(), got.bytes))) return;
    // A short read from a plain socket has emptied it.
    if (!channel_.encrypted() && got.bytes < scratch.size()) return watch();
  }
}

// Returns whether the request needs more bytes.
bool HttpSession::take(std::string_view bytes) {
  const bool was_untouched = parser_.untouched();
  const bool was_head = parser_.phase() == RequestParser::Phase::head;
  const std::size_t taken = parser_.feed(bytes);
  switch (parser_.phase()) {
    case RequestParser::Phase::complete:
      pending_.assign(bytes.substr(taken));
      if (!count_body()) return false;
      state_ = State::waiting;
      clear_deadline();
      worker_->admit(*this);
      return false;
    case RequestParser::Phase::refused:
      refuse(parser_.refusal());
      return false;
    case RequestParser::Phase::head:
      if (was_untouched && !parser_.untouched()) set_deadline(shared_.limits.header_ms);
      return true;
    case RequestParser::Phase::body:
      break;
  }
  if (was_head) {
    set_deadline(shared_.limits.body_ms);
    if (parser_.awaits_continue()) {
      std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      if (!write_now(std::span(&go_on, 1))) {
        close();
        return false;
      }
    }
  }
  return count_body();
}

// Returns false after refusing: the bodies of all connections together are bounded.
bool HttpSession::count_body() {
  const auto held = static_cast<std::int64_t>(parser_.request().body.size());
  const std::int64_t added = held - body_bytes_held_;
  if (added == 0) return true;
  body_bytes_held_ = held;
  if (shared_.body_bytes.fetch_add(added) + added <= shared_.limits.body_memory_max) return true;
  Error error(Fault::overloaded, "too many request bodies at once; try again later");
  refuse(error.with_retry(true).with_retry_after_ms(1'000));
  return false;
}

void HttpSession::release_body() {
  parser_.request().body = {};
  shared_.body_bytes -= std::exchange(body_bytes_held_, 0);
}

void HttpSession::begin_handling() {
  state_ = State::handling;
  answer_ = Answer::none;
  ++requests_;
  keep_alive_ = parser_.keep_alive() && requests_ < shared_.limits.keep_alive_requests;
  HttpRequest& request = parser_.request();
  request.peer_address = peer_address_;
  request.peer_is_loopback = peer_is_loopback_;
  request.tls = channel_.encrypted();
  if (pending_.size() < pending_bytes_max) watch();
  asio::co_spawn(worker_->io.get_executor(), run_handler(),
                 [self = shared_from_this()](const std::exception_ptr&) { self->after_answer(); });
}

void HttpSession::turn_away() {
  if (state_ != State::waiting) return;
  ++requests_;
  keep_alive_ = parser_.keep_alive() && requests_ < shared_.limits.keep_alive_requests;
  Error error(Fault::overloaded, "the gateway is overloaded; try again shortly");
  error.with_retry(true).with_retry_after_ms(1'000);
  state_ = State::handling;
  if (!write_refusal(error, connection_field())) return close();
  after_answer();
}

asio::awaitable<void> HttpSession::run_handler() {
  bool failed = false;
  try {
    co_await worker_->handler(parser_.request(), *this);
  } catch (const std::exception&) {
    failed = true;
  }
  if (answer_ == Answer::none && state_ == State::handling) {
    const Error error(Fault::internal, failed ? "the request failed inside the gateway"
                                              : "the request was left without an answer");
    HttpAnswer refusal = shared_.refusal(error);
    keep_alive_ = false;
    co_await send(refusal.status, std::move(refusal.headers), std::move(refusal.body));
  } else if (answer_ == Answer::streaming) {
    cut_ = true;
    keep_alive_ = false;
  }
}

void HttpSession::after_answer() {
  interrupt_callback_ = nullptr;
  release_body();
  if (state_ == State::closed) return;
  if (cut_) {
    // A cut must show: in chunked framing it does; elsewhere only a reset says so.
    if (!chunked_) {
      boost::system::error_code ignored;
      socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    }
    return close();
  }
  if (client_gone_) return close();
  if (!keep_alive_) return begin_linger();
  parser_.reset();
  if (pending_.empty()) return next_request();
  // Posted, not called: a pipeline of requests must not nest. Until then what arrives is kept
  // behind what is pending, as while a request is answered.
  asio::post(worker_->io, [self = shared_from_this()] { self->next_request(); });
}

void HttpSession::next_request() {
  if (state_ == State::closed) return;
  if (client_gone_) return close();
  state_ = State::reading;
  if (!pending_.empty()) {
    set_deadline(shared_.limits.header_ms);
    const std::string bytes = std::exchange(pending_, {});
    if (!take(bytes)) return;
  } else {
    if (shared_.draining) return close();
    set_deadline(shared_.limits.keep_alive_ms);
    worker_->move_to_back(*this);
  }
  if (channel_.encrypted()) return read_request();  // a record may wait inside OpenSSL
  watch();
}

// While a request is answered: bytes of the next one are kept, the end of the stream is told.
void HttpSession::notice_client() {
  const std::size_t room = pending_bytes_max - pending_.size();
  const Channel::Progress got = channel_.read(std::span(worker_->scratch).first(room));
  switch (got.status) {
    case Channel::Status::done:
      pending_.append(worker_->scratch.data(), got.bytes);
      if (pending_.size() < pending_bytes_max) watch();
      return;
    case Channel::Status::want_read:
    case Channel::Status::want_write:
      return watch();
    default:
      return client_left();
  }
}

void HttpSession::client_left() {
  if (std::exchange(client_gone_, true)) return;
  if (const auto callback = interrupt_callback_) callback(Interrupt::client_gone);
}

// The answer to a request that is not read to its end. The client may still be sending: closing at
// once would reset the connection and take the answer with it.
void HttpSession::refuse(const Error& error) {
  state_ = State::lingering;
  const bool written = write_refusal(error, ConnectionField::close);
  release_body();
  if (!written) return close();
  begin_linger();
}

bool HttpSession::write_refusal(const Error& error, ConnectionField connection) {
  const HttpAnswer refusal = shared_.refusal(error);
  ResponseFraming framing;
  framing.content_length = refusal.body.size();
  framing.connection = connection;
  const std::string head = response_head(refusal.status, refusal.headers, framing, worker_->date());
  const bool head_only = parser_.request().method == "HEAD";
  std::string_view pieces[] = {head, head_only ? std::string_view() : refusal.body};
  return write_now(pieces);
}

void HttpSession::begin_linger() {
  state_ = State::lingering;
  channel_.shutdown_write();
  set_deadline(shared_.limits.linger_ms);
  watch();
}

void HttpSession::linger() {
  while (true) {
    const Channel::Progress got = channel_.read(worker_->scratch);
    if (got.status == Channel::Status::want_read) return watch();
    if (got.status != Channel::Status::done) return close();
    lingered_bytes_ += static_cast<std::int64_t>(got.bytes);
    if (lingered_bytes_ > shared_.limits.linger_bytes_max) return close();
  }
}

void HttpSession::set_deadline(std::int64_t ms_from_now) {
  deadline_ = SteadyClock::now() + std::chrono::milliseconds(ms_from_now);
  if (!timer_armed_ || armed_for_ > deadline_) arm_timer();
}

void HttpSession::arm_timer() {
  timer_armed_ = true;
  armed_for_ = deadline_;
  timer_.expires_at(deadline_);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->on_timer();
  });
}

void HttpSession::on_timer() {
  timer_armed_ = false;
  if (state_ == State::closed || deadline_ == SteadyClock::time_point::max()) return;
  if (SteadyClock::now() < deadline_) return arm_timer();
  on_deadline();
}

void HttpSession::on_deadline() {
  const bool begun = state_ == State::reading && !parser_.untouched();
  if (!begun) return close();
  refuse(Error(Fault::request_timeout, Origin::client, "the request took too long to arrive"));
}

}  // namespace jevons
