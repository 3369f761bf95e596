// The writing half of a session: answers and streams, with a limit on how long a client may stall.
#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "gateway/http/session.h"

namespace jevons {

namespace asio = boost::asio;

namespace {

// A client that takes at least this much in the stall limit is slow, not stalled.
constexpr std::size_t progress_bytes = 65'536;

std::size_t total_size(std::span<const std::string_view> pieces) {
  std::size_t sum = 0;
  for (std::string_view piece : pieces) sum += piece.size();
  return sum;
}

void drop_front(std::span<std::string_view> pieces, std::size_t count) {
  for (std::string_view& piece : pieces) {
    const std::size_t part = std::min(piece.size(), count);
    piece.remove_prefix(part);
    count -= part;
  }
}

}  // namespace

// Writes small bytes that must fit the socket's buffer; false if they do not.
bool HttpSession::write_now(std::span<std::string_view> pieces) {
  std::size_t left = total_size(pieces);
  while (left > 0) {
    const Channel::Progress wrote = channel_.write(pieces);
    if (wrote.status != Channel::Status::done) return false;
    drop_front(pieces, wrote.bytes);
    left -= wrote.bytes;
  }
  return true;
}

asio::awaitable<bool> HttpSession::write_all(std::span<std::string_view> pieces) {
  std::size_t left = total_size(pieces);
  std::size_t progress = 0;
  bool waited = false;
  while (left > 0) {
    if (state_ == State::closed) co_return false;
    const Channel::Progress wrote = channel_.write(pieces);
    if (wrote.status == Channel::Status::done) {
      drop_front(pieces, wrote.bytes);
      left -= wrote.bytes;
      progress += wrote.bytes;
      continue;
    }
    if (wrote.status == Channel::Status::closed || wrote.status == Channel::Status::failed) {
      client_left();
      co_return false;
    }
    if (!waited || progress >= progress_bytes) {
      set_deadline(shared_.limits.stalled_write_ms);
      progress = 0;
    }
    waited = true;
    const auto what =
        wrote.status == Channel::Status::want_read ? Socket::wait_read : Socket::wait_write;
    const auto [error] = co_await socket_.async_wait(what, asio::as_tuple(asio::use_awaitable));
    if (error) co_return false;
  }
  if (waited) clear_deadline();
  co_return !client_gone_;
}

ConnectionField HttpSession::connection_field() {
  keep_alive_ = keep_alive_ && !shared_.draining && !shared_.crowded();
  if (!keep_alive_) return ConnectionField::close;
  return parser_.http_1_0() ? ConnectionField::keep_alive : ConnectionField::absent;
}

asio::awaitable<bool> HttpSession::send(int status, std::vector<Header> headers, std::string body) {
  if (state_ != State::handling || answer_ != Answer::none) co_return false;
  answer_ = Answer::complete;
  ResponseFraming framing;
  const bool bodiless = is_bodiless(status);
  if (!bodiless) framing.content_length = body.size();
  framing.connection = connection_field();
  const std::string head = response_head(status, headers, framing, worker_->date());
  const bool head_only = bodiless || parser_.request().method == "HEAD";
  std::array<std::string_view, 2> pieces = {head, head_only ? std::string_view() : body};
  // What else is ready goes first: answers written one after the other wake their reader once.
  co_await asio::post(worker_->io, asio::use_awaitable);
  co_return co_await write_all(pieces);
}

asio::awaitable<bool> HttpSession::begin_stream(int status, std::vector<Header> headers) {
  if (state_ != State::handling || answer_ != Answer::none) co_return false;
  answer_ = Answer::streaming;
  bodiless_ = is_bodiless(status) || parser_.request().method == "HEAD";
  ResponseFraming framing;
  if (parser_.http_1_0()) keep_alive_ = false;  // its stream ends with the connection
  chunked_ = !parser_.http_1_0() && !is_bodiless(status);
  framing.chunked = chunked_;
  framing.connection = connection_field();
  const std::string head = response_head(status, headers, framing, worker_->date());
  std::array<std::string_view, 1> pieces = {head};
  co_return co_await write_all(pieces);
}

asio::awaitable<bool> HttpSession::write(std::string bytes) {
  if (answer_ != Answer::streaming || client_gone_) co_return false;
  if (bytes.empty() || bodiless_) co_return true;
  std::array<char, 20> size_line{};
  std::array<std::string_view, 3> pieces = {std::string_view(), bytes, std::string_view()};
  if (chunked_) {
    char* end = std::to_chars(size_line.data(), size_line.data() + 16, bytes.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    pieces[0] =
        std::string_view(size_line.data(), static_cast<std::size_t>(end - size_line.data()));
    pieces[2] = "\r\n";
  }
  co_return co_await write_all(pieces);
}

asio::awaitable<bool> HttpSession::end_stream(bool clean) {
  if (answer_ != Answer::streaming) co_return false;
  if (!clean) {
    answer_ = Answer::complete;
    cut_ = true;
    co_return !client_gone_;
  }
  answer_ = Answer::complete;
  if (client_gone_) co_return false;
  if (!chunked_ || bodiless_) co_return true;
  std::array<std::string_view, 1> pieces = {std::string_view("0\r\n\r\n")};
  co_return co_await write_all(pieces);
}

void HttpSession::on_interrupt(std::function<void(Interrupt)> callback) {
  interrupt_callback_ = std::move(callback);
  const auto told = interrupt_callback_;
  if (client_gone_ && told) told(Interrupt::client_gone);
}

}  // namespace jevons
