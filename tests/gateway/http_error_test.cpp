#include "gateway/http_error.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace jevons;

namespace {

std::string headers_text(const HttpAnswer& error) {
  std::string text;
  for (const Header& header : error.headers) text += header.name + ": " + header.value + "\n";
  return text;
}

}  // namespace

TEST_CASE("every fault has its row of the contract") {
  struct Row {
    Fault fault;
    int status;
    const char *code, *openai_type, *anthropic_type;
    bool retry;            // nothing was billed
    bool retry_if_billed;  // an attempt may have been
  };
  constexpr const char* invalid = "invalid_request_error";
  const std::vector<Row> rows = {
      {Fault::internal, 500, "internal_error", "server_error", "api_error", false, false},
      {Fault::invalid_json, 400, "invalid_json", invalid, invalid, false, false},
      {Fault::duplicate_key, 400, "duplicate_key", invalid, invalid, false, false},
      {Fault::missing_field, 400, "missing_field", invalid, invalid, false, false},
      {Fault::invalid_value, 400, "invalid_value", invalid, invalid, false, false},
      {Fault::unsupported_parameter, 400, "unsupported_parameter", invalid, invalid, false, false},
      {Fault::context_length_exceeded, 400, "context_length_exceeded", invalid, invalid, false,
       false},
      {Fault::price_unknown, 400, "price_unknown", invalid, invalid, false, false},
      {Fault::stateful_unsupported, 400, "stateful_unsupported", invalid, invalid, false, false},
      {Fault::no_eligible_target, 400, "no_eligible_target", invalid, invalid, false, false},
      {Fault::invalid_api_key, 401, "invalid_api_key", invalid, "authentication_error", false,
       false},
      {Fault::budget_exceeded, 402, "budget_exceeded", "insufficient_quota", "billing_error", false,
       false},
      {Fault::model_not_allowed, 403, "model_not_allowed", "permission_error", "permission_error",
       false, false},
      {Fault::policy_not_allowed, 403, "policy_not_allowed", "permission_error", "permission_error",
       false, false},
      {Fault::missing_tag, 403, "missing_tag", "permission_error", "permission_error", false,
       false},
      {Fault::refused_by_policy, 403, "refused_by_policy", "permission_error", "permission_error",
       false, false},
      {Fault::model_not_found, 404, "model_not_found", invalid, "not_found_error", false, false},
      {Fault::not_found, 404, "not_found", invalid, "not_found_error", false, false},
      {Fault::bad_request, 400, "bad_request", invalid, invalid, false, false},
      {Fault::method_not_allowed, 405, "method_not_allowed", invalid, invalid, false, false},
      {Fault::request_timeout, 408, "request_timeout", invalid, invalid, false, false},
      {Fault::length_required, 411, "length_required", invalid, invalid, false, false},
      {Fault::request_too_large, 413, "request_too_large", invalid, "request_too_large", false,
       false},
      {Fault::uri_too_long, 414, "uri_too_long", invalid, "request_too_large", false, false},
      {Fault::unsupported_media_type, 415, "unsupported_media_type", invalid, invalid, false,
       false},
      {Fault::expectation_failed, 417, "expectation_failed", invalid, invalid, false, false},
      {Fault::header_too_large, 431, "header_too_large", invalid, "request_too_large", false,
       false},
      {Fault::not_implemented, 501, "not_implemented", invalid, invalid, false, false},
      {Fault::version_not_supported, 505, "version_not_supported", invalid, invalid, false, false},
      {Fault::idempotency_in_flight, 409, "idempotency_in_flight", invalid, invalid, true, true},
      {Fault::idempotency_conflict, 422, "idempotency_conflict", invalid, invalid, false, false},
      {Fault::rate_limit_exceeded, 429, "rate_limit_exceeded", "requests", "rate_limit_error", true,
       true},
      {Fault::upstream_error, 502, "upstream_error", "server_error", "api_error", true, false},
      {Fault::upstream_protocol_error, 502, "upstream_protocol_error", "server_error", "api_error",
       true, false},
      {Fault::upstream_auth, 502, "upstream_auth", "server_error", "api_error", false, false},
      {Fault::upstream_rejected, 400, "upstream_rejected", invalid, invalid, false, false},
      {Fault::upstream_overloaded, 503, "upstream_error", "server_error", "overloaded_error", true,
       false},
      {Fault::no_target_available, 503, "no_eligible_target", "server_error", "overloaded_error",
       true, false},
      {Fault::budget_busy, 503, "budget_busy", "server_error", "overloaded_error", true, false},
      {Fault::overloaded, 503, "overloaded", "server_error", "overloaded_error", true, false},
      {Fault::ledger_unavailable, 503, "ledger_unavailable", "server_error", "overloaded_error",
       true, false},
      {Fault::deadline_exceeded, 504, "deadline_exceeded", "server_error", "timeout_error", true,
       false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.code);
    Error error(row.fault, "What happened. What to do.");
    const HttpAnswer openai = http_error(error, Dialect::openai, "r-1");
    CHECK(openai.status == row.status);
    CHECK(openai.body == R"({"error":{"message":"What happened. What to do.","type":")" +
                             std::string(row.openai_type) + R"(","param":null,"code":")" +
                             row.code + R"("},"request_id":"r-1"})");
    const HttpAnswer anthropic = http_error(error, Dialect::anthropic, "r-1");
    CHECK(anthropic.status == (row.status == 503 ? 529 : row.status));
    CHECK(anthropic.body == R"({"type":"error","error":{"type":")" +
                                std::string(row.anthropic_type) +
                                R"(","message":"What happened. What to do.","code":")" + row.code +
                                R"("},"request_id":"r-1"})");
    CHECK(headers_text(openai) == std::string("content-type: application/json\nx-should-retry: ") +
                                      (row.retry ? "true\n" : "false\n"));
    CHECK(should_retry(error) == row.retry);
    error.with_maybe_billed(true);
    CHECK(should_retry(error) == row.retry_if_billed);
  }
}

