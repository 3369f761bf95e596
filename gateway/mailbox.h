// Work that other threads hand to one I/O thread: put() takes a lock that is never held while the
// reader is woken. (asio::post() wakes it under the scheduler's own lock: on one core the woken
// thread runs into that lock and both switch twice more.)
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace jevons {

class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  explicit Mailbox(boost::asio::io_context& io);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // On the I/O thread, before something is handed out that put() will answer: the context has work
  // until then.
  void expect();
  // Any thread. Runs `work` on the I/O thread.
  void put(std::function<void()> work);
  // Before the context ends: nothing is delivered any more.
  void close();

  // While one lives, put() on its thread wakes nobody; its end wakes each reader once. One at a
  // time per thread.
  class Batch {
   public:
    Batch();
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

   private:
    friend class Mailbox;
    std::vector<std::shared_ptr<Mailbox>> unrung_;
  };

 private:
  using Executor = boost::asio::io_context::executor_type;

  void watch();
  void ring();
  void deliver();

  const int bell_;  // an eventfd; those who ring may outlive the context
  std::optional<boost::asio::posix::basic_stream_descriptor<Executor>> heard_;  // the same
  std::size_t expected_ = 0;  // of the I/O thread, as the next
  bool watching_ = false;
  std::mutex mutex_;
  std::vector<std::function<void()>> letters_;
};

}  // namespace jevons
