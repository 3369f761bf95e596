// From events or a body to the bytes on the wire, with the script's damage applied.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/upstream/dialect.h"

namespace upstream {

// Bytes that leave in one write, after a pause.
struct Segment {
  std::string bytes;
  std::int64_t delay_us = 0;
  std::int64_t tokens_so_far = 0;            // output tokens generated once this has left
  std::size_t stamp_at = std::string::npos;  // where 20 digits of CLOCK_MONOTONIC go
};

enum class End { keep_alive, close, reset, stall };

struct Response {
  std::vector<Segment> segments;
  End end = End::keep_alive;
  bool cut = false;  // the script ended it early
};

inline constexpr std::string_view stamp_digits = "00000000000000000000";

Response frame_body(const Behaviour& how, int status, std::string body, bool keep_alive);
Response frame_stream(const Behaviour& how, Dialect dialect, std::vector<Event> events,
                      bool keep_alive);

}  // namespace upstream
