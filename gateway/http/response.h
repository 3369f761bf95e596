// The head of an answer as bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "gateway/http/request.h"

namespace jevons {

enum class ConnectionField : std::uint8_t { absent, close, keep_alive };

struct ResponseFraming {
  // The body's length; without one and not chunked, the body ends with the connection.
  std::optional<std::size_t> content_length;
  bool chunked = false;
  ConnectionField connection = ConnectionField::absent;
};

// Status line and header block with the empty line. `date` is an HTTP date. Of `headers`, those
// that frame the message are left out (they are the server's), and so is any with a control byte,
// which could end a line.
std::string response_head(int status, std::span<const Header> headers,
                          const ResponseFraming& framing, std::string_view date);

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(std::int64_t unix_seconds);

// Whether an answer of this status has no body at all (RFC 9110 6.4.1).
bool is_bodiless(int status);

}  // namespace jevons
