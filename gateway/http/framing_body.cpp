// The body: by length, or chunked. Chunk extensions are bounded and dropped, trailers refused.
#include <algorithm>

#include "gateway/http/framing.h"
#include "gateway/http/framing_chars.h"

namespace jevons {

using namespace framing;

namespace {
constexpr int chunk_digits_max = 15;  // fits an int64 with room to spare
}

const char* RequestParser::body_step(const char* p, const char* end) {
  body_begun_ = true;
  if (step_ == Step::body) {
    const std::int64_t count = std::min<std::int64_t>(end - p, remaining_);
    request_.body.append(p, p + count);
    remaining_ -= count;
    if (remaining_ == 0) step_ = Step::complete;
    return p + count;
  }
  return step_ < Step::chunk_data ? chunk_head_step(p, end) : chunk_data_step(p, end);
}

const char* RequestParser::chunk_head_step(const char* p, const char* end) {
  switch (step_) {
    case Step::chunk_size_start:
      remaining_ = 0;
      chunk_digits_ = 0;
      step_ = Step::chunk_size;
      return p;
    case Step::chunk_size: {
      const int digit = hex_digit(*p);
      if (digit >= 0) {
        if (++chunk_digits_ > chunk_digits_max) {
          return refuse(Fault::bad_request, "malformed chunk size", p);
        }
        remaining_ = remaining_ * 16 + digit;
        const auto held = static_cast<std::int64_t>(request_.body.size());
        if (remaining_ > limits_->body_bytes_max - held) {
          return refuse(Fault::request_too_large, "the request body is too large", p);
        }
        return p + 1;
      }
      if (chunk_digits_ == 0 || (*p != '\r' && *p != ';')) {
        return refuse(Fault::bad_request, "malformed chunk size", p);
      }
      step_ = *p == ';' ? Step::chunk_extension : Step::chunk_size_lf;
      return p + 1;
    }
    case Step::chunk_extension: {
      const char* stop = skip(value_bytes, p, end);
      const std::int64_t room = limits_->chunk_extension_bytes_max - extension_bytes_;
      if (stop - p > room) return refuse(Fault::bad_request, "chunk extensions are too long", p);
      extension_bytes_ += stop - p;
      if (stop == end) return stop;
      return expect('\r', Step::chunk_size_lf, stop, "a chunk extension holds a control byte");
    }
    default:
      return expect('\n', remaining_ > 0 ? Step::chunk_data : Step::last_chunk_cr, p,
                    "bare CR after a chunk size");
  }
}

const char* RequestParser::chunk_data_step(const char* p, const char* end) {
  switch (step_) {
    case Step::chunk_data: {
      const std::int64_t count = std::min<std::int64_t>(end - p, remaining_);
      request_.body.append(p, p + count);
      remaining_ -= count;
      if (remaining_ == 0) step_ = Step::chunk_data_cr;
      return p + count;
    }
    case Step::chunk_data_cr:
      return expect('\r', Step::chunk_data_lf, p, "a chunk is longer than its size");
    case Step::chunk_data_lf:
      return expect('\n', Step::chunk_size_start, p, "bare CR after a chunk");
    case Step::last_chunk_cr:
      return expect('\r', Step::last_chunk_lf, p, "trailers are not accepted");
    default:
      return expect('\n', Step::complete, p, "bare CR after the last chunk");
  }
}

}  // namespace jevons
