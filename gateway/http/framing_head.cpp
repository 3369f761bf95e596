// The checks that need the whole head: target form, Host, message length, expectations.
#include <algorithm>

#include "gateway/http/framing.h"
#include "gateway/http/framing_chars.h"

namespace jevons {

using namespace framing;

namespace {

bool is_all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_valid_port(std::string_view port) {
  if (port.empty() || port.size() > 5 || !is_all_digits(port)) return false;
  int number = 0;
  for (char digit : port) number = number * 10 + (digit - '0');
  return number <= 65'535;
}

bool is_ipv6_shaped(std::string_view address) {
  return address.size() >= 2 && std::all_of(address.begin(), address.end(), [](char c) {
           return hex_digit(c) >= 0 || c == ':' || c == '.';
         });
}

}  // namespace

bool is_valid_host(std::string_view host) {
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos || !is_ipv6_shaped(host.substr(1, close - 1))) return false;
    if (close + 1 == host.size()) return true;
    if (host[close + 1] != ':') return false;
    return is_valid_port(host.substr(close + 2));
  }
  const std::size_t colon = host.find(':');
  const std::string_view name = host.substr(0, colon);
  if (name.empty() ||
      skip(reg_name_bytes, name.data(), name.data() + name.size()) != name.data() + name.size()) {
    return false;
  }
  return colon == std::string_view::npos || is_valid_port(host.substr(colon + 1));
}

bool RequestParser::fail(Fault fault, const char* message) {
  refuse(fault, message, nullptr);
  return false;
}

void RequestParser::finish_head() {
  if (!check_host() || !check_target() || !check_framing_fields() || !check_other_fields()) return;
  if (chunked_) {
    step_ = Step::chunk_size_start;
  } else if (remaining_ > 0) {
    // Pages of a large reservation become resident only as bytes arrive.
    request_.body.reserve(static_cast<std::size_t>(remaining_));
    step_ = Step::body;
  } else {
    step_ = Step::complete;
  }
}

bool RequestParser::check_host() {
  const Header* host = nullptr;
  for (const Header& field : request_.headers) {
    if (field.name != "host") continue;
    if (host != nullptr) return fail(Fault::bad_request, "more than one Host header");
    host = &field;
  }
  if (host == nullptr) {
    return http_1_0_ || fail(Fault::bad_request, "the Host header is missing");
  }
  return is_valid_host(host->value) || fail(Fault::bad_request, "malformed Host header");
}

bool RequestParser::check_target() {
  if (request_.method == "CONNECT" || request_.method == "TRACE") {
    return fail(Fault::not_implemented, "CONNECT and TRACE are not offered");
  }
  if (target_.front() == '/') return split_path(target_);
  if (target_ == "*") return fail(Fault::not_implemented, "the target '*' is not offered");
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!equals_ignoring_case(std::string_view(target_).substr(0, scheme.size()), scheme)) continue;
    const std::string_view rest = std::string_view(target_).substr(scheme.size());
    const std::size_t slash = std::min(rest.find_first_of("/?"), rest.size());
    if (!check_absolute_target(rest.substr(0, slash))) return false;
    const std::string_view path = rest.substr(slash);
    return path.empty() || path.front() == '?' ? split_path("/" + std::string(path))
                                               : split_path(path);
  }
  return fail(Fault::bad_request, "the request target must begin with '/'");
}

// Two names for the addressed host must not disagree.
bool RequestParser::check_absolute_target(std::string_view authority) {
  if (!is_valid_host(authority)) return fail(Fault::bad_request, "malformed request target");
  const std::string_view host = request_.header("host");
  return host.empty() || equals_ignoring_case(host, authority) ||
         fail(Fault::bad_request, "the request target and the Host header disagree");
}

