// One upstream call: what curl's callbacks fill and the exchange's coroutine empties. Never shared
// between threads.
#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "providers/curl_handle.h"
#include "providers/provider_config.h"
#include "providers/transport.h"
#include "providers/wakeup.h"
#include "router/error.h"

namespace jevons {

struct CurlCall : std::enable_shared_from_this<CurlCall> {
  using Clock = std::chrono::steady_clock;

  CurlCall(const ProviderConfig& provider, HttpCall call);

  // Set before the start.
  std::string provider_name;
  HttpCall request;
  bool allow_private = false;  // also where a proxy or a loopback URL decides the address
  bool loopback_only = false;
  std::unique_ptr<CurlHandle> handle;  // null once the call is over

  // Filled by curl's callbacks.
  int status = 0;
  std::vector<Header> headers;
  std::string buffered;
  std::int64_t header_bytes = 0;
  int sends = 0;  // how often curl was about to send the request
  bool head_done = false;
  bool paused = false;
  bool address_refused = false;
  bool discarding = false;  // the rest of the body is read and dropped
  bool active = false;      // a byte arrived since the last look

  // The end: either finished without an error, or a failure.
  bool finished = false;
  std::optional<Error> failure;

  Clock::time_point started{};
  Clock::time_point last_byte{};
  bool queued_for_wake = false;
  Wakeup wakeup;

  bool over() const { return finished || failure.has_value(); }

  // curl's callbacks; each returns what curl wants to hear.
  std::size_t on_header(std::string_view line);
  std::size_t on_body(std::string_view bytes);
  int on_about_to_send();
  bool may_connect(const sockaddr& address);

  // The result of the transfer.
  void conclude(CURLcode result);
  // The deadline that has passed, if any, as a failure.
  std::optional<Error> late(Clock::time_point now);

  Error error(Fault fault, const std::string& what) const;

 private:
  void finish_head();
  void read_status_line(std::string_view line);
  void read_field(std::string_view line);
};

}  // namespace jevons
