#include "gateway/http_error.h"

#include <algorithm>

#include "providers/json.h"

namespace jevons {
namespace {

struct Row {
  int status = 500;
  std::string_view openai_type;
  std::string_view anthropic_type;
  bool retry = false;          // a client may send it again as it is
  bool unless_billed = false;  // ... only if no attempt can have been billed
};

constexpr std::string_view invalid = "invalid_request_error";

// The one switch (contract.md 8).
// tidy-ok(function): a case a line, one table of all faults
Row row_of(const Error& error) {
  switch (error.fault()) {
    case Fault::invalid_json:
    case Fault::duplicate_key:
    case Fault::missing_field:
    case Fault::invalid_value:
    case Fault::unsupported_parameter:
    case Fault::context_length_exceeded:
    case Fault::price_unknown:
    case Fault::stateful_unsupported:
    case Fault::no_eligible_target:
    case Fault::bad_request:
      return {400, invalid, invalid};
    case Fault::invalid_api_key:
      return {401, invalid, "authentication_error"};
    case Fault::budget_exceeded:
      return {402, "insufficient_quota", "billing_error"};
    case Fault::model_not_allowed:
    case Fault::policy_not_allowed:
    case Fault::missing_tag:
    case Fault::refused_by_policy:
      return {403, "permission_error", "permission_error"};
    case Fault::model_not_found:
    case Fault::not_found:
      return {404, invalid, "not_found_error"};
    case Fault::method_not_allowed:
      return {405, invalid, invalid};
    case Fault::request_timeout:
      return {408, invalid, invalid};
    case Fault::length_required:
      return {411, invalid, invalid};
    case Fault::request_too_large:
      return {413, invalid, "request_too_large"};
    case Fault::uri_too_long:
      return {414, invalid, "request_too_large"};
    case Fault::unsupported_media_type:
      return {415, invalid, invalid};
    case Fault::expectation_failed:
      return {417, invalid, invalid};
    case Fault::header_too_large:
      return {431, invalid, "request_too_large"};
    case Fault::not_implemented:
      return {501, invalid, invalid};
    case Fault::version_not_supported:
      return {505, invalid, invalid};
    case Fault::idempotency_in_flight:
      return {409, invalid, invalid, true};
    case Fault::idempotency_conflict:
      return {422, invalid, invalid};
    // The limit in question is named by its error: "requests" or "tokens".
    case Fault::rate_limit_exceeded:
      return {429, error.param() == "tokens" ? "tokens" : "requests", "rate_limit_error", true};
    case Fault::upstream_rejected: {
      const int status = error.upstream_status();
      const bool kept = status == 413 || status == 422;
      return {kept ? status : 400, invalid, status == 413 ? "request_too_large" : invalid};
    }
    case Fault::upstream_error:
    case Fault::upstream_protocol_error:
      return {502, "server_error", "api_error", true, true};
    case Fault::upstream_auth:
      return {502, "server_error", "api_error"};
    case Fault::upstream_overloaded:
    case Fault::no_target_available:
    case Fault::budget_busy:
    case Fault::overloaded:
    case Fault::ledger_unavailable:
      return {503, "server_error", "overloaded_error", true, true};
    case Fault::deadline_exceeded:
      return {504, "server_error", "timeout_error", true, true};
    case Fault::cancelled:
      return {499, invalid, invalid};
    case Fault::internal:
    case Fault::config:
      break;
  }
  return {500, "server_error", "api_error"};
}

// SDKs ignore or distrust longer waits (wire.md 2).
constexpr std::int64_t retry_after_ms_max = 60'000;

void write_nullable(JsonWriter& out, std::string_view key, std::string_view text) {
  out.key(key);
  if (text.empty()) {
    out.null();
  } else {
    out.string(text);
  }
}

}  // namespace

int http_status(const Error& error, Dialect dialect) {
  const int status = row_of(error).status;
  return status == 503 && dialect == Dialect::anthropic ? 529 : status;
}

bool should_retry(const Error& error) {
  const Row row = row_of(error);
  return row.retry && !(row.unless_billed && error.maybe_billed());
}

std::string error_body(const Error& error, Dialect dialect, std::string_view request_id) {
  const Row row = row_of(error);
  const std::string message = utf8_or_replaced(error.message());
  std::string body;
  JsonWriter out(body);
  out.begin_object();
  if (dialect == Dialect::anthropic) {
    out.key("type").string("error").key("error").begin_object();
    out.key("type").string(row.anthropic_type).key("message").string(message);
    out.key("code").string(fault_code(error.fault())).end_object();
  } else {
    out.key("error").begin_object().key("message").string(message);
    out.key("type").string(row.openai_type);
    write_nullable(out, "param", utf8_or_replaced(error.param()));
    out.key("code").string(fault_code(error.fault())).end_object();
  }
  if (!request_id.empty()) out.key("request_id").string(request_id);
  out.end_object();
  return body;
}

HttpAnswer http_error(const Error& error, Dialect dialect, std::string_view request_id) {
  HttpAnswer answer;
  answer.status = http_status(error, dialect);
  answer.headers.push_back({"content-type", "application/json"});
  const bool retry = should_retry(error);
  answer.headers.push_back({"x-should-retry", retry ? "true" : "false"});
  if (error.retry_after_ms()) {
    const std::int64_t ms =
        std::clamp<std::int64_t>(*error.retry_after_ms(), 0, retry_after_ms_max);
    answer.headers.push_back({"retry-after", std::to_string((ms + 999) / 1000)});
    answer.headers.push_back({"retry-after-ms", std::to_string(ms)});
  }
  answer.body = error_body(error, dialect, request_id);
  return answer;
}

std::string error_event(const Error& error, Dialect dialect, std::string_view request_id) {
  const std::string_view name = dialect == Dialect::anthropic ? "event: error\n" : "";
  return std::string(name) + "data: " + error_body(error, dialect, request_id) + "\n\n";
}

}  // namespace jevons
