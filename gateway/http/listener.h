// The listening socket: accepts on one thread, hands connections to the worker with the fewest, and
// survives running out of file descriptors.
#pragma once

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "gateway/http/worker.h"

namespace jevons {

class Listener : public std::enable_shared_from_this<Listener> {
 public:
  // Takes over `socket`, bound, listening and non-blocking. Runs on the first worker's thread.
  Listener(int socket, std::vector<std::shared_ptr<HttpWorker>> workers);
  ~Listener();

  void start();
  // Accepts what already waits, then closes: nobody who was connected is turned away.
  void stop();

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, Executor>;
  enum class Accepted { one, none_waits, no_resources };

  void accept_waiting();
  Accepted accept_one();
  void refuse_one();
  void hand_over(int socket, std::string address, bool is_loopback);

  std::vector<std::shared_ptr<HttpWorker>> workers_;
  boost::asio::posix::basic_stream_descriptor<Executor> descriptor_;
  Timer timer_;
  int reserve_;  // given up for a moment to refuse a connection when no other descriptor is left
};

}  // namespace jevons
