// HTTP/1.1 as the scripted upstream reads it: tolerant, since the gateway under test is the one
// whose strictness matters. A request is kept verbatim for GET /__requests.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace upstream {

struct HttpRequest {
  std::string method;
  std::string target;
  std::vector<std::pair<std::string, std::string>> headers;  // names as received
  std::string body;                                          // chunked coding removed
  bool keep_alive = true;
  std::size_t on_connection = 0;  // 0 for the first request of its connection

  // First value of a header, name compared without case; empty if absent.
  std::string_view header(std::string_view name) const;
  // The target without its query.
  std::string_view path() const;
};

enum class Parse { complete, incomplete, invalid };

// Parses one request from the front of `bytes`. On complete, `used` is its length. `wants_continue`
// is set when the header is whole, the body is not, and the client waits for 100 Continue.
Parse parse_request(std::string_view bytes, HttpRequest& request, std::size_t& used,
                    bool& wants_continue);

bool iequals(std::string_view a, std::string_view b);

}  // namespace upstream
