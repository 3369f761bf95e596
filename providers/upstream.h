// What run_attempts knows of an upstream: HttpUpstream (adapter + transport) and LocalUpstream
// (engine) are its two implementations.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "providers/adapter.h"
#include "providers/transport.h"
#include "router/chat.h"
#include "router/error.h"
#include "router/target.h"

namespace jevons {

struct UpstreamCall {
  const ChatRequest* request = nullptr;
  const Target* target = nullptr;
  EncodeOptions encode;
  std::string tenant;  // salts the local engine's prefix cache; never sent to a provider
  std::int64_t total_timeout_ms = 900'000;  // what is left of the request's deadline
  // Where a whole answer's share of the local engine's time goes, also if there is none in the end.
  // Valid until open() returns; may be null.
  std::int64_t* engine_microseconds = nullptr;
};

// A streamed answer. Destroying it aborts the call.
class AnswerStream {
 public:
  virtual ~AnswerStream() = default;
  // Appends the next events (at least one) and returns true; false at the clean end. An error
  // means the answer was cut or broke the protocol.
  virtual boost::asio::awaitable<Result<bool>> next(std::vector<StreamEvent>& events) = 0;
  // Its share of the local engine's time so far, in microseconds; 0 where there is no such engine.
  virtual std::int64_t engine_microseconds() const { return 0; }
};

struct UpstreamAnswer {
  std::optional<ChatResponse> whole;     // not streamed
  std::unique_ptr<AnswerStream> stream;  // streamed
  std::vector<std::string> dropped_params;
};

class Upstream {
 public:
  virtual ~Upstream() = default;
  // Encodes, sends, and for a non-streamed call reads and decodes the whole answer. Errors carry
  // retryable() and maybe_billed().
  virtual boost::asio::awaitable<Result<UpstreamAnswer>> open(const UpstreamCall& call,
                                                              CancelSlot& cancel) = 0;
};

}  // namespace jevons