bool RequestParser::split_path(std::string_view path_and_query) {
  const std::size_t question = path_and_query.find('?');
  if (question != std::string_view::npos) request_.query = path_and_query.substr(question + 1);
  const std::string_view path = path_and_query.substr(0, question);
  request_.path.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') {
      request_.path.push_back(path[i]);
      continue;
    }
    const int high = i + 2 < path.size() ? hex_digit(path[i + 1]) : -1;
    const int low = i + 2 < path.size() ? hex_digit(path[i + 2]) : -1;
    const int byte = high * 16 + low;
    if (high < 0 || low < 0 || byte < 0x20 || byte == 0x7f) {
      return fail(Fault::bad_request, "malformed percent-encoding in the request target");
    }
    request_.path.push_back(static_cast<char>(byte));
    i += 2;
  }
  return true;
}

bool RequestParser::check_framing_fields() {
  for (const Header& field : request_.headers) {
    if (field.name == "transfer-encoding" && !check_transfer_encoding(field.value)) return false;
    if (field.name == "content-length" && !check_content_length(field.value)) return false;
  }
  if (chunked_ && has_length_) {
    return fail(Fault::bad_request, "Transfer-Encoding and Content-Length together");
  }
  if (remaining_ > limits_->body_bytes_max) {
    return fail(Fault::request_too_large, "the request body is too large");
  }
  return true;
}

bool RequestParser::check_transfer_encoding(std::string_view value) {
  if (http_1_0_) return fail(Fault::bad_request, "Transfer-Encoding in HTTP/1.0");
  if (chunked_) return fail(Fault::bad_request, "more than one Transfer-Encoding header");
  if (!equals_ignoring_case(value, "chunked")) {
    const bool one_token =
        !value.empty() &&
        skip(token_bytes, value.data(), value.data() + value.size()) == value.data() + value.size();
    return one_token ? fail(Fault::not_implemented, "the only transfer coding is 'chunked'")
                     : fail(Fault::bad_request, "malformed Transfer-Encoding header");
  }
  chunked_ = true;
  return true;
}

bool RequestParser::check_content_length(std::string_view value) {
  if (has_length_) return fail(Fault::bad_request, "more than one Content-Length header");
  if (value.empty() || !is_all_digits(value) || (value.size() > 1 && value.front() == '0')) {
    return fail(Fault::bad_request, "malformed Content-Length header");
  }
  has_length_ = true;
  if (value.size() > 18) {
    return fail(Fault::request_too_large, "the request body is too large");
  }
  for (char digit : value) remaining_ = remaining_ * 10 + (digit - '0');
  return true;
}

bool RequestParser::check_other_fields() {
  for (const Header& field : request_.headers) {
    if (field.name == "expect" && !check_expect(field.value)) return false;
    if (field.name == "connection") read_connection(field.value);
    // h2c is an offer that a server may pass over (the JDK's client makes it on every first
    // request); any other protocol would change who frames the bytes that follow.
    if (field.name == "upgrade" && !equals_ignoring_case(field.value, "h2c")) {
      return fail(Fault::not_implemented, "Upgrade is not offered");
    }
    if (field.name == "content-encoding" && !field.value.empty() &&
        !equals_ignoring_case(field.value, "identity")) {
      return fail(Fault::unsupported_media_type, "request bodies must not be compressed");
    }
  }
  return true;
}

bool RequestParser::check_expect(std::string_view value) {
  if (http_1_0_) return true;  // RFC 9110 10.1.1: ignored there
  if (!equals_ignoring_case(value, "100-continue")) {
    return fail(Fault::expectation_failed, "the only expectation met is '100-continue'");
  }
  awaits_continue_ = true;
  return true;
}

void RequestParser::read_connection(std::string_view value) {
  bool close = false;
  bool keep = false;
  for_each_member(value, [&](std::string_view option) {
    close = close || equals_ignoring_case(option, "close");
    keep = keep || equals_ignoring_case(option, "keep-alive");
  });
  if (keep && http_1_0_) keep_alive_ = true;
  if (close) {
    keep_alive_ = false;
    closes_ = true;
  }
  if (closes_) keep_alive_ = false;  // whatever a second Connection header says
}

}  // namespace jevons
