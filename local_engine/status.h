// Errors of the local engine as values. The engine stands alone (architecture.md 1), so it has its
// own small error; the gateway's LocalUpstream maps it to a Fault.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace jevons::engine {

enum class EngineFault : std::uint8_t {
  internal,       // a bug of ours; also the default-constructed error
  io,             // the operating system refused: open, map, write
  invalid_model,  // the model file is damaged or contradicts itself
  unsupported,    // well formed, but asks for something we do not have
  invalid_input,  // the request's own fault: a template value, a schema, a context overrun
  overloaded,     // no slot or no memory now; trying later may help
  cancelled,
  deadline_exceeded,
};

// A class with constructors, not an aggregate: boost::system::result needs that.
class EngineError {
 public:
  EngineError() = default;
  EngineError(EngineFault fault, std::string message)
      : fault_(fault), message_(std::move(message)) {}

  EngineFault fault() const { return fault_; }
  // What happened and, where it helps, what to do. May name a file, never prompt text.
  const std::string& message() const { return message_; }

 private:
  EngineFault fault_ = EngineFault::internal;
  std::string message_;
};

template <class T>
using EngineResult = boost::system::result<T, EngineError>;

// result::value() on an error: for tests and start-up code, where that ends the program.
[[noreturn]] inline void throw_exception_from_error(const EngineError& error,
                                                    const boost::source_location&) {
  throw std::runtime_error(error.message());
}

}  // namespace jevons::engine
