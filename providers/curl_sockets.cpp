// The half of CurlLoop that waits: sockets and curl's own timer.
#include <sys/socket.h>

#include "providers/curl_loop.h"

namespace jevons {

curl_socket_t CurlLoop::open_socket(int family, int type, int protocol) {
  const int socket = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (socket < 0) return CURL_SOCKET_BAD;
  auto watch = std::make_shared<Watch>(executor_, socket);
  watch->ours = true;
  watches_[socket] = std::move(watch);
  return socket;
}

void CurlLoop::close_socket(curl_socket_t socket) {
  const auto found = watches_.find(socket);
  if (found == watches_.end()) return;
  unwatch(*found->second);
  watches_.erase(found);
}

void CurlLoop::unwatch(Watch& watch) {
  watch.open = false;
  watch.interest = CURL_POLL_NONE;
  boost::system::error_code ignored;
  if (watch.ours) {
    watch.descriptor.close(ignored);
  } else if (watch.descriptor.is_open()) {
    watch.descriptor.release();
  }
}

int CurlLoop::on_socket(CURL*, curl_socket_t socket, int what, void* loop, void*) {
  static_cast<CurlLoop*>(loop)->watch(socket, what);
  return 0;
}

void CurlLoop::watch(curl_socket_t socket, int what) {
  const auto found = watches_.find(socket);
  if (what == CURL_POLL_REMOVE) {
    if (found == watches_.end()) return;
    found->second->interest = CURL_POLL_NONE;
    // The resolver's own sockets: curl closes them without telling.
    if (!found->second->ours) close_socket(socket);
    return;
  }
  std::shared_ptr<Watch> watch =
      found != watches_.end() ? found->second : std::make_shared<Watch>(executor_, socket);
  if (found == watches_.end()) watches_[socket] = watch;
  watch->interest = what;
  arm(watch);
}

void CurlLoop::arm(const std::shared_ptr<Watch>& watch) {
  if (!watch->open) return;
  if ((watch->interest & CURL_POLL_IN) != 0 && !watch->waits_read) {
    watch->waits_read = true;
    watch->descriptor.async_wait(Descriptor::wait_read,
                                 [this, watch](const boost::system::error_code& error) {
                                   watch->waits_read = false;
                                   if (!error && watch->open) on_ready(watch, CURL_CSELECT_IN);
                                 });
  }
  if ((watch->interest & CURL_POLL_OUT) != 0 && !watch->waits_write) {
    watch->waits_write = true;
    watch->descriptor.async_wait(Descriptor::wait_write,
                                 [this, watch](const boost::system::error_code& error) {
                                   watch->waits_write = false;
                                   if (!error && watch->open) on_ready(watch, CURL_CSELECT_OUT);
                                 });
  }
}

void CurlLoop::on_ready(const std::shared_ptr<Watch>& watch, int event) {
  const int wanted = event == CURL_CSELECT_IN ? CURL_POLL_IN : CURL_POLL_OUT;
  if ((watch->interest & wanted) == 0) return;
  const auto self = shared_from_this();
  act(watch->fd, event);
  arm(watch);
  wake_queued();
}

// curl resets its timer several times a call; it is looked at once curl has had its say.
int CurlLoop::on_timer(CURLM*, long timeout_ms, void* loop) {
  auto& self = *static_cast<CurlLoop*>(loop);
  self.curl_deadline_ = timeout_ms < 0 ? Clock::time_point::max()
                                       : Clock::now() + std::chrono::milliseconds(timeout_ms);
  return 0;
}

// The Asio timer is touched only when it must fire earlier than it would, and sooner than the tick
// that looks after every call.
void CurlLoop::heed_curl_timer() {
  if (curl_deadline_ >= curl_armed_for_) return;
  if (ticking_ && curl_deadline_ > Clock::now() + tick) return;
  arm_curl_timer();
}

void CurlLoop::arm_curl_timer() {
  curl_armed_for_ = curl_deadline_;
  curl_timer_.expires_at(curl_deadline_);
  curl_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) self->on_curl_timer();
  });
}

void CurlLoop::on_curl_timer() {
  curl_armed_for_ = Clock::time_point::max();
  if (curl_deadline_ == Clock::time_point::max()) return;
  if (Clock::now() < curl_deadline_) return arm_curl_timer();
  expire();
}

void CurlLoop::expire() {
  // curl says nothing where its next time is the one it named last: then a tick later will do.
  curl_deadline_ = Clock::now() + tick;
  act(CURL_SOCKET_TIMEOUT, 0);
  wake_queued();
}

}  // namespace jevons
