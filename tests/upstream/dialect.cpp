#include "tests/upstream/dialect.h"

#include <algorithm>

#include "tests/upstream/text.h"

namespace upstream {
namespace {

bool is_integer(const std::string& text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Fields with_patch(Fields fields, const Behaviour& how) {
  for (const auto& [key, text] : how.usage_patch) {
    const auto same = [&name = key](const auto& field) { return field.first == name; };
    const auto found = std::find_if(fields.begin(), fields.end(), same);
    if (text.empty()) {
      if (found != fields.end()) fields.erase(found);
    } else if (found != fields.end()) {
      found->second = text;
    } else {
      fields.emplace_back(key, text);
    }
  }
  return fields;
}

struct Kind {
  std::string type;
  std::string code;
};

Kind openai_kind(int status) {
  switch (status) {
    case 401:
      return {"invalid_request_error", "invalid_api_key"};
    case 403:
      return {"permission_error", "permission_denied"};
    case 404:
      return {"invalid_request_error", "model_not_found"};
    case 429:
      return {"requests", "rate_limit_exceeded"};
    default:
      break;
  }
  return status >= 500 ? Kind{"server_error", ""} : Kind{"invalid_request_error", ""};
}

std::string anthropic_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

std::string gemini_status(int status) {
  switch (status) {
    case 400:
      return "INVALID_ARGUMENT";
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 503:
      return "UNAVAILABLE";
    case 504:
      return "DEADLINE_EXCEEDED";
    default:
      return "INTERNAL";
  }
}

}  // namespace

std::string object_text(const Fields& fields) {
  std::string out = "{";
  for (const auto& [key, text] : fields) {
    if (out.size() > 1) out += ',';
    append_quoted(out, key);
    out += ':' + text;
  }
  return out + "}";
}

std::vector<std::string> usage_texts(const Behaviour& how, const Fields& truth) {
  if (how.usage_mode == "absent") return {};
  const std::string honest = object_text(with_patch(truth, how));
  if (how.usage_mode == "twice") return {honest, honest};
  if (how.usage_mode == "zero") {
    Fields zero = truth;
    for (auto& field : zero)
      if (is_integer(field.second)) field.second = "0";
    return {object_text(with_patch(zero, how))};
  }
  if (how.usage_mode == "decreasing") {
    Fields high = truth;
    for (auto& field : high)
      if (is_integer(field.second)) field.second += "0";
    return {object_text(high), honest};
  }
  return {honest};
}

std::string error_body(Dialect dialect, int status, const Behaviour& how,
                       const std::string& message) {
  if (dialect == Dialect::anthropic) {
    const std::string type = how.error_type.empty() ? anthropic_type(status) : how.error_type;
    return "{\"type\":\"error\",\"error\":{\"type\":" + quoted(type) +
           ",\"message\":" + quoted(message) + "},\"request_id\":\"req_scripted\"}";
  }
  if (dialect == Dialect::gemini) {
    const std::string name = how.error_code.empty() ? gemini_status(status) : how.error_code;
    return "{\"error\":{\"code\":" + std::to_string(status) + ",\"message\":" + quoted(message) +
           ",\"status\":" + quoted(name) + ",\"details\":[]}}";
  }
  const Kind kind = openai_kind(status);
  const std::string type = how.error_type.empty() ? kind.type : how.error_type;
  const std::string code = how.error_code.empty() ? kind.code : how.error_code;
  return "{\"error\":{\"message\":" + quoted(message) + ",\"type\":" + quoted(type) +
         ",\"param\":null,\"code\":" + (code.empty() ? "null" : quoted(code)) + "}}";
}

}  // namespace upstream
