// libcurl's multi interface on one io_context: Asio waits for sockets and time, curl does the rest.
#pragma once

#include <curl/curl.h>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "providers/curl_call.h"

namespace jevons {

class CurlLoop : public std::enable_shared_from_this<CurlLoop> {
 public:
  explicit CurlLoop(boost::asio::io_context& io);
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;
  ~CurlLoop();

  // Starts the call; false if curl refuses it. What ends it wakes its coroutine.
  bool start(const ProviderConfig& provider, const std::shared_ptr<CurlCall>& call);
  // Ends the call with this failure, unless it is over. Its coroutine is woken later, not within.
  void abort(const std::shared_ptr<CurlCall>& call, Error failure);
  // The reader has taken what was buffered.
  void resume(CurlCall& call);
  // Nobody reads on: what is left of the body is dropped, for a second at most, so that the
  // connection can serve another call.
  void discard(CurlCall& call);
  // The call's owner is gone: whatever runs is aborted.
  void forget(CurlCall& call);

  // For curl's callbacks.
  curl_socket_t open_socket(int family, int type, int protocol);
  void close_socket(curl_socket_t socket);
  void queue_wake(CurlCall& call);

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Clock = std::chrono::steady_clock;
  using Timer = boost::asio::basic_waitable_timer<Clock, boost::asio::wait_traits<Clock>, Executor>;
  using Descriptor = boost::asio::posix::basic_stream_descriptor<Executor>;

  // A socket that curl uses. What epoll was told may lag behind what curl wants: between two calls
  // on a kept connection nothing is said at all, and an event nobody wants is what corrects it.
  struct Watch {
    int interest = CURL_POLL_NONE;
    std::uint32_t told = 0;  // events that epoll looks for; 0: not registered
    bool ours = false;       // opened by open_socket(); otherwise curl closes it without telling
  };

  static int on_socket(CURL*, curl_socket_t socket, int what, void* loop, void*);
  static int on_timer(CURLM*, long timeout_ms, void* loop);

  void watch(curl_socket_t socket, int what);
  void tell(curl_socket_t socket, Watch& watch);
  void arm();
  void on_ready();
  void on_event(curl_socket_t socket, std::uint32_t events);
  void act(curl_socket_t socket, int events);
  void collect_finished();
  void wake_queued();
  void wake_soon();
  void retire(CurlCall& call);

  void heed_curl_timer();
  void arm_curl_timer();
  void on_curl_timer();
  void expire();
  void start_ticking();
  void on_tick();

  // How precisely timeouts of calls are kept.
  static constexpr std::chrono::milliseconds tick{50};

  Executor executor_;
  CURLM* multi_;
  std::unordered_map<curl_socket_t, Watch> watches_;
  Descriptor sockets_;  // an epoll of curl's sockets alone: Asio's would be told of each read anew
  bool armed_ = false;
  std::vector<std::unique_ptr<CurlHandle>> spare_handles_;
  std::vector<std::shared_ptr<CurlCall>> calls_;  // running
  std::vector<std::shared_ptr<CurlCall>> wake_queue_;
  Timer curl_timer_;
  Clock::time_point curl_deadline_ = Clock::time_point::max();
  Clock::time_point curl_armed_for_ = Clock::time_point::max();
  Timer tick_timer_;
  bool ticking_ = false;
};

}  // namespace jevons
