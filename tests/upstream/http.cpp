#include "tests/upstream/http.h"

#include <charconv>

namespace upstream {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool parse_head(std::string_view head, HttpRequest& request) {
  std::size_t end = head.find("\r\n");
  const std::string_view first = head.substr(0, end);
  const std::size_t space = first.find(' ');
  const std::size_t second = first.rfind(' ');
  if (space == std::string_view::npos || second == space) return false;
  request.method = first.substr(0, space);
  request.target = first.substr(space + 1, second - space - 1);
  request.keep_alive = first.substr(second + 1) != "HTTP/1.0";
  request.headers.clear();
  while (end != std::string_view::npos) {
    const std::size_t start = end + 2;
    end = head.find("\r\n", start);
    const std::string_view field = head.substr(start, end - start);
    if (field.empty()) continue;
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) return false;
    request.headers.emplace_back(field.substr(0, colon), trim(field.substr(colon + 1)));
  }
  if (iequals(request.header("connection"), "close")) request.keep_alive = false;
  return true;
}

Parse parse_chunked(std::string_view bytes, std::string& body, std::size_t& used) {
  std::size_t at = 0;
  body.clear();
  while (true) {
    const std::size_t line_end = bytes.find("\r\n", at);
    if (line_end == std::string_view::npos) return Parse::incomplete;
    std::size_t size = 0;
    const char* const first = bytes.data() + at;
    const auto result = std::from_chars(first, bytes.data() + line_end, size, 16);
    if (result.ptr == first) return Parse::invalid;
    at = line_end + 2;
    if (bytes.size() < at + size + 2) return Parse::incomplete;
    body.append(bytes.substr(at, size));
    at += size + 2;
    if (size == 0) break;  // trailers are not expected from the gateway
  }
  used += at;
  return Parse::complete;
}

}  // namespace

bool iequals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (iequals(key, name)) return value;
  return {};
}

std::string_view HttpRequest::path() const {
  const std::string_view whole = target;
  return whole.substr(0, whole.find('?'));
}

Parse parse_request(std::string_view bytes, HttpRequest& request, std::size_t& used,
                    bool& wants_continue) {
  const std::size_t head_end = bytes.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return Parse::incomplete;
  if (!parse_head(bytes.substr(0, head_end), request)) return Parse::invalid;
  used = head_end + 4;
  Parse state = Parse::complete;
  if (iequals(request.header("transfer-encoding"), "chunked")) {
    state = parse_chunked(bytes.substr(used), request.body, used);
  } else if (const std::string_view length = request.header("content-length"); !length.empty()) {
    std::size_t size = 0;
    const auto result = std::from_chars(length.data(), length.data() + length.size(), size);
    if (result.ec != std::errc{}) return Parse::invalid;
    if (bytes.size() < used + size) {
      state = Parse::incomplete;
    } else {
      request.body = bytes.substr(used, size);
      used += size;
    }
  } else {
    request.body.clear();
  }
  wants_continue = state == Parse::incomplete && iequals(request.header("expect"), "100-continue");
  return state;
}

}  // namespace upstream
