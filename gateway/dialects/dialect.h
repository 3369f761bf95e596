// An inbound dialect reads a client's request into the internal form and writes answers and streams
// in the client's words. Pure: no sockets, no clock. One file per endpoint family.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "router/chat.h"
#include "router/error.h"
#include "router/money.h"
#include "router/usage.h"

namespace jevons {

// What the client sees instead of the upstream's own identity.
struct AnswerMeta {
  std::string id;            // of the answer, "chatcmpl-..."; constant over a stream
  std::int64_t created = 0;  // unix seconds
  std::string model;         // reported model (contract.md 3)
  std::string request_id;    // ours, for error events
};

// The object `x_jevons` of a stream (contract.md 7).
struct AnswerAccount {
  std::optional<Nanodollars> cost;      // empty: unpriced, written as null
  std::optional<Nanodollars> baseline;  // empty likewise
  std::string target;
  int attempts = 1;
  std::string ended;  // "budget" when a budget cut the answer; else empty and not written
};

// How a stream that did not fail ends.
struct StreamEnd {
  std::optional<Usage> usage;  // what is billed; empty: unknown, no usage is written
  AnswerAccount account;
  // For choices whose finish reason never came because we ended the answer.
  FinishReason finish = FinishReason::length;
};

// Writes one answer as server-sent events. Calls append whole events to `out`, so that one socket
// write can carry many. Order: write() any number of times, then close() or fail() once.
class StreamWriter {
 public:
  virtual ~StreamWriter() = default;
  // Events that need no bytes of their own (start, usage) append nothing: while `out` stays empty
  // the answer is not committed. Finish reasons may be held back until close(). Kind::error is
  // ignored here: the caller calls fail().
  virtual void write(std::span<const StreamEvent> events, std::string& out) = 0;
  virtual void close(const StreamEnd& end, std::string& out) = 0;
  virtual void fail(const Error& error, std::string& out) = 0;
};

struct InboundDialect {
  // Errors: invalid_json, duplicate_key, missing_field, invalid_value, unsupported_parameter,
  // stateful_unsupported, each with the field in param().
  Result<ChatRequest> (*read)(std::string_view body);
  // A whole answer as the response body. `response.usage` empty: no usage is written.
  std::string (*write)(const ChatRequest&, const ChatResponse&, const AnswerMeta&);
  // The request must outlive the writer. Null where the endpoint cannot stream.
  std::unique_ptr<StreamWriter> (*open_stream)(const ChatRequest&, const AnswerMeta&);
};

// Null for endpoints that carry no model call (feedback, models) or are not served yet. `route`
// reads as chat.
const InboundDialect* dialect_of(Endpoint endpoint);

// Fills text_bytes and image_count from the messages, tools, schema and inputs.
void count_request(ChatRequest& request);

// A comment that keeps proxies and clients from timing out. Not ": ping": some clients take that
// as the end (wire.md 1.9).
inline constexpr std::string_view stream_keep_alive = ": keep-alive\n\n";

}  // namespace jevons
