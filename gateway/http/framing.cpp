#include "gateway/http/framing.h"

#include <algorithm>

#include "gateway/http/framing_beast.h"
#include "gateway/http/framing_chars.h"

namespace jevons {

using namespace framing;

namespace {
constexpr std::size_t method_bytes_max = 32;
constexpr std::string_view version_pattern = "HTTP/1.1";
}  // namespace

std::string_view HttpRequest::header(std::string_view lower_case_name) const {
  for (const Header& field : headers) {
    if (field.name == lower_case_name) return field.value;
  }
  return {};
}

RequestParser::Phase RequestParser::phase() const {
  if (step_ == Step::complete) return Phase::complete;
  if (step_ == Step::refused) return Phase::refused;
  return step_ <= Step::head_lf ? Phase::head : Phase::body;
}

void RequestParser::reset() { *this = RequestParser(*limits_); }

std::size_t RequestParser::feed(std::string_view bytes) {
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  while (p != end && phase() == Phase::head) {
    const std::int64_t room = limits_->header_bytes_max - head_bytes_;
    if (room <= 0) {
      refuse(Fault::header_too_large, "the request head is too large", p);
      break;
    }
    const char* const next = head_step(p, p + std::min<std::int64_t>(end - p, room));
    head_.append(p, next);
    head_bytes_ += next - p;
    p = next;
    if (phase() == Phase::body || phase() == Phase::complete) confirm_head(p);
  }
  while (p != end && phase() == Phase::body) p = body_step(p, end);
  return static_cast<std::size_t>(p - bytes.data());
}

void RequestParser::confirm_head(const char* p) {
  const HeadReading ours{.request = request_,
                         .target = target_,
                         .chunked = chunked_,
                         .body_bytes = chunked_ ? 0 : remaining_};
  if (!beast_agrees(head_, ours)) refuse(Fault::bad_request, "the request head is ambiguous", p);
  head_.clear();
}

const char* RequestParser::refuse(Fault fault, const char* message, const char* p) {
  step_ = Step::refused;
  refusal_fault_ = fault;
  refusal_ = message;
  keep_alive_ = false;
  return p;
}

const char* RequestParser::expect(char wanted, Step next, const char* p, const char* message) {
  if (*p != wanted) return refuse(Fault::bad_request, message, p);
  step_ = next;
  return p + 1;
}

const char* RequestParser::head_step(const char* p, const char* end) {
  return step_ < Step::field_start ? request_line_step(p, end) : field_step(p, end);
}

const char* RequestParser::request_line_step(const char* p, const char* end) {
  switch (step_) {
    case Step::start:
      // RFC 9112 2.2: one empty line before the request line is tolerated.
      if (*p != '\r' || leading_crlf_) {
        step_ = Step::method;
        return p;
      }
      leading_crlf_ = true;
      step_ = Step::start_lf;
      return p + 1;
    case Step::start_lf:
      return expect('\n', Step::start, p, "bare CR before the request line");
    case Step::method:
      return take_method(p, end);
    case Step::target:
      return take_target(p, end);
    case Step::version:
      return take_version(p, end);
    default:
      return expect('\n', Step::field_start, p, "bare CR in the request line");
  }
}

const char* RequestParser::take_method(const char* p, const char* end) {
  const char* stop = skip(token_bytes, p, end);
  const std::size_t room = method_bytes_max - request_.method.size();
  if (static_cast<std::size_t>(stop - p) > room) {
    return refuse(Fault::not_implemented, "unknown method", p);
  }
  request_.method.append(p, stop);
  if (stop == end) return stop;
  if (*stop != ' ' || request_.method.empty()) {
    return refuse(Fault::bad_request, "malformed request line", stop);
  }
  step_ = Step::target;
  return stop + 1;
}

const char* RequestParser::take_target(const char* p, const char* end) {
  const char* stop = skip(target_bytes, p, end);
  const std::int64_t room = limits_->target_bytes_max - static_cast<std::int64_t>(target_.size());
  if (stop - p > room) return refuse(Fault::uri_too_long, "the request target is too long", p);
  target_.append(p, stop);
  if (stop == end) return stop;
  if (*stop != ' ' || target_.empty()) {
    return refuse(Fault::bad_request, "malformed request target", stop);
  }
  step_ = Step::version;
  return stop + 1;
}

const char* RequestParser::take_version(const char* p, const char* end) {
  for (; p != end && *p != '\r'; ++p) {
    const std::size_t at = version_.size();
    // "HTTP/" digit "." digit, so that another version is told from a malformed line.
    const bool is_digit = *p >= '0' && *p <= '9';
    const bool fits =
        at < version_pattern.size() && (at == 5 || at == 7 ? is_digit : *p == version_pattern[at]);
    if (!fits) return refuse(Fault::bad_request, "malformed HTTP version", p);
    version_.push_back(*p);
  }
  if (p == end) return p;
  if (version_.size() != version_pattern.size()) {
    return refuse(Fault::bad_request, "malformed HTTP version", p);
  }
  if (version_ != "HTTP/1.1" && version_ != "HTTP/1.0") {
    return refuse(Fault::version_not_supported, "only HTTP/1.1 and HTTP/1.0 are spoken here", p);
  }
  http_1_0_ = version_.back() == '0';
  keep_alive_ = !http_1_0_;
  step_ = Step::version_lf;
  return p + 1;
}

const char* RequestParser::field_step(const char* p, const char* end) {
  switch (step_) {
    case Step::field_start:
      if (*p == '\r') {
        step_ = Step::head_lf;
        return p + 1;
      }
      if (!is_in(token_bytes, *p)) {
        return refuse(Fault::bad_request, "a header line begins with an illegal byte", p);
      }
      if (static_cast<std::int64_t>(request_.headers.size()) >= limits_->fields_max) {
        return refuse(Fault::header_too_large, "too many header fields", p);
      }
      request_.headers.emplace_back();
      step_ = Step::name;
      return p;
    case Step::name: {
      std::string& name = request_.headers.back().name;
      for (; p != end && is_in(token_bytes, *p); ++p) name.push_back(lower(*p));
      if (p == end) return p;
      return expect(':', Step::value_start, p, "malformed header name");
    }
    case Step::value_start:
      while (p != end && (*p == ' ' || *p == '\t')) ++p;
      if (p != end) step_ = Step::value;
      return p;
    case Step::value: {
      const char* stop = skip(value_bytes, p, end);
      request_.headers.back().value.append(p, stop);
      if (stop == end) return stop;
      return expect('\r', Step::value_lf, stop, "a header value holds a control byte");
    }
    case Step::value_lf: {
      std::string& value = request_.headers.back().value;
      while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.pop_back();
      return expect('\n', Step::field_start, p, "bare CR in a header");
    }
    default: {
      const char* next = expect('\n', Step::head_lf, p, "bare CR in a header");
      if (step_ != Step::refused) finish_head();
      return next;
    }
  }
}

}  // namespace jevons
