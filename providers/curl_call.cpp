#include "providers/curl_call.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "providers/address_class.h"

namespace jevons {

namespace {

constexpr std::size_t buffered_bytes_max = 262'144;
constexpr std::int64_t header_bytes_max = 65'536;
// How long an answer that nobody reads may take to end before its connection is given up.
constexpr std::chrono::seconds discard_max{1};

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

bool breaks_protocol(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:  // the answer is not HTTP
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return true;
    default:
      return false;
  }
}

}  // namespace

CurlCall::CurlCall(const ProviderConfig& provider, HttpCall call)
    : provider_name(provider.name), request(std::move(call)) {
  // The operator chose a proxy's address, and the proxy resolves the upstream's name.
  allow_private = provider.allow_private || !provider.proxy.empty();
  loopback_only = provider.proxy.empty() && is_loopback_host(url_host(request.url));
  started = last_byte = Clock::now();
}

Error CurlCall::error(Fault fault, const std::string& what) const {
  Error error(fault, Origin::upstream, "provider '" + provider_name + "': " + what);
  // Once sent it may have been accepted, and without a head nobody can tell: another call could be
  // a second answer to the same request, billed twice (reliability.md 5, rule 8).
  return error.with_retry(sends == 0 && fault != Fault::cancelled).with_maybe_billed(sends > 0);
}

std::size_t CurlCall::on_header(std::string_view line) {
  header_bytes += static_cast<std::int64_t>(line.size());
  if (header_bytes > header_bytes_max) {
    failure = error(Fault::upstream_protocol_error, "its headers exceed 64 KiB");
    return 0;
  }
  active = true;
  if (head_done) return line.size();  // trailers say nothing that we would trust
  if (line.starts_with("HTTP/")) {
    read_status_line(line);
  } else if (trimmed(line).empty()) {
    finish_head();
  } else {
    read_field(line);
  }
  return failure ? 0 : line.size();
}

// Every interim answer begins anew.
void CurlCall::read_status_line(std::string_view line) {
  headers.clear();
  status = 0;
  const std::size_t blank = line.find(' ');
  if (blank == std::string_view::npos) return;
  const std::string_view digits = line.substr(blank + 1, 3);
  std::from_chars(digits.data(), digits.data() + digits.size(), status);
}

void CurlCall::read_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return;
  headers.push_back(
      Header{lower_case(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1)))});
}

void CurlCall::finish_head() {
  if (status >= 100 && status < 200 && status != 101) return;  // 100 Continue, early hints
  if (status < 200 || status > 599) {
    failure = error(Fault::upstream_protocol_error, "it answered with a status it must not use");
    return;
  }
  const auto coded = std::find_if(headers.begin(), headers.end(), [](const Header& header) {
    return header.name == "content-encoding" && lower_case(header.value) != "identity" &&
           !header.value.empty();
  });
  if (coded != headers.end()) {
    failure = error(Fault::upstream_protocol_error, "it compressed an answer it was asked not to");
    return;
  }
  head_done = true;
}

std::size_t CurlCall::on_body(std::string_view bytes) {
  active = true;
  if (discarding) return bytes.size();
  if (!buffered.empty() && buffered.size() + bytes.size() > buffered_bytes_max) {
    paused = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  buffered.append(bytes);
  return bytes.size();
}

// curl resends a request by itself when a reused connection closes without an answer: the upstream
// would bill it twice (reliability.md 0.3).
int CurlCall::on_about_to_send() {
  return ++sends > 1 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

bool CurlCall::may_connect(const sockaddr& address) {
  const AddressClass where = address_class(address);
  const bool allowed = where == AddressClass::global ||
                       (loopback_only ? where == AddressClass::loopback
                                      : allow_private && where != AddressClass::unusable);
  address_refused = !allowed;
  return allowed;
}

void CurlCall::conclude(CURLcode result) {
  if (over()) return;
  if (result == CURLE_OK && head_done) {
    finished = true;
    return;
  }
  if (address_refused) {
    failure = error(Fault::upstream_error,
                    "its name resolves to a private address, which needs allow_private: true");
  } else if (result == CURLE_ABORTED_BY_CALLBACK) {
    failure = error(Fault::upstream_error,
                    "it closed a reused connection without an answer; the request was not sent "
                    "again, because it may have been accepted");
  } else if (result == CURLE_OK) {
    failure = error(Fault::upstream_protocol_error, "it ended without an answer");
  } else {
    failure =
        error(breaks_protocol(result) ? Fault::upstream_protocol_error : Fault::upstream_error,
              lower_case(curl_easy_strerror(result)));
  }
}

std::optional<Error> CurlCall::late(Clock::time_point now) {
  using std::chrono::milliseconds;
  // While the reader is slower than the upstream, the upstream is not to blame.
  if ((std::exchange(active, false) && !discarding) || paused || !buffered.empty()) last_byte = now;
  if (now - started >= milliseconds(request.total_timeout_ms)) {
    return error(Fault::deadline_exceeded,
                 "no complete answer in " + std::to_string(request.total_timeout_ms) + " ms");
  }
  if (!head_done && now - started >= milliseconds(request.first_byte_timeout_ms)) {
    return error(Fault::deadline_exceeded,
                 "no answer in " + std::to_string(request.first_byte_timeout_ms) + " ms");
  }
  if (discarding && now - last_byte >= discard_max) {
    return error(Fault::cancelled, "discarded");
  }
  if (head_done && now - last_byte >= milliseconds(request.idle_timeout_ms)) {
    return error(Fault::deadline_exceeded,
                 "its answer stood still for " + std::to_string(request.idle_timeout_ms) + " ms");
  }
  return std::nullopt;
}

}  // namespace jevons
