// Server-sent events, the receiving half, as in the WHATWG specification: lines end in CR, LF or
// CRLF, a BOM may come first, the bytes may be cut anywhere. Comments, `id` and `retry` are
// dropped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "router/error.h"

namespace jevons {

struct SseEvent {
  std::string_view name;  // empty: none was given
  std::string_view data;  // several data lines joined by '\n'
};

class SseReader {
 public:
  static constexpr std::size_t line_bytes_max = 1'048'576;
  static constexpr std::size_t event_bytes_max = 4'194'304;

  // The next bytes. They must stay alive until next() has returned false.
  void feed(std::string_view bytes) { input_ = bytes; }
  // True: `event` is the next event that has data, its views valid until the next call. False:
  // more bytes are needed. Error: upstream_protocol_error, a line or an event is over its limit.
  Result<bool> next(SseEvent& event);
  // The body ended: an event whose closing blank line is missing is given all the same, because
  // upstreams that forget it mean it.
  Result<bool> finish(SseEvent& event);

 private:
  Result<bool> take_line(std::string_view& line);
  Result<void> use_line(std::string_view line);
  bool dispatch(SseEvent& event);

  std::string_view input_;
  std::string line_;  // the begin of a line that feed() has not finished yet
  std::string data_;
  std::string name_;
  bool has_data_ = false;
  bool dispatched_ = false;      // data_ and name_ were handed out and are to be cleared
  bool skip_line_feed_ = false;  // the last line ended in CR: an LF that follows belongs to it
  bool at_start_ = true;         // no line was finished yet: a BOM may stand here
};

}  // namespace jevons
