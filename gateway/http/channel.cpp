#include "gateway/http/channel.h"

#include <openssl/err.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace jevons {

namespace {

constexpr std::size_t pieces_max = 4;
constexpr std::size_t tls_record_bytes = 16'384;

Channel::Progress plain_progress(ssize_t result) {
  if (result > 0) return {Channel::Status::done, static_cast<std::size_t>(result)};
  return {Channel::Status::failed, 0};
}

}  // namespace

Channel::Channel(int socket, SSL_CTX* context) : socket_(socket) {
  if (context == nullptr) return;
  ssl_.reset(SSL_new(context));
  if (!ssl_ || SSL_set_fd(ssl_.get(), socket) != 1) throw std::bad_alloc();
  SSL_set_accept_state(ssl_.get());
}

Channel::Progress Channel::tls_progress(int result, std::size_t bytes) {
  if (result > 0) return {Status::done, bytes};
  const int why = SSL_get_error(ssl_.get(), result);
  ERR_clear_error();
  switch (why) {
    case SSL_ERROR_WANT_READ:
      return {Status::want_read, 0};
    case SSL_ERROR_WANT_WRITE:
      return {Status::want_write, 0};
    case SSL_ERROR_ZERO_RETURN:
      return {Status::closed, 0};
    default:
      return {Status::failed, 0};
  }
}

Channel::Status Channel::handshake() {
  if (!ssl_) return Status::done;
  ERR_clear_error();
  return tls_progress(SSL_do_handshake(ssl_.get()), 1).status;
}

Channel::Progress Channel::read(std::span<char> into) {
  if (ssl_) {
    std::size_t count = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    return tls_progress(result, count);
  }
  ssize_t count = 0;
  do {
    count = ::recv(socket_, into.data(), into.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count == 0) return {Status::closed, 0};
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {Status::want_read, 0};
  return plain_progress(count);
}

Channel::Progress Channel::write(std::span<const std::string_view> pieces) {
  return ssl_ ? write_tls(pieces) : write_plain(pieces);
}

Channel::Progress Channel::write_plain(std::span<const std::string_view> pieces) {
  std::array<iovec, pieces_max> vectors{};
  std::size_t count = 0;
  for (std::string_view piece : pieces) {
    if (piece.empty() || count == pieces_max) continue;
    vectors[count++] = iovec{const_cast<char*>(piece.data()), piece.size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = count;
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {Status::want_write, 0};
  return plain_progress(sent);
}

// Small pieces share one record; a record already begun is offered again byte for byte, as OpenSSL
// demands, because it is filled from the same bytes in the same way.
Channel::Progress Channel::write_tls(std::span<const std::string_view> pieces) {
  std::array<char, tls_record_bytes> record;
  std::size_t filled = 0;
  for (std::string_view piece : pieces) {
    const std::size_t part = std::min(piece.size(), record.size() - filled);
    std::memcpy(record.data() + filled, piece.data(), part);
    filled += part;
  }
  std::size_t written = 0;
  ERR_clear_error();
  const int result = SSL_write_ex(ssl_.get(), record.data(), filled, &written);
  return tls_progress(result, written);
}

void Channel::shutdown_write() {
  if (ssl_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  ::shutdown(socket_, SHUT_WR);
}

}  // namespace jevons
