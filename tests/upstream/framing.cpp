#include "tests/upstream/framing.h"

#include <algorithm>
#include <utility>

#include "tests/upstream/text.h"

namespace upstream {
namespace {

std::string_view reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 302:
      return "Found";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 404:
      return "Not Found";
    case 429:
      return "Too Many Requests";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Scripted";
  }
}

std::string head_of(const Behaviour& how, int status, std::string_view content_type,
                    bool keep_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_of(status)) +
                     "\r\ncontent-type: ";
  head += how.content_type.empty() ? content_type : how.content_type;
  head += "\r\nx-request-id: req_scripted\r\n";
  for (const auto& [name, value] : how.headers) head += name + ": " + value + "\r\n";
  if (how.giant_header_bytes > 0)
    head +=
        "x-giant: " + std::string(static_cast<std::size_t>(how.giant_header_bytes), 'g') + "\r\n";
  if (!keep_alive) head += "connection: close\r\n";
  return head;
}

std::string http_chunk(const std::string& bytes) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string size;
  for (std::size_t n = bytes.size(); n > 0; n >>= 4) size.insert(size.begin(), hex[n & 15]);
  return size + "\r\n" + bytes + "\r\n";
}

std::string newline_of(const Behaviour& how) {
  if (how.damage.newline == "crlf") return "\r\n";
  return how.damage.newline == "cr" ? "\r" : "\n";
}

// The event's lines, ending with the blank line.
std::string event_text(const Behaviour& how, const Event& event, bool first) {
  const Damage& damage = how.damage;
  const std::string newline = newline_of(how);
  std::string out = first && damage.bom ? "\xef\xbb\xbf" : "";
  for (std::int64_t i = 0; i < damage.comments; ++i) out += ": keep-alive" + newline + newline;
  for (std::int64_t i = 0; i < damage.blank_lines; ++i) out += newline;
  if (!event.name.empty()) out += "event: " + event.name + newline;
  if (damage.with_id) out += "id: 7" + newline + "retry: 10" + newline;
  std::string data = event.data;
  if (event.text && (damage.nul || damage.invalid_utf8)) {
    const std::size_t comma = data.rfind('"');
    if (comma != std::string::npos) data.insert(comma, damage.nul ? 1U : 0U, '\0');
    if (damage.invalid_utf8 && comma != std::string::npos) data.insert(comma, "\x80");
  }
  const std::size_t middle = data.find(',');
  if (damage.split_data && middle != std::string::npos) {
    // A line break between two members is white space to a JSON reader.
    out += "data: " + data.substr(0, middle + 1) + newline + "data: " + data.substr(middle + 1);
  } else {
    out += "data: " + data;
  }
  return out + newline + newline;
}

void damage_order(const Damage& damage, std::vector<Event>& events) {
  const auto is_text = [](const Event& event) { return event.text; };
  if (damage.reorder) {
    const auto first = std::find_if(events.begin(), events.end(), is_text);
    if (first != events.end()) {
      const auto second = std::find_if(first + 1, events.end(), is_text);
      if (second != events.end()) std::swap(*first, *second);
    }
  }
  const auto count = static_cast<std::int64_t>(events.size());
  if (damage.duplicate >= 0 && damage.duplicate < count) {
    const Event copy = events[static_cast<std::size_t>(damage.duplicate)];
    events.insert(events.begin() + damage.duplicate, copy);
  }
  if (damage.huge_line_bytes > 0 && !events.empty()) {
    Event huge;
    huge.data =
        "{\"huge\":\"" + std::string(static_cast<std::size_t>(damage.huge_line_bytes), 'h') + "\"}";
    events.insert(events.begin() + 1, std::move(huge));
  }
}

// Ends the list where the script wants it to end. True if the answer was cut.
bool apply_fault(const Behaviour& how, Dialect dialect, std::vector<Event>& events, End& end) {
  const std::string& fault = how.damage.fault;
  const auto keep = static_cast<std::size_t>(std::clamp<std::int64_t>(
      how.damage.after_chunks, 0, static_cast<std::int64_t>(events.size())));
  if (!how.error_event.empty()) {
    const std::int64_t tokens = keep == 0 ? 0 : events[keep - 1].tokens_so_far;
    events.resize(keep);
    Event error;
    error.name = dialect == Dialect::anthropic ? "error" : "";
    error.data = error_body(dialect, 500, how, how.error_event);
    error.tokens_so_far = tokens;
    events.push_back(std::move(error));
    return true;
  }
  if (fault.empty() || fault == "no_done") return false;
  if (fault == "no_finish") {
    const auto last_text =
        std::find_if(events.rbegin(), events.rend(), [](const Event& event) { return event.text; });
    events.erase(last_text.base(), events.end());
    return true;
  }
  events.resize(keep);
  if (fault == "rst") end = End::reset;
  if (fault == "fin" || fault == "truncate") end = End::close;
  if (fault == "stall") end = End::stall;
  return true;
}

