// Runs one coroutine to its end on an io_context and returns its result.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>

namespace jevons::fakes {

inline void run_until(boost::asio::io_context& io, const std::function<bool()>& done) {
  while (!done()) {
    if (io.stopped()) io.restart();
    if (io.run_one_for(std::chrono::seconds(10)) == 0) {
      throw std::runtime_error("nothing happened for 10 seconds");
    }
  }
}

template <class T>
T run(boost::asio::io_context& io, boost::asio::awaitable<T> coroutine) {
  std::optional<T> result;
  std::exception_ptr failed;
  boost::asio::co_spawn(io, std::move(coroutine), [&](std::exception_ptr error, T value) {
    failed = error;
    result = std::move(value);
  });
  run_until(io, [&] { return result.has_value(); });
  if (failed) std::rethrow_exception(failed);
  return std::move(*result);
}

}  // namespace jevons::fakes
