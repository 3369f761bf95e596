// The half of CurlLoop that waits: sockets and curl's own timer.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "providers/curl_loop.h"

namespace jevons {

namespace {

std::uint32_t epoll_events(int interest) {
  std::uint32_t events = 0;
  if ((interest & CURL_POLL_IN) != 0) events |= EPOLLIN;
  if ((interest & CURL_POLL_OUT) != 0) events |= EPOLLOUT;
  return events;
}

}  // namespace

curl_socket_t CurlLoop::open_socket(int family, int type, int protocol) {
  const int socket = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
  if (socket < 0) return CURL_SOCKET_BAD;
  watches_[socket] = Watch{.interest = CURL_POLL_NONE, .told = 0, .ours = true};
  return socket;
}

void CurlLoop::close_socket(curl_socket_t socket) {
  watches_.erase(socket);
  ::close(socket);  // which takes it out of the epoll
}

int CurlLoop::on_socket(CURL*, curl_socket_t socket, int what, void* loop, void*) {
  static_cast<CurlLoop*>(loop)->watch(socket, what);
  return 0;
}

void CurlLoop::watch(curl_socket_t socket, int what) {
  Watch& watch = watches_[socket];
  watch.interest = what == CURL_POLL_REMOVE ? CURL_POLL_NONE : what;
  if (what == CURL_POLL_REMOVE) {
    if (watch.ours) return;
    tell(socket, watch);
    watches_.erase(socket);
    return;
  }
  if ((epoll_events(what) & ~watch.told) != 0) tell(socket, watch);
  arm();
}

// Has epoll look for what curl wants of the socket, no more and no less.
void CurlLoop::tell(curl_socket_t socket, Watch& watch) {
  epoll_event event{};
  event.events = epoll_events(watch.interest);
  event.data.fd = socket;
  const int epoll = sockets_.native_handle();
  if (event.events == 0)
    ::epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
  else if (::epoll_ctl(epoll, watch.told != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event) != 0)
    event.events = 0;  // curl's own timeouts end a call that nothing is heard of
  watch.told = event.events;
}

void CurlLoop::arm() {
  if (std::exchange(armed_, true)) return;
  sockets_.async_wait(Descriptor::wait_read,
                      [weak = weak_from_this()](const boost::system::error_code& error) {
                        const auto self = weak.lock();
                        if (!error && self) self->on_ready();
                      });
}

void CurlLoop::on_ready() {
  armed_ = false;
  std::array<epoll_event, 64> ready;
  const int count =
      ::epoll_wait(sockets_.native_handle(), ready.data(), static_cast<int>(ready.size()), 0);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<std::size_t>(i)];
    on_event(event.data.fd, event.events);
  }
  arm();
}

// What happened to an earlier socket may have closed this one: then nobody wants the event.
void CurlLoop::on_event(curl_socket_t socket, std::uint32_t events) {
  const auto found = watches_.find(socket);
  if (found == watches_.end()) return;
  Watch& watch = found->second;
  const std::uint32_t wanted = epoll_events(watch.interest);
  if (wanted != watch.told) tell(socket, watch);
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  int bits = 0;
  if ((wanted & EPOLLIN) != 0 && (broken || (events & EPOLLIN) != 0)) bits |= CURL_CSELECT_IN;
  if ((wanted & EPOLLOUT) != 0 && (broken || (events & EPOLLOUT) != 0)) bits |= CURL_CSELECT_OUT;
  if (bits == 0) return;
  act(socket, bits);
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
