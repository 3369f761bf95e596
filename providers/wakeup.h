// One coroutine waits, one callback on the same thread wakes it. No timer, no allocation of its
// own.
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <utility>

namespace jevons {

class Wakeup {
 public:
  // Until the next wake(). At most one coroutine waits.
  boost::asio::awaitable<void> wait() {
    auto store = [this](auto handler) { waiter_.emplace(std::move(handler)); };
    return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&, void()>(
        store, boost::asio::use_awaitable);
  }

  // Runs the waiting coroutine before it returns; without one it does nothing. The coroutine may
  // destroy this object.
  void wake() {
    if (!waiter_) return;
    Handler waiter(std::move(*waiter_));
    waiter_.reset();
    std::move(waiter)();
  }

 private:
  using Handler = boost::asio::any_completion_handler<void()>;
  // Optional because assigning one handler to another recurses without end in Boost 1.81.
  std::optional<Handler> waiter_;
};

}  // namespace jevons
