// What the stream decoders of all adapters share: splitting into events, limits, the cut at the
// end.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "providers/adapter.h"
#include "providers/json.h"
#include "providers/sse.h"

namespace jevons {

// Every answer, streamed or not, ends here at the latest.
inline constexpr std::size_t answer_bytes_max = 64 * 1024 * 1024;

// "The upstream's answer <what>" as upstream_protocol_error: perhaps billed, worth another target.
Error protocol_error(std::string_view what);

class SseDecoder : public StreamDecoder {
 public:
  Result<void> feed(std::string_view bytes, std::vector<StreamEvent>& events) final;
  Result<void> finish(std::vector<StreamEvent>& events) final;
  bool done() const final { return done_; }

 protected:
  // One event's JSON, an object or, where `[DONE]` is text, not even that.
  virtual Result<void> use(std::string_view data, std::vector<StreamEvent>& events) = 0;
  // Whether every choice has had its finish reason.
  virtual bool complete() const = 0;

  // Errors: upstream_protocol_error. The view lives until the next call.
  Result<JsonView> parse(std::string_view data);
  void end() { done_ = true; }
  // The upstream's own report of a failure; nothing after it counts.
  void fail(std::string_view message, std::string_view code, std::vector<StreamEvent>& events);

  static StreamEvent& add(std::vector<StreamEvent>& events, StreamEvent::Kind kind,
                          std::int64_t choice);
  // Appends nothing for an empty text.
  static void add_text(std::vector<StreamEvent>& events, StreamEvent::Kind kind,
                       std::int64_t choice, std::string_view text);
  // Arguments of a call in progress; nothing for empty ones.
  static void add_arguments(std::vector<StreamEvent>& events, std::int64_t choice,
                            std::int64_t tool_index, std::string_view text);

 private:
  SseReader sse_;
  JsonDocument document_;
  std::size_t received_ = 0;
  bool done_ = false;
};

}  // namespace jevons