std::vector<Segment> cut_segments(const Behaviour& how, std::vector<Segment> events) {
  const Damage& damage = how.damage;
  std::vector<Segment> out;
  if (damage.slice > 0) {
    const auto size = static_cast<std::size_t>(damage.slice);
    for (const Segment& event : events)
      for (std::size_t at = 0; at < event.bytes.size(); at += size) {
        Segment piece;
        piece.bytes = event.bytes.substr(at, size);
        piece.delay_us = at == 0 ? event.delay_us : 0;
        piece.tokens_so_far = event.tokens_so_far;
        out.push_back(std::move(piece));
      }
    return out;
  }
  if (damage.coalesce <= 1) return events;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i % static_cast<std::size_t>(damage.coalesce) == 0) {
      out.push_back(std::move(events[i]));
    } else {
      out.back().bytes += events[i].bytes;
      out.back().tokens_so_far = events[i].tokens_so_far;
    }
  }
  return out;
}

}  // namespace

Response frame_body(const Behaviour& how, int status, std::string body, bool keep_alive) {
  Response response;
  if (how.damage.blank_lines > 0)
    body.insert(0, static_cast<std::size_t>(how.damage.blank_lines), '\n');
  const bool closes = how.damage.framing == "close";
  const std::string& fault = how.damage.fault;
  keep_alive = keep_alive && !closes;
  std::string bytes = head_of(how, status, "application/json", keep_alive);
  if (!closes) bytes += "content-length: " + std::to_string(body.size()) + "\r\n";
  bytes += "\r\n";
  if (!fault.empty() && fault != "no_done") {
    const std::size_t half = std::min(body.size(), body.size() / 2 + 1);
    body.resize(fault == "stall" && how.damage.after_chunks == 0 ? 0 : half);
    response.cut = true;
    response.end = fault == "rst" ? End::reset : fault == "stall" ? End::stall : End::close;
  } else if (!keep_alive) {
    response.end = End::close;
  }
  Segment segment;
  segment.bytes = bytes + body;
  segment.delay_us = how.delay_us;
  response.segments.push_back(std::move(segment));
  return response;
}

Response frame_stream(const Behaviour& how, Dialect dialect, std::vector<Event> events,
                      bool keep_alive) {
  Response response;
  const bool chunked = how.damage.framing != "close";
  keep_alive = keep_alive && chunked;
  damage_order(how.damage, events);
  response.cut = apply_fault(how, dialect, events, response.end);
  if (dialect == Dialect::openai && !response.cut && how.damage.fault != "no_done") {
    const std::int64_t tokens = events.empty() ? 0 : events.back().tokens_so_far;
    events.push_back({"", "[DONE]", tokens, false});
  }
  std::vector<Segment> texts;
  texts.reserve(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    Segment segment;
    segment.bytes = event_text(how, events[i], i == 0);
    segment.delay_us = i == 0 ? how.first_chunk_us : how.chunk_us;
    segment.tokens_so_far = events[i].tokens_so_far;
    texts.push_back(std::move(segment));
  }
  texts = cut_segments(how, std::move(texts));
  Segment head;
  head.bytes = head_of(how, 200, "text/event-stream; charset=utf-8", keep_alive);
  head.bytes += chunked ? "transfer-encoding: chunked\r\n\r\n" : "\r\n";
  head.delay_us = how.delay_us;
  response.segments.push_back(std::move(head));
  for (Segment& segment : texts) {
    if (chunked) segment.bytes = http_chunk(segment.bytes);
    if (how.stamp) {
      const std::size_t at = segment.bytes.find("t=" + std::string(stamp_digits));
      if (at != std::string::npos) segment.stamp_at = at + 2;
    }
    response.segments.push_back(std::move(segment));
  }
  std::string& last = response.segments.back().bytes;
  if (how.damage.fault == "truncate") last.resize(last.size() - last.size() / 3);
  const bool ends_cleanly = response.end == End::keep_alive;
  if (chunked && ends_cleanly) last += "0\r\n\r\n";
  if (ends_cleanly && !keep_alive) response.end = End::close;
  return response;
}

}  // namespace upstream
