#include "gateway/http/response.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "gateway/http/framing_chars.h"

namespace jevons {

namespace {

std::string_view reason_phrase(int status) {
  static constexpr std::pair<int, std::string_view> phrases[] = {
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {304, "Not Modified"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {402, "Payment Required"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {411, "Length Required"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {529, "Overloaded"}};
  for (const auto& [code, phrase] : phrases) {
    if (code == status) return phrase;
  }
  return "Unknown";
}

bool is_ours_to_write(std::string_view name) {
  return name == "connection" || name == "content-length" || name == "transfer-encoding" ||
         name == "keep-alive" || name == "date";
}

bool is_safe(const Header& header) {
  using namespace framing;
  const char* name_end = header.name.data() + header.name.size();
  const char* value_end = header.value.data() + header.value.size();
  return !header.name.empty() && skip(token_bytes, header.name.data(), name_end) == name_end &&
         skip(value_bytes, header.value.data(), value_end) == value_end;
}

void append_number(std::string& to, std::size_t number) {
  std::array<char, 24> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  to.append(digits.data(), end);
}

void append_two(std::string& to, unsigned number) {
  to.push_back(static_cast<char>('0' + number / 10 % 10));
  to.push_back(static_cast<char>('0' + number % 10));
}

}  // namespace

std::string response_head(int status, std::span<const Header> headers,
                          const ResponseFraming& framing, std::string_view date) {
  std::string head;
  std::size_t size = 160;
  for (const Header& header : headers) size += header.name.size() + header.value.size() + 4;
  head.reserve(size);
  head += "HTTP/1.1 ";
  append_number(head, static_cast<std::size_t>(status));
  head += ' ';
  head += reason_phrase(status);
  head += "\r\ndate: ";
  head += date;
  for (const Header& header : headers) {
    if (is_ours_to_write(header.name) || !is_safe(header)) continue;
    head += "\r\n";
    head += header.name;
    head += ": ";
    head += header.value;
  }
  if (framing.content_length) {
    head += "\r\ncontent-length: ";
    append_number(head, *framing.content_length);
  }
  if (framing.chunked) head += "\r\ntransfer-encoding: chunked";
  if (framing.connection == ConnectionField::close) head += "\r\nconnection: close";
  if (framing.connection == ConnectionField::keep_alive) head += "\r\nconnection: keep-alive";
  head += "\r\n\r\n";
  return head;
}

std::string http_date(std::int64_t unix_seconds) {
  namespace chrono = std::chrono;
  static constexpr std::string_view days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const chrono::sys_seconds time{chrono::seconds(unix_seconds)};
  const chrono::sys_days midnight = chrono::floor<chrono::days>(time);
  const chrono::year_month_day day(midnight);
  const chrono::hh_mm_ss clock(time - midnight);
  std::string text;
  text.reserve(29);
  text += days[chrono::weekday(midnight).c_encoding()];
  text += ", ";
  append_two(text, static_cast<unsigned>(day.day()));
  text += ' ';
  text += months[static_cast<unsigned>(day.month()) - 1];
  text += ' ';
  append_number(text, static_cast<std::size_t>(static_cast<int>(day.year())));
  text += ' ';
  append_two(text, static_cast<unsigned>(clock.hours().count()));
  text += ':';
  append_two(text, static_cast<unsigned>(clock.minutes().count()));
  text += ':';
  append_two(text, static_cast<unsigned>(clock.seconds().count()));
  text += " GMT";
  return text;
}

bool is_bodiless(int status) { return status == 204 || status == 304 || status < 200; }

}  // namespace jevons
