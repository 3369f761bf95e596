// One client request while it is worked on: what the stages of handle_chat hand to each other.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/config.h"
#include "gateway/http/server.h"
#include "gateway/ledger/ledger.h"
#include "gateway/services.h"
#include "router/chat.h"
#include "router/decision.h"

namespace jevons {

class Attempt;

struct Exchange {
  Exchange(Worker& on, const HttpRequest& request_bytes, Responder& answer_to, Endpoint at);

  Worker& worker;
  Services& services;
  const HttpRequest& http;
  Responder& responder;
  Endpoint endpoint = Endpoint::chat;
  std::shared_ptr<const Config> config;  // pinned: a reload does not change a running request
  RequestId id;
  std::string id_text;
  std::int64_t started_unix_ns = 0;
  std::int64_t started_us = 0;   // steady
  std::int64_t deadline_ms = 0;  // steady

  // Filled stage by stage.
  std::shared_ptr<const KeyRecord> key;
  std::string policy_header;
  Caller caller;
  std::vector<Header> answer_headers;  // rate limits and what else must be on every answer
  ChatRequest request;
  Resolution resolution;
  Classification classification;
  Decision decision;
  std::optional<ExploreHold> exploring;  // held of the policy's daily budget for exploration
  std::string decision_record;           // of it, until the first attempt takes it to the ledger

  // The answer.
  bool committed = false;      // a byte of it went to the client
  bool stream_broken = false;  // after the commit: it must not end cleanly
  int status = 0;
  int attempts = 0;
  std::optional<std::size_t> served_by;  // target index
  Nanodollars cost;                      // of all attempts so far
  bool unpriced = false;
  bool may_be_billed = false;   // though no cost is known
  bool answer_is_kept = false;  // under its Idempotency-Key: a repeat gets it
  Nanodollars baseline;
  std::int64_t upstream_us = 0;  // time spent waiting for upstreams and the ledger's disk
  bool client_gone = false;
  bool stopping = false;            // the gateway waits for it no longer
  std::vector<Attempt*> running;    // who must hear of either; a race has two
  std::int64_t used_tokens = 0;     // of all attempts, for the rate limit
  std::int64_t session_tokens = 0;  // prompt and completion of the delivered answer
  // Why the delivered answer ended by itself; unset when it was cut or a budget ended it.
  FinishReason finish = FinishReason::unset;
  // What it said, where it was streamed and the router learns from it.
  std::optional<ChatResponse> streamed;
  // Completion tokens of it as the upstream counted them; 0: not known, or it was cut.
  std::int64_t answer_tokens = 0;

  const Target& target(std::size_t index) const { return config->catalog.targets[index]; }
  std::int64_t started_unix_s() const { return started_unix_ns / 1'000'000'000; }
  std::string_view policy_name() const;
};

Error stopping_error();
// Why a request that was interrupted ends without an answer.
Error interrupted_error(const Exchange& exchange);

// Sorts by time.
RequestId new_request_id(Clock& clock);

// What decides whether a request may go without a key.
AnonymousRequest anonymous_request(const HttpRequest& http);

// A web page of that origin may call (`cors: {origins: [...]}`).
bool allows_origin(const Config& config, std::string_view origin);

// Stage 1 alone: who asks, and what the key and the headers allow. Fills key and caller.
Result<void> identify(Exchange& exchange);

// Stages 1 to 6 of a request, shared by the model endpoints and the dry run: authenticate, parse,
// resolve, rate limits, classify, snapshot, decide. The decision may be infeasible.
Result<void> prepare(Exchange& exchange);

// x-jevons-* headers and tags of the client, checked. Errors: invalid_value, missing_tag.
Result<Caller> read_caller(const HttpRequest& http, const KeyRecord& key);

// Milliseconds the client waits at most, from x-stainless-*-timeout (seconds); `fallback` if it
// does not say.
std::int64_t client_patience_ms(const HttpRequest& http, std::int64_t fallback_ms);

// Headers of a successful answer (product.md 2); cost only where it is known already.
std::vector<Header> decision_headers(const Exchange& exchange, bool with_cost);

}  // namespace jevons
