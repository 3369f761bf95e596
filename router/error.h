// Errors as values: one enumerator per stable code of contract.md 8, who caused it, and whether a
// client may safely send the same request again.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace jevons {

// The stable codes that clients see. http_error.cpp maps each to status and body in one switch.
enum class Fault : std::uint8_t {
  internal,  // a bug of ours; also the default-constructed error
  // 400
  invalid_json,
  duplicate_key,
  missing_field,
  invalid_value,
  unsupported_parameter,
  context_length_exceeded,
  price_unknown,
  stateful_unsupported,
  no_eligible_target,  // nothing in the catalog could ever serve it
  // 401, 402, 403, 404
  invalid_api_key,
  budget_exceeded,
  model_not_allowed,
  policy_not_allowed,
  missing_tag,
  refused_by_policy,
  model_not_found,
  not_found,
  // framing and limits
  bad_request,             // 400, malformed HTTP
  method_not_allowed,      // 405
  request_timeout,         // 408
  length_required,         // 411
  request_too_large,       // 413
  uri_too_long,            // 414
  unsupported_media_type,  // 415
  expectation_failed,      // 417
  header_too_large,        // 431
  not_implemented,         // 501
  version_not_supported,   // 505
  // 409, 422, 429
  idempotency_in_flight,
  idempotency_conflict,
  rate_limit_exceeded,
  // 502, 503, 504
  upstream_error,
  upstream_protocol_error,
  upstream_auth,
  upstream_rejected,    // an upstream's own 400/413/422: its status and message pass
  upstream_overloaded,  // an upstream's 429/5xx after the whole plan: 503
  no_target_available,  // 503 with code no_eligible_target: breakers or limits
  budget_busy,
  overloaded,
  ledger_unavailable,
  deadline_exceeded,
  // not for HTTP clients
  cancelled,  // the client went away
  config,     // start-up and reload: the message holds all findings
};

enum class Origin : std::uint8_t { client, gateway, upstream };

// A class with constructors, not an aggregate: boost::system::result needs that (architecture.md
// 8).
class Error {
 public:
  Error() = default;
  Error(Fault fault, std::string message) : fault_(fault), message_(std::move(message)) {}
  Error(Fault fault, Origin origin, std::string message)
      : fault_(fault), origin_(origin), message_(std::move(message)) {}

  Fault fault() const { return fault_; }
  Origin origin() const { return origin_; }
  // What happened and what to do; safe to show to the client.
  const std::string& message() const { return message_; }
  // The request field at fault ("messages[2].content"), empty if none.
  const std::string& param() const { return param_; }
  // The same target may be tried again, or another one, for this request.
  bool retryable() const { return retryable_; }
  // The upstream may have accepted the request and may bill it.
  bool maybe_billed() const { return maybe_billed_; }
  std::optional<std::int64_t> retry_after_ms() const { return retry_after_ms_; }
  // Another provider key may fare better (contract.md 2: rotation on 401 and 429).
  bool rotates_key() const { return upstream_status_ == 401 || upstream_status_ == 429; }
  // The upstream's HTTP status, 0 if there was none.
  int upstream_status() const { return upstream_status_; }

  Error& with_param(std::string param) {
    param_ = std::move(param);
    return *this;
  }
  Error& with_retry(bool retryable) {
    retryable_ = retryable;
    return *this;
  }
  Error& with_maybe_billed(bool billed) {
    maybe_billed_ = billed;
    return *this;
  }
  Error& with_retry_after_ms(std::optional<std::int64_t> ms) {
    retry_after_ms_ = ms;
    return *this;
  }
  Error& with_upstream_status(int status) {
    upstream_status_ = status;
    return *this;
  }

 private:
  Fault fault_ = Fault::internal;
  Origin origin_ = Origin::gateway;
  std::string message_;
  std::string param_;
  bool retryable_ = false;
  bool maybe_billed_ = false;
  std::optional<std::int64_t> retry_after_ms_;
  int upstream_status_ = 0;
};

template <class T>
using Result = boost::system::result<T, Error>;

// The stable code as clients and metrics see it, e.g. "budget_exceeded".
std::string_view fault_code(Fault fault);

}  // namespace jevons
