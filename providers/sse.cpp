#include "providers/sse.h"

#include <algorithm>

namespace jevons {
namespace {

Error too_long(std::string_view what, std::size_t limit) {
  return Error(Fault::upstream_protocol_error, Origin::upstream,
               "The upstream sent a stream " + std::string(what) + " of more than " +
                   std::to_string(limit) + " bytes.")
      .with_maybe_billed(true);
}

// The first CR or LF, or npos. Two memchr calls beat a byte loop by far on long lines.
std::size_t line_end(std::string_view bytes) {
  const std::size_t line_feed = bytes.find('\n');
  return std::min(bytes.substr(0, line_feed).find('\r'), line_feed);
}

}  // namespace

// True: `line` is a whole line without its end. It may point into the input or into line_.
Result<bool> SseReader::take_line(std::string_view& line) {
  if (skip_line_feed_ && !input_.empty()) {
    skip_line_feed_ = false;
    if (input_.front() == '\n') input_.remove_prefix(1);
  }
  const std::size_t end = line_end(input_);
  const std::size_t taken = std::min(end, input_.size());
  if (line_.size() + taken > line_bytes_max) return too_long("line", line_bytes_max);
  if (end == std::string_view::npos) {
    line_.append(input_);
    input_ = {};
    return false;
  }
  skip_line_feed_ = input_[end] == '\r';
  if (line_.empty()) {
    line = input_.substr(0, end);
  } else {
    line_.append(input_, 0, end);
    line = line_;
  }
  input_.remove_prefix(end + 1);
  if (at_start_ && line.substr(0, 3) == "\xEF\xBB\xBF") line.remove_prefix(3);
  at_start_ = false;
  return true;
}

Result<void> SseReader::use_line(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) value = line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  if (field == "data") {
    if (data_.size() + value.size() + 1 > event_bytes_max) {
      return too_long("event", event_bytes_max);
    }
    if (has_data_) data_.push_back('\n');
    data_.append(value);
    has_data_ = true;
  } else if (field == "event") {
    name_.assign(value);
  }
  return boost::system::in_place_value;
}

bool SseReader::dispatch(SseEvent& event) {
  dispatched_ = true;
  event = {name_, data_};
  return has_data_;
}

Result<bool> SseReader::next(SseEvent& event) {
  for (;;) {
    if (dispatched_) {
      data_.clear();
      name_.clear();
      has_data_ = dispatched_ = false;
    }
    std::string_view line;
    const Result<bool> whole = take_line(line);
    if (!whole || !*whole) return whole;
    if (line.empty()) {
      line_.clear();
      if (dispatch(event)) return true;
      continue;
    }
    const Result<void> used = use_line(line);
    line_.clear();
    if (!used) return used.error();
  }
}

Result<bool> SseReader::finish(SseEvent& event) {
  input_ = {};
  if (dispatched_) {
    data_.clear();
    name_.clear();
    has_data_ = dispatched_ = false;
  }
  if (!line_.empty()) {
    const Result<void> used = use_line(line_);
    line_.clear();
    if (!used) return used.error();
  }
  return dispatch(event);
}

}  // namespace jevons
