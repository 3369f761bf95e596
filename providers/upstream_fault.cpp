#include "providers/upstream_fault.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>

#include "providers/json.h"

namespace jevons {
namespace {

constexpr std::size_t message_bytes_max = 2'000;

bool is_secret_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '*' || c == '+' || c == '/' || c == '=';
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

std::string_view header_of(std::span<const Header> headers, std::string_view name) {
  for (const Header& header : headers) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return {};
}

struct Complaint {
  std::string message, type, code, param;
  std::optional<std::int64_t> retry_delay_ms;  // Gemini's RetryInfo
};

std::string text_or_json(JsonView view) {
  return view.is_string() ? std::string(view.text()) : view.present() ? view.json() : "";
}

// A plain decimal number that is not negative and not absurd; empty otherwise.
std::optional<double> small_number(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !(value >= 0 && value < 1e9)) return {};
  return value;
}

// "34s" or "1.5s" of google.rpc.RetryInfo.
std::optional<std::int64_t> retry_info_ms(JsonView details) {
  for (JsonView detail : details) {
    const std::string_view delay = detail["retryDelay"].text();
    if (delay.empty() || delay.back() != 's') continue;
    if (const auto seconds = small_number(delay.substr(0, delay.size() - 1))) {
      return std::llround(*seconds * 1000);
    }
  }
  return std::nullopt;
}

// Everything that providers are known to send: {"error": {...}}, {"error": "text"}, a bare object,
// {"detail": ...}, a one-element array around any of these, or no JSON at all.
Complaint read_complaint(std::string_view body) {
  Complaint complaint;
  JsonDocument document;
  const Result<JsonView> parsed = document.parse(body.substr(0, 1 << 20));
  if (!parsed) {
    // An HTML page of a proxy helps nobody.
    const std::size_t first = body.find_first_not_of(" \t\r\n");
    if (first != std::string_view::npos && body[first] != '<') {
      complaint.message = utf8_or_replaced(body.substr(first, message_bytes_max));
    }
    return complaint;
  }
  JsonView root = *parsed;
  if (root.is_array() && root.size() > 0) root = *root.begin();
  const JsonView error = root["error"].present() ? root["error"] : root;
  if (error.is_string()) {
    complaint.message = error.text();
  } else {
    complaint.message = text_or_json(error["message"]);
    if (complaint.message.empty()) complaint.message = text_or_json(error["detail"]);
  }
  complaint.type = error["type"].text();
  complaint.code = text_or_json(error["code"]);
  if (error["status"].is_string()) complaint.code = error["status"].text();  // Gemini
  for (JsonView detail : error["details"]) {
    if (detail["reason"].is_string()) complaint.code = detail["reason"].text();
  }
  complaint.param = error["param"].text();
  complaint.retry_delay_ms = retry_info_ms(error["details"]);
  return complaint;
}

// The account behind our key is out of money: no retry with the same key helps.
bool is_exhausted(const Complaint& complaint) {
  for (const std::string_view code :
       {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error",
        "access_terminated", "account_deactivated", "insufficient_balance"}) {
    if (complaint.code == code || complaint.type == code) return true;
  }
  return complaint.message.find("credit balance is too low") != std::string::npos;
}

bool is_bad_key(const Complaint& complaint) {
  return complaint.code == "API_KEY_INVALID" || complaint.code == "invalid_api_key" ||
         complaint.type == "authentication_error";
}

// Seconds since the epoch of "Sun, 06 Nov 1994 08:49:37 GMT".
std::optional<std::int64_t> http_date(std::string_view text) {
  std::tm parts{};
  const char* rest = strptime(std::string(text).c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  if (rest == nullptr) return std::nullopt;
  return timegm(&parts);
}

std::optional<std::int64_t> retry_after_of(std::span<const Header> headers,
                                           const Complaint& complaint) {
  if (const auto ms = small_number(header_of(headers, "retry-after-ms"))) return std::llround(*ms);
  const std::string_view after = header_of(headers, "retry-after");
  if (const auto seconds = small_number(after)) return std::llround(*seconds * 1000);
  // A date is meant against the upstream's own clock, which its Date header tells.
  const auto until = http_date(after);
  const auto now = http_date(header_of(headers, "date"));
  if (until && now) return std::max<std::int64_t>(0, *until - *now) * 1000;
  return complaint.retry_delay_ms;
}

Fault fault_of_status(int status, const Complaint& complaint) {
  if (is_exhausted(complaint)) return Fault::upstream_auth;
  switch (status) {
    case 401:
    case 402:
    case 403:
    case 404:
      return Fault::upstream_auth;
    case 400:
    case 413:
    case 422:
      return is_bad_key(complaint) ? Fault::upstream_auth : Fault::upstream_rejected;
    case 408:
    case 409:
    case 425:
    case 429:
      return Fault::upstream_overloaded;
    default:
      return status >= 500 ? Fault::upstream_overloaded : Fault::upstream_error;
  }
}

std::string message_of(Fault fault, int status, const Complaint& complaint) {
  std::string said = scrub_secrets(complaint.message);
  if (said.size() > message_bytes_max) said = utf8_or_replaced(said.substr(0, message_bytes_max));
  const std::string number = std::to_string(status);
  if (fault == Fault::upstream_rejected) {
    return said.empty() ? "The upstream refused the request with status " + number + "." : said;
  }
  std::string message = "The upstream answered with status " + number;
  if (fault == Fault::upstream_auth) {
    message = "The upstream refused the gateway's own account, key or model (status " + number +
              "); its operator has to look at the provider key and the target";
  }
  return message + (said.empty() ? "." : ": " + said);
}

}  // namespace

std::string scrub_secrets(std::string_view text) {
  static constexpr std::array<std::string_view, 10> marks = {
      "sk-", "sk_", "AIza", "Bearer ", "bearer ", "gsk_", "xai-", "jv-", "key-", "tgp_"};
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    const bool word_begins = at == 0 || !is_secret_char(text[at - 1]) || text[at - 1] == '=';
    const auto mark = std::find_if(marks.begin(), marks.end(), [&](std::string_view m) {
      return word_begins && rest.substr(0, m.size()) == m;
    });
    if (mark == marks.end()) {
      out.push_back(text[at++]);
      continue;
    }
    std::size_t end = mark->size();
    while (end < rest.size() && is_secret_char(rest[end])) ++end;
    // "sk-" alone, or a word such as key-value, is no credential.
    const std::size_t length = end - mark->size();
    out += length < 8 ? rest.substr(0, end) : std::string_view("[redacted]");
    at += end;
  }
  return out;
}

Error upstream_fault(int status, std::span<const Header> headers, std::string_view body) {
  const Complaint complaint = read_complaint(body);
  const Fault fault = fault_of_status(status, complaint);
  Error error(fault, Origin::upstream, message_of(fault, status, complaint));
  error.with_upstream_status(status).with_retry(fault == Fault::upstream_overloaded);
  if (fault == Fault::upstream_rejected) error.with_param(complaint.param);
  if (fault == Fault::upstream_overloaded) {
    error.with_retry_after_ms(retry_after_of(headers, complaint));
    // A timeout in front of the model says nothing about what the model did.
    error.with_maybe_billed(status == 504 || status == 524);
  }
  return error;
}

Error upstream_fault_in_answer(std::string_view message, std::string_view code) {
  std::string text = "The upstream reported a failure in its answer";
  if (!code.empty()) text.append(" (").append(code.substr(0, 100)).append(")");
  text += message.empty() ? "." : ": " + scrub_secrets(message.substr(0, message_bytes_max));
  return Error(Fault::upstream_error, Origin::upstream, utf8_or_replaced(text))
      .with_retry(true)
      .with_maybe_billed(true);
}

}  // namespace jevons
