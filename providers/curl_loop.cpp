#include "providers/curl_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <new>
#include <system_error>
#include <utility>

namespace jevons {

namespace asio = boost::asio;

namespace {

constexpr std::size_t spare_handles_max = 256;
constexpr long cached_connections_max = 512;

}  // namespace

CurlLoop::CurlLoop(asio::io_context& io)
    : executor_(io.get_executor()),
      multi_(curl_multi_init()),
      sockets_(io),
      curl_timer_(io),
      tick_timer_(io) {
  if (multi_ == nullptr) throw std::bad_alloc();
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  sockets_.assign(epoll);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, cached_connections_max);
}

CurlLoop::~CurlLoop() {
  for (const auto& call : calls_) curl_multi_remove_handle(multi_, call->handle->curl());
  curl_multi_cleanup(multi_);
}

bool CurlLoop::start(const ProviderConfig& provider, const std::shared_ptr<CurlCall>& call) {
  if (spare_handles_.empty()) {
    call->handle = std::make_unique<CurlHandle>(*this);
  } else {
    call->handle = std::move(spare_handles_.back());
    spare_handles_.pop_back();
  }
  call->handle->bind(provider, *call);
  if (curl_multi_add_handle(multi_, call->handle->curl()) != CURLM_OK) {
    call->handle.reset();
    return false;
  }
  calls_.push_back(call);
  start_ticking();
  act(CURL_SOCKET_TIMEOUT, 0);  // instead of waiting for the zero timer that curl has just set
  wake_soon();
  return true;
}

void CurlLoop::abort(const std::shared_ptr<CurlCall>& call, Error failure) {
  if (call->over()) return;
  call->failure = std::move(failure);
  retire(*call);
  asio::post(executor_, [call] { call->wakeup.wake(); });
}

void CurlLoop::resume(CurlCall& call) {
  if (!std::exchange(call.paused, false) || !call.handle) return;
  // Delivers what curl held back, at once.
  curl_easy_pause(call.handle->curl(), CURLPAUSE_CONT);
  collect_finished();
  heed_curl_timer();
  wake_soon();
}

void CurlLoop::discard(CurlCall& call) {
  if (call.over()) return;
  call.discarding = true;
  call.last_byte = Clock::now();
  call.buffered.clear();
  resume(call);
}

void CurlLoop::forget(CurlCall& call) { retire(call); }

// Takes the call out of curl; a transfer that still runs loses its connection (HTTP/2: its stream).
void CurlLoop::retire(CurlCall& call) {
  if (!call.handle) return;
  curl_multi_remove_handle(multi_, call.handle->curl());
  call.handle->release();
  if (spare_handles_.size() < spare_handles_max) spare_handles_.push_back(std::move(call.handle));
  call.handle.reset();
  const auto at = std::find_if(calls_.begin(), calls_.end(),
                               [&](const auto& running) { return running.get() == &call; });
  if (at == calls_.end()) return;
  std::swap(*at, calls_.back());
  const std::shared_ptr<CurlCall> kept_until_return = std::move(calls_.back());
  calls_.pop_back();
}

void CurlLoop::queue_wake(CurlCall& call) {
  if (std::exchange(call.queued_for_wake, true)) return;
  wake_queue_.push_back(call.shared_from_this());
}

// Never within a curl callback: what wakes may start, pause or abort calls.
void CurlLoop::wake_queued() {
  const auto queue = std::exchange(wake_queue_, {});
  for (const auto& call : queue) call->queued_for_wake = false;
  for (const auto& call : queue) call->wakeup.wake();
}

// For what was queued while a coroutine of a call was running.
void CurlLoop::wake_soon() {
  if (wake_queue_.empty()) return;
  asio::post(executor_, [self = shared_from_this()] { self->wake_queued(); });
}

void CurlLoop::act(curl_socket_t socket, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, socket, events, &running);
  collect_finished();
  heed_curl_timer();
}

void CurlLoop::collect_finished() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode result = message->data.result;
    CurlHandle* handle = nullptr;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &handle);
    CurlCall& call = *handle->call();
    call.conclude(result);
    queue_wake(call);
    retire(call);
  }
}

void CurlLoop::start_ticking() {
  if (std::exchange(ticking_, true)) return;
  tick_timer_.expires_after(tick);
  tick_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) self->on_tick();
  });
}

void CurlLoop::on_tick() {
  ticking_ = false;
  const auto now = Clock::now();
  if (now >= curl_deadline_) expire();
  const auto calls = calls_;
  for (const auto& call : calls) {
    if (call->over()) continue;
    if (auto failure = call->late(now)) abort(call, std::move(*failure));
  }
  if (!calls_.empty()) start_ticking();
  heed_curl_timer();
}

}  // namespace jevons
