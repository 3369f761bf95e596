#include "gateway/cli/ledger_client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <rapidjson/document.h>

#include <memory>

namespace jevons {
namespace {

constexpr long connect_timeout_ms = 3'000;
constexpr long answer_timeout_s = 600;  // a backup or an export of a large ledger takes a while

struct Curl {
  CURL* handle = curl_easy_init();
  curl_slist* headers = nullptr;
  Curl() = default;
  Curl(const Curl&) = delete;
  Curl& operator=(const Curl&) = delete;
  ~Curl() {
    curl_slist_free_all(headers);
    curl_easy_cleanup(handle);
  }
};

std::size_t append(char* bytes, std::size_t size, std::size_t count, void* body) {
  static_cast<std::string*>(body)->append(bytes, size * count);
  return size * count;
}

// The message of {"error":{"message":...}}, or the whole body.
Error error_of(const std::string& body, long status) {
  const Fault fault = status == 404                    ? Fault::not_found
                      : status == 400                  ? Fault::invalid_value
                      : status == 401 || status == 403 ? Fault::invalid_api_key
                                                       : Fault::internal;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  if (!document.HasParseError() && document.IsObject()) {
    const auto error = document.FindMember("error");
    if (error != document.MemberEnd() && error->value.IsObject()) {
      const auto message = error->value.FindMember("message");
      if (message != error->value.MemberEnd() && message->value.IsString())
        return Error(fault,
                     std::string(message->value.GetString(), message->value.GetStringLength()));
    }
  }
  return Error(fault, fmt::format("the gateway answered with status {}", status));
}

Result<std::string> ask_file(const Config& config, const LedgerCall& call) {
  auto pepper = load_or_make_pepper(config.ledger_path);
  if (!pepper) return pepper.error();
  LedgerOptions options;
  options.path = config.ledger_path;
  options.now_unix_ns = system_clock().unix_ns();
  auto ledger = open_sqlite_ledger(options);
  if (!ledger) return ledger.error();
  const LedgerApi api{.ledger = **ledger,
                      .clock = system_clock(),
                      .pepper = std::move(*pepper),
                      .configured_keys = config.keys,
                      .who = "cli",
                      .keys_changed = {}};
  auto answer = answer_ledger_call(api, call);
  if (!answer) return Error(Fault::internal, "no such call: " + call.path);
  if (answer->status != 200) return error_of(answer->body, answer->status);
  return std::move(answer->body);
}

}  // namespace

Result<std::string> ask_gateway(const Config& config, const RunningGateway& gateway,
                                const LedgerCall& call) {
  Curl curl;
  std::string body;
  const std::string url =
      gateway.admin_url + call.path + (call.query.empty() ? "" : "?" + call.query);
  const auto set = [&](CURLoption option, auto value) {
    curl_easy_setopt(curl.handle, option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
  set(CURLOPT_TIMEOUT, answer_timeout_s);
  set(CURLOPT_WRITEFUNCTION, append);
  set(CURLOPT_WRITEDATA, &body);
  if (!config.tls.empty()) {
    // The gateway's own certificate is the anchor; its name may be a public one.
    set(CURLOPT_CAINFO, config.tls.certificate.c_str());
    set(CURLOPT_SSL_VERIFYHOST, 0L);
  }
  curl.headers = curl_slist_append(curl.headers, "Content-Type: application/json");
  curl.headers = curl_slist_append(curl.headers, "Expect:");
  if (!config.admin_token.empty()) {
    curl.headers = curl_slist_append(
        curl.headers, ("Authorization: Bearer " + config.admin_token.reveal()).c_str());
  }
  set(CURLOPT_HTTPHEADER, curl.headers);
  if (call.method == "POST") {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE, static_cast<long>(call.body.size()));
    set(CURLOPT_POSTFIELDS, call.body.c_str());
  }
  const CURLcode code = curl_easy_perform(curl.handle);
  if (code != CURLE_OK) {
    return Error(Fault::internal,
                 fmt::format("process {} owns the ledger but its admin listener {} does not answer "
                             "({})",
                             gateway.pid, gateway.admin_url, curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(curl.handle, CURLINFO_RESPONSE_CODE, &status);
  if (status != 200) return error_of(body, status);
  return body;
}

Result<std::string> ask_ledger(const Config& config, const LedgerCall& call) {
  if (const auto gateway = running_gateway(config.ledger_path))
    return ask_gateway(config, *gateway, call);
  return ask_file(config, call);
}

Exit report_failure(const CliIo& io, const Error& error) {
  io.err << error.message() << '\n';
  switch (error.fault()) {
    case Fault::invalid_value:
      return Exit::usage;
    case Fault::config:
      return Exit::config;
    default:
      return Exit::failure;
  }
}

}  // namespace jevons
