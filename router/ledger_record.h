// What the ledger stores: an intent before the first upstream byte, a settlement after the attempt
// (contract.md 9, product.md 5).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router/chat.h"
#include "router/money.h"
#include "router/usage.h"

namespace jevons {

// 128-bit id, time-ordered: 48 bits of unix milliseconds, then a per-process random prefix and a
// counter.
struct RequestId {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const RequestId&) const = default;
};
std::string request_id_text(RequestId id);  // "r-" + 32 hex digits
std::optional<RequestId> request_id_of(std::string_view text);

enum class Outcome : std::uint8_t {
  ok,
  client_error,
  upstream_error,
  gateway_error,
  timeout,
  cancelled,
  cut,
  budget,
  refused,
  superseded
};
std::string_view outcome_name(Outcome outcome);

enum class EndedBy : std::uint8_t { upstream, client, gateway, budget };
std::string_view ended_by_name(EndedBy ended_by);

enum class AttemptState : std::uint8_t { open, settled, voided, orphaned };
std::string_view attempt_state_name(AttemptState state);

// The request-level columns, the same on every attempt row of a request.
struct RequestRecord {
  RequestId id;
  std::int64_t time_unix_ns = 0;
  std::string key;   // key name
  std::string team;  // value of the tag team
  std::map<std::string, std::string> tags;
  std::string session;
  Endpoint endpoint = Endpoint::chat;
  std::string requested_model;
  std::string policy, rule, reason;
  std::string task;
  double difficulty = 0, uncertainty = 0;
  std::string baseline_target;
  double propensity = 1;
  std::string decision;  // what was decided on, bytes of router/decision_record.h; may be empty
  std::string target_layout;  // which targets its entries are about
  std::string weights_id;
};

struct AttemptIntent {
  RequestRecord request;
  int attempt = 1;  // 1-based within the request
  std::string on;   // start, retry, escalate, fallback, hedge
  std::int64_t time_unix_ns = 0;
  std::string target, provider, model;
  std::string price_id;   // id@from of the row valid now; empty: unpriced or local
  Nanodollars reserved;   // upper bound of the cost; an orphan is estimated at most at this
  Nanodollars estimated;  // expected cost, what an orphan is settled at
  Usage estimated_usage;  // expected tokens
  bool priced = true;     // false: cost is null
};

struct AttemptSettlement {
  RequestId request;
  int attempt = 1;
  AttemptState state = AttemptState::settled;  // settled or voided
  Usage usage;
  std::string price_id;             // the row priced by, of the same table version
  std::string mode;                 // the tier actually served, empty: standard
  std::optional<Nanodollars> cost;  // empty: unpriced
  Nanodollars baseline;             // 0 for an undelivered attempt
  bool delivered = false;           // its answer went to the client
  EndedBy ended_by = EndedBy::upstream;
  Outcome outcome = Outcome::ok;
  int status = 0;             // upstream's HTTP status, 0 none
  std::string error_code;     // stable code, empty: none
  std::int64_t ttft_ms = -1;  // -1: no token
  std::int64_t duration_ms = 0;
  std::string upstream_id;
};

}  // namespace jevons