TEST_CASE("retry-after rounds up to seconds and never exceeds what SDKs accept") {
  const auto headers = [](std::int64_t ms) {
    return headers_text(http_error(Error(Fault::rate_limit_exceeded, "x").with_retry_after_ms(ms),
                                   Dialect::openai, ""));
  };
  const std::string head = "content-type: application/json\nx-should-retry: true\n";
  CHECK(headers(1) == head + "retry-after: 1\nretry-after-ms: 1\n");
  CHECK(headers(1500) == head + "retry-after: 2\nretry-after-ms: 1500\n");
  CHECK(headers(3'600'000) == head + "retry-after: 60\nretry-after-ms: 60000\n");
  CHECK(headers(-5) == head + "retry-after: 0\nretry-after-ms: 0\n");
}

TEST_CASE("a rate limit says which limit, an upstream's refusal keeps its status") {
  const Error tokens = Error(Fault::rate_limit_exceeded, "x").with_param("tokens");
  CHECK(
      error_body(tokens, Dialect::openai, "") ==
      R"({"error":{"message":"x","type":"tokens","param":"tokens","code":"rate_limit_exceeded"}})");
  const auto status = [](int upstream) {
    return http_status(Error(Fault::upstream_rejected, "x").with_upstream_status(upstream),
                       Dialect::openai);
  };
  CHECK(status(400) == 400);
  CHECK(status(413) == 413);
  CHECK(status(422) == 422);
  CHECK(status(200) == 400);
}

TEST_CASE("messages are escaped and always UTF-8") {
  CHECK(error_body(Error(Fault::invalid_value, "say \"x\"\n\xFF").with_param("a\"b"),
                   Dialect::openai, "") ==
        "{\"error\":{\"message\":\"say \\\"x\\\"\\n\xEF\xBF\xBD\",\"type\":"
        "\"invalid_request_error\",\"param\":\"a\\\"b\",\"code\":\"invalid_value\"}}");
}

TEST_CASE("after the commit an error is one event of the dialect") {
  const Error error(Fault::upstream_error, "cut");
  CHECK(error_event(error, Dialect::openai, "r-1") ==
        "data: {\"error\":{\"message\":\"cut\",\"type\":\"server_error\",\"param\":null,"
        "\"code\":\"upstream_error\"},\"request_id\":\"r-1\"}\n\n");
  CHECK(error_event(error, Dialect::anthropic, "r-1") ==
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":"
        "\"cut\",\"code\":\"upstream_error\"},\"request_id\":\"r-1\"}\n\n");
}
