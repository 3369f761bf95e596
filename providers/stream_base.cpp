#include "providers/stream_base.h"

#include "providers/upstream_fault.h"

namespace jevons {

Error protocol_error(std::string_view what) {
  return Error(Fault::upstream_protocol_error, Origin::upstream,
               "The upstream's answer " + std::string(what))
      .with_retry(true)
      .with_maybe_billed(true);
}

Result<void> SseDecoder::feed(std::string_view bytes, std::vector<StreamEvent>& events) {
  received_ += bytes.size();
  if (received_ > answer_bytes_max) return protocol_error("is longer than 64 MiB.");
  sse_.feed(bytes);
  SseEvent event;
  for (;;) {
    const Result<bool> next = sse_.next(event);
    if (!next) return next.error();
    if (!*next) return boost::system::in_place_value;
    if (done_ || event.data.empty()) continue;
    const Result<void> used = use(event.data, events);
    if (!used) return used;
  }
}

Result<void> SseDecoder::finish(std::vector<StreamEvent>& events) {
  SseEvent event;
  const Result<bool> last = sse_.finish(event);
  if (!last) return last.error();
  if (*last && !done_ && !event.data.empty()) {
    const Result<void> used = use(event.data, events);
    if (!used) return used;
  }
  if (done_ || complete()) return boost::system::in_place_value;
  return Error(Fault::upstream_error, Origin::upstream,
               "The upstream's answer was cut: its stream ended without a finish reason.")
      .with_retry(true)
      .with_maybe_billed(true);
}

Result<JsonView> SseDecoder::parse(std::string_view data) {
  const Result<JsonView> parsed = document_.parse_answer(data);
  if (!parsed) return protocol_error("has a broken stream event. " + parsed.error().message());
  return parsed;
}

void SseDecoder::fail(std::string_view message, std::string_view code,
                      std::vector<StreamEvent>& events) {
  done_ = true;
  StreamEvent& event = add(events, StreamEvent::Kind::error, 0);
  event.error_message = upstream_fault_in_answer(message, code).message();
  event.error_code = code;
}

StreamEvent& SseDecoder::add(std::vector<StreamEvent>& events, StreamEvent::Kind kind,
                             std::int64_t choice) {
  StreamEvent& event = events.emplace_back();
  event.kind = kind;
  event.choice = choice;
  return event;
}

void SseDecoder::add_text(std::vector<StreamEvent>& events, StreamEvent::Kind kind,
                          std::int64_t choice, std::string_view text) {
  if (!text.empty()) add(events, kind, choice).text = text;
}

void SseDecoder::add_arguments(std::vector<StreamEvent>& events, std::int64_t choice,
                               std::int64_t tool_index, std::string_view text) {
  if (text.empty()) return;
  StreamEvent& event = add(events, StreamEvent::Kind::tool_call_arguments, choice);
  event.tool_index = tool_index;
  event.text = text;
}

}  // namespace jevons
