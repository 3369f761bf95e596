// Boost.Beast's opinion of a request head that the strict parser has accepted.
#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/http/request.h"

namespace jevons {

// What the strict parser made of a head.
struct HeadReading {
  const HttpRequest& request;  // method and header fields
  std::string_view target;     // as sent
  bool chunked = false;
  std::int64_t body_bytes = 0;  // of a body that is not chunked
};

// True if Beast reads the same method, target, fields and message length from the bytes of the
// head, its empty last line included.
bool beast_agrees(std::string_view head, const HeadReading& ours);

}  // namespace jevons
