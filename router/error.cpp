#include "router/error.h"

namespace jevons {

std::string_view fault_code(Fault fault) {
  switch (fault) {
    case Fault::internal: return "internal_error";
    case Fault::invalid_json: return "invalid_json";
    case Fault::duplicate_key: return "duplicate_key";
    case Fault::missing_field: return "missing_field";
    case Fault::invalid_value: return "invalid_value";
    case Fault::unsupported_parameter: return "unsupported_parameter";
    case Fault::context_length_exceeded: return "context_length_exceeded";
    case Fault::price_unknown: return "price_unknown";
    case Fault::stateful_unsupported: return "stateful_unsupported";
    case Fault::no_eligible_target: return "no_eligible_target";
    case Fault::invalid_api_key: return "invalid_api_key";
    case Fault::budget_exceeded: return "budget_exceeded";
    case Fault::model_not_allowed: return "model_not_allowed";
    case Fault::policy_not_allowed: return "policy_not_allowed";
    case Fault::missing_tag: return "missing_tag";
    case Fault::refused_by_policy: return "refused_by_policy";
    case Fault::model_not_found: return "model_not_found";
    case Fault::not_found: return "not_found";
    case Fault::bad_request: return "bad_request";
    case Fault::method_not_allowed: return "method_not_allowed";
    case Fault::request_timeout: return "request_timeout";
    case Fault::length_required: return "length_required";
    case Fault::request_too_large: return "request_too_large";
    case Fault::uri_too_long: return "uri_too_long";
    case Fault::unsupported_media_type: return "unsupported_media_type";
    case Fault::expectation_failed: return "expectation_failed";
    case Fault::header_too_large: return "header_too_large";
    case Fault::not_implemented: return "not_implemented";
    case Fault::version_not_supported: return "version_not_supported";
    case Fault::idempotency_in_flight: return "idempotency_in_flight";
    case Fault::idempotency_conflict: return "idempotency_conflict";
    case Fault::rate_limit_exceeded: return "rate_limit_exceeded";
    case Fault::upstream_error: return "upstream_error";
    case Fault::upstream_protocol_error: return "upstream_protocol_error";
    case Fault::upstream_auth: return "upstream_auth";
    case Fault::upstream_rejected: return "upstream_rejected";
    case Fault::upstream_overloaded: return "upstream_error";
    case Fault::no_target_available: return "no_eligible_target";
    case Fault::budget_busy: return "budget_busy";
    case Fault::overloaded: return "overloaded";
    case Fault::ledger_unavailable: return "ledger_unavailable";
    case Fault::deadline_exceeded: return "deadline_exceeded";
    case Fault::cancelled: return "cancelled";
    case Fault::config: return "config_invalid";
  }
  return "internal_error";
}

}  // namespace jevons
