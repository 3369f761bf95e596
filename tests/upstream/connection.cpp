#include "tests/upstream/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace upstream {

Connection::Connection(int fd, SSL_CTX* tls, Handler& handler) : fd_(fd), handler_(handler) {
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls);
  SSL_set_fd(ssl_, fd);
  SSL_set_accept_state(ssl_);
  SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

Connection::~Connection() {
  if (exchange_) handler_.finish(*exchange_, false, tokens_sent_);
  if (ssl_ != nullptr) SSL_free(ssl_);
  close(fd_);
}

void Connection::close_with_reset() {
  const linger now = {1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

Io Connection::read_some() {
  char buffer[65536];
  while (true) {
    std::ptrdiff_t got = 0;
    if (ssl_ != nullptr) {
      const int n = SSL_read(ssl_, buffer, sizeof buffer);
      if (n <= 0) {
        const int error = SSL_get_error(ssl_, n);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? Io::again
                                                                             : Io::closed;
      }
      got = n;
    } else {
      got = recv(fd_, buffer, sizeof buffer, 0);
      if (got == 0) return Io::closed;
      if (got < 0) return errno == EAGAIN || errno == EINTR ? Io::again : Io::closed;
    }
    in_.append(buffer, static_cast<std::size_t>(got));
    if (ssl_ == nullptr && static_cast<std::size_t>(got) < sizeof buffer) return Io::done;
  }
}

Io Connection::write_some(const char* data, std::size_t size, std::size_t& written) {
  if (ssl_ != nullptr) {
    const int n = SSL_write(ssl_, data, static_cast<int>(size));
    if (n <= 0) {
      const int error = SSL_get_error(ssl_, n);
      return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? Io::again : Io::closed;
    }
    written = static_cast<std::size_t>(n);
    return Io::done;
  }
  const std::ptrdiff_t n = send(fd_, data, size, MSG_NOSIGNAL);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? Io::again : Io::closed;
  written = static_cast<std::size_t>(n);
  return Io::done;
}

bool Connection::on_readable() {
  const Io io = read_some();
  // A client that goes away in the middle of an answer cancels it, however politely.
  if (io == Io::closed) return false;
  return exchange_ ? true : next_requests();
}

bool Connection::next_requests() {
  while (!exchange_ && !in_.empty()) {
    HttpRequest request;
    std::size_t used = 0;
    bool wants_continue = false;
    const Parse parsed = parse_request(in_, request, used, wants_continue);
    if (parsed == Parse::invalid) return false;
    if (parsed == Parse::incomplete) {
      if (wants_continue && !std::exchange(continued_, true)) {
        std::size_t written = 0;
        const std::string_view line = "HTTP/1.1 100 Continue\r\n\r\n";
        if (write_some(line.data(), line.size(), written) == Io::closed) return false;
      }
      return true;
    }
    in_.erase(0, used);
    continued_ = false;
    request.on_connection = requests_++;
    keep_alive_ = request.keep_alive;
    exchange_ = handler_.handle(request);
    segment_ = offset_ = 0;
    tokens_sent_ = 0;
    if (!exchange_->response.segments.empty())
      due_ =
          Clock::now() + std::chrono::microseconds(exchange_->response.segments.front().delay_us);
    if (!send_due()) return false;
  }
  return true;
}

bool Connection::on_writable() {
  blocked_ = false;
  return send_due() && (exchange_ || next_requests());
}

bool Connection::end_exchange() {
  const End end = exchange_->response.end;
  if (end == End::stall) {  // whatever has left has left; the rest never comes
    due_.reset();
    return true;
  }
  handler_.finish(*exchange_, true, tokens_sent_);
  exchange_.reset();
  due_.reset();
  if (end == End::reset) close_with_reset();
  return end == End::keep_alive && keep_alive_;
}

bool Connection::send_due() {
  while (exchange_ && !blocked_) {
    auto& segments = exchange_->response.segments;
    if (segment_ == segments.size()) {
      if (!end_exchange()) return false;
      if (exchange_) return true;  // stalled
      break;
    }
    Segment& segment = segments[segment_];
    if (offset_ == 0) {
      if (due_ && segment.delay_us > 0 && *due_ > Clock::now()) return true;
      if (segment.stamp_at != std::string::npos) {
        std::string digits = std::to_string(Clock::now().time_since_epoch().count());
        digits.insert(0, stamp_digits.size() - digits.size(), '0');
        segment.bytes.replace(segment.stamp_at, digits.size(), digits);
      }
    }
    std::size_t written = 0;
    const Io io =
        write_some(segment.bytes.data() + offset_, segment.bytes.size() - offset_, written);
    if (io == Io::closed) return false;
    if (io == Io::again) {
      blocked_ = true;
      due_.reset();
      return true;
    }
    offset_ += written;
    if (offset_ < segment.bytes.size()) continue;
    tokens_sent_ = segment.tokens_so_far;
    offset_ = 0;
    ++segment_;
    due_.reset();
    if (segment_ < segments.size() && segments[segment_].delay_us > 0)
      due_ = Clock::now() + std::chrono::microseconds(segments[segment_].delay_us);
  }
  return true;
}

}  // namespace upstream
