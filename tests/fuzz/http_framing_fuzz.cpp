// Framing of requests: bytes split in any way give the same outcome as the bytes at once, and a
// request that is accepted, body and all, means the same to Beast's parser of whole messages.
#include <algorithm>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/framing.h"

namespace {

using namespace jevons;
namespace http = boost::beast::http;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Seen {
  std::vector<HttpRequest> requests;
  std::vector<std::size_t> ends;
  bool refused = false;
  std::string refusal;
};

// Feeds `bytes` in parts whose sizes come from `seed`, one request after another.
Seen feed(const HttpLimits& limits, std::string_view bytes, std::uint32_t seed) {
  Seen seen;
  RequestParser parser(limits);
  std::size_t at = 0;
  while (at < bytes.size()) {
    seed = seed * 1'664'525U + 1'013'904'223U;
    const std::size_t part = seed == 0 ? bytes.size() : 1 + (seed >> 28);
    std::string_view window = bytes.substr(at, part);
    const std::size_t taken = parser.feed(window);
    require(taken <= window.size());
    at += taken;
    if (parser.phase() == RequestParser::Phase::refused) {
      seen.refused = true;
      seen.refusal = parser.refusal().message();
      return seen;
    }
    if (parser.phase() == RequestParser::Phase::complete) {
      seen.requests.push_back(parser.request());
      seen.ends.push_back(at);
      parser.reset();
    } else {
      require(taken == window.size());
    }
  }
  return seen;
}

void require_same(const Seen& a, const Seen& b) {
  require(a.requests.size() == b.requests.size() && a.ends == b.ends);
  require(a.refused == b.refused && a.refusal == b.refusal);
  for (std::size_t i = 0; i < a.requests.size(); ++i) {
    require(a.requests[i].path == b.requests[i].path && a.requests[i].body == b.requests[i].body);
    require(a.requests[i].headers.size() == b.requests[i].headers.size());
  }
}

void require_beast_agrees(const HttpRequest& ours, std::string_view bytes) {
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);  // Beast does not skip the empty line
  http::request_parser<http::string_body> parser;
  parser.header_limit(1 << 20);
  parser.eager(true);
  boost::beast::error_code error;
  std::size_t at = 0;
  while (at < bytes.size() && !parser.is_done()) {
    const boost::asio::const_buffer rest(bytes.data() + at, bytes.size() - at);
    const std::size_t taken = parser.put(rest, error);
    if (error || taken == 0) break;
    at += taken;
  }
  if (error) return;
  require(parser.is_done() && at == bytes.size());
  const auto& theirs = parser.get();
  require(std::string_view(theirs.method_string()) == ours.method);
  require(theirs.body() == ours.body);
  // Beast keeps fields of one name together, so both are compared sorted.
  std::vector<std::string> our_values, their_values;
  for (const Header& field : ours.headers) our_values.push_back(field.value);
  for (const auto& field : theirs) their_values.emplace_back(field.value());
  std::sort(our_values.begin(), our_values.end());
  std::sort(their_values.begin(), their_values.end());
  require(our_values == their_values);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const std::uint32_t seed = static_cast<std::uint32_t>(data[0]) | 1U;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 4, size - 4);
  HttpLimits limits;
  limits.header_bytes_max = 64 * (1 + data[1] % 32);
  limits.target_bytes_max = 8 * (1 + data[2] % 32);
  limits.body_bytes_max = 4 * (1 + data[3]);
  limits.chunk_extension_bytes_max = 16;
  limits.fields_max = 16;

  RequestParser at_once(limits);
  Seen whole;
  for (std::size_t at = 0; at < bytes.size();) {
    at += at_once.feed(bytes.substr(at));
    if (at_once.phase() == RequestParser::Phase::refused) {
      whole.refused = true;
      whole.refusal = at_once.refusal().message();
      break;
    }
    if (at_once.phase() != RequestParser::Phase::complete) break;
    whole.requests.push_back(at_once.request());
    whole.ends.push_back(at);
    at_once.reset();
  }
  require_same(whole, feed(limits, bytes, seed));
  std::size_t begin = 0;
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    require_beast_agrees(whole.requests[i], bytes.substr(begin, whole.ends[i] - begin));
    begin = whole.ends[i];
  }
  return 0;
}
