// A request as the framing layer hands it on, the limits it was read under, and a whole answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "providers/provider_config.h"

namespace jevons {

// A parsed, strictly framed request. Header names are lower-case; duplicates stay in order.
struct HttpRequest {
  std::string method;
  std::string path;   // decoded target without query, always begins with '/'
  std::string query;  // after '?', raw
  std::vector<Header> headers;
  std::string body;
  std::string peer_address;
  bool peer_is_loopback = false;
  bool tls = false;
  // First value of a header, empty if absent.
  std::string_view header(std::string_view lower_case_name) const;
};

// A whole answer, held in memory.
struct HttpAnswer {
  int status = 500;
  std::vector<Header> headers;
  std::string body;
};

struct HttpLimits {  // reliability.md 5, rules 9 and 12
  std::int64_t header_bytes_max = 16'384;
  std::int64_t fields_max = 100;
  std::int64_t target_bytes_max = 8'192;
  std::int64_t body_bytes_max = 8'388'608;
  std::int64_t chunk_extension_bytes_max = 256;  // of one request, all chunks together
  std::int64_t handshake_ms = 5'000;
  std::int64_t header_ms = 10'000;
  std::int64_t body_ms = 60'000;
  std::int64_t stalled_write_ms = 30'000;
  std::int64_t keep_alive_ms = 60'000;
  std::int64_t keep_alive_requests = 100'000;
  std::int64_t linger_ms = 2'000;  // reads on after a last answer, so that it arrives
  std::int64_t linger_bytes_max = 65'536;
  std::int64_t connections_max = 0;            // 0: 40 % of the fd limit
  std::int64_t body_memory_max = 536'870'912;  // request bodies held at once, all connections
  // How long a read request may wait for the I/O thread: a burst, and once such waiting has not
  // ended for `standing_ms`. Longer: 503 (after CoDel, RFC 8289).
  std::int64_t burst_wait_ms = 1'000, standing_wait_ms = 50, standing_ms = 250;
};

}  // namespace jevons
