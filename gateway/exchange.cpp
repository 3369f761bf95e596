#include "gateway/exchange.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "gateway/dialects/dialect.h"
#include "gateway/snapshot.h"
#include "router/decision_record.h"
#include "router/estimate.h"

namespace jevons {
namespace {

constexpr std::size_t session_bytes_max = 128;

Error bad_header(std::string_view name, std::string_view expected) {
  Error error(Fault::invalid_value, Origin::client,
              std::string(name) + " must be " + std::string(expected));
  error.with_param(std::string(name));
  return error;
}

std::optional<double> number_0_to_1(std::string_view text) {
  double value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 1))
    return std::nullopt;
  return value;
}

std::vector<std::string_view> credentials(const HttpRequest& http) {
  return {http.header("authorization"), http.header("x-api-key"), http.header("api-key"),
          http.header("x-goog-api-key")};
}

// Who asks: a virtual key, or nobody in particular on a loopback machine without keys.
Result<std::shared_ptr<const KeyRecord>> authenticate(const Exchange& x) {
  if (!x.services.keys.never_configured()) {
    auto found = x.services.keys.authenticate(credentials(x.http), x.started_unix_s());
    if (found.has_value()) return *found;
    const auto wait_ms =
        x.services.guesses.failed(x.http.peer_address, x.services.clock.steady_ms());
    if (!wait_ms) return found.error();
    Error slow(Fault::rate_limit_exceeded, Origin::client,
               "too many wrong keys from this address; wait and use a valid key");
    slow.with_retry_after_ms(*wait_ms);
    return slow;
  }
  const Result<void> allowed = anonymous_allowed(anonymous_request(x.http), x.config->cors_origins);
  if (allowed.has_error()) return allowed.error();
  return anonymous_key();
}

std::vector<std::string> allowed_policies(const Exchange& x) {
  if (!x.key->policies.empty()) return x.key->policies;
  return {x.config->default_policy};
}

Result<void> take_rate_limit(Exchange& x) {
  RateState state;
  const std::int64_t tokens =
      x.classification.prompt_tokens + x.classification.completion_tokens_p50;
  Result<void> taken =
      x.services.rate_limits.take(*x.key, tokens, x.services.clock.steady_ms(), state);
  for (auto& [name, value] : state.headers())
    x.answer_headers.push_back(Header{name, std::move(value)});
  return taken;
}

std::optional<std::int64_t> seconds_header_ms(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  if (!(value > 0) || value > 86'400) return {};
  return static_cast<std::int64_t>(value * 1'000);
}

// The expected price of trying this target instead of the choice without exploration. False if the
// policy's daily budget has less left.
bool hold_exploration(Exchange& x) {
  const Policy& policy = *x.decision.policy;
  if (!policy.explore_budget_per_day) return true;
  ExploreHold hold{.policy = policy.name,
                   .unix_s = x.started_unix_s(),
                   .held = Nanodollars{0},
                   .greedy = greedy_cost(x.decision)};
  const auto expected = x.decision.candidates[*x.decision.target].facts.cost;
  if (expected) hold.held = std::max(hold.held, *expected - hold.greedy);
  if (!x.services.exploration.hold(hold, *policy.explore_budget_per_day)) return false;
  x.exploring = std::move(hold);
  return true;
}

}  // namespace

Exchange::Exchange(Worker& on, const HttpRequest& request_bytes, Responder& answer_to, Endpoint at)
    : worker(on),
      services(on.services),
      http(request_bytes),
      responder(answer_to),
      endpoint(at),
      config(on.services.config.load()) {
  id = new_request_id(services.clock);
  id_text = request_id_text(id);
  started_unix_ns = services.budgets.stamp(services.clock.unix_ns());
  started_us = services.clock.steady_us();
  answer_headers.push_back(Header{"x-request-id", id_text});
  answer_headers.push_back(Header{"request-id", id_text});
  const std::string_view own = http.header("x-request-id");
  if (!own.empty() && own.size() <= 128)
    answer_headers.push_back(Header{"x-client-request-id", std::string(own)});
  const std::string_view origin = http.header("origin");
  if (!origin.empty() && allows_origin(*config, origin)) {
    answer_headers.push_back(Header{"access-control-allow-origin", std::string(origin)});
    answer_headers.push_back(Header{"access-control-expose-headers", "*"});
    answer_headers.push_back(Header{"vary", "origin"});
  }
}

Error stopping_error() { return Error(Fault::overloaded, "the gateway is shutting down"); }

Error interrupted_error(const Exchange& x) {
  if (x.stopping) return stopping_error();
  return Error(Fault::cancelled, Origin::client, "the client went away");
}

RequestId new_request_id(Clock& clock) {
  // 48 bits of milliseconds first, so that ids sort by time; the rest is random.
  const auto ms = static_cast<std::uint64_t>(clock.unix_ns() / 1'000'000);
  return RequestId{(ms << 16) | (clock.random() & 0xffff), clock.random()};
}

AnonymousRequest anonymous_request(const HttpRequest& http) {
  AnonymousRequest request;
  request.peer_is_loopback = http.peer_is_loopback;
  request.host = http.header("host");
  request.origin = http.header("origin");
  request.content_type = http.header("content-type");
  request.has_body = !http.body.empty();
  for (const Header& header : http.headers)
    request.has_forwarded = request.has_forwarded || header.name == "forwarded" ||
                            header.name == "x-real-ip" || header.name.starts_with("x-forwarded-");
  return request;
}

bool allows_origin(const Config& config, std::string_view origin) {
  return std::find(config.cors_origins.begin(), config.cors_origins.end(), origin) !=
         config.cors_origins.end();
}

std::string_view Exchange::policy_name() const {
  return decision.policy ? std::string_view(decision.policy->name) : std::string_view();
}

Result<Caller> read_caller(const HttpRequest& http, const KeyRecord& key) {
  Caller caller;
  caller.key_name = key.name;
  caller.allowed_models = key.models;
  caller.min_quality = key.min_quality;
  if (const auto text = http.header("x-jevons-quality"); !text.empty()) {
    caller.quality = number_0_to_1(text);
    if (!caller.quality) return bad_header("x-jevons-quality", "a number from 0 to 1");
  }
  if (const auto text = http.header("x-jevons-max-cost-usd"); !text.empty()) {
    caller.max_cost = parse_dollars(text);
    if (!caller.max_cost)
      return bad_header("x-jevons-max-cost-usd", "a decimal number of dollars like 0.05");
  }
  caller.session = std::string(http.header("x-jevons-session"));
  if (caller.session.size() > session_bytes_max)
    return bad_header("x-jevons-session", "at most 128 characters");
  Result<Tags> tags = parse_tags(http.header("x-jevons-tags"));
  if (tags.has_error()) return tags.error();
  Result<Tags> merged = merge_tags(key, std::move(*tags));
  if (merged.has_error()) return merged.error();
  caller.tags = std::move(*merged);
  return caller;
}

std::int64_t client_patience_ms(const HttpRequest& http, std::int64_t fallback_ms) {
  std::int64_t patience = fallback_ms;
  for (const std::string_view name : {"x-stainless-read-timeout", "x-stainless-timeout"})
    if (const auto ms = seconds_header_ms(http.header(name))) patience = std::min(patience, *ms);
  return patience;
}

Result<void> identify(Exchange& x) {
  if (!x.key) {
    auto key = authenticate(x);
    if (key.has_error()) return key.error();
    x.key = std::move(*key);
  }
  Result<Caller> caller = read_caller(x.http, *x.key);
  if (caller.has_error()) return caller.error();
  x.caller = std::move(*caller);
  return Result<void>();
}

// The budget with all its reservations decides what is affordable now. Where that leaves nothing, a
// target is chosen as if none were held: the attempt then waits for them (contract.md 10).
void decide_now(Exchange& x) {
  Snapshot snapshot = take_snapshot(x);
  const DecideInput input{.catalog = x.config->catalog,
                          .policy = x.resolution.policy,
                          .pinned = x.resolution.pinned,
                          .request = x.request,
                          .classification = x.classification,
                          .caller = x.caller,
                          .snapshot = snapshot};
  x.decision = decide(input);
  if (!x.decision.target && snapshot.budget_left != snapshot.budget_unspent) {
    snapshot.budget_left = snapshot.budget_unspent;
    x.decision = decide(input);
  }
  if (!x.decision.target) return;
  if (x.endpoint == Endpoint::route) {
    // A dry run shows how long an answer of the chosen target is expected to be.
    x.classification = answered_by(input, x.target(*x.decision.target));
    return;
  }
  if (x.decision.reason == Reason::explore && !hold_exploration(x)) {
    // Another request took what was left: only what costs nothing more may still be tried.
    snapshot.explore_left = Nanodollars{0};
    x.decision = decide(input);
    if (x.decision.reason == Reason::explore) hold_exploration(x);
  }
  x.decision_record = encode_decision(input, x.decision);
}

Result<void> prepare(Exchange& x) {
  Result<void> known = identify(x);
  if (known.has_error()) return known.error();
  Result<ChatRequest> request = dialect_of(x.endpoint)->read(x.http.body);
  if (request.has_error()) return request.error();
  x.request = std::move(*request);
  x.policy_header = std::string(x.http.header("x-jevons-policy"));
  Result<Resolution> resolution =
      resolve_model(x.config->catalog, x.config->policies, allowed_policies(x), x.policy_header,
                    x.request.requested_model, x.request.endpoint);
  if (resolution.has_error()) return resolution.error();
  x.resolution = *resolution;
  x.classification = classify(x.request);
  if (x.endpoint != Endpoint::route) {
    Result<void> within = take_rate_limit(x);
    if (within.has_error()) return within.error();
  }
  const std::int64_t total_ms =
      x.request.stream ? x.config->total_timeout_ms : x.config->whole_timeout_ms;
  x.deadline_ms = x.services.clock.steady_ms() + client_patience_ms(x.http, total_ms);
  decide_now(x);
  return Result<void>();
}

std::vector<Header> decision_headers(const Exchange& x, bool with_cost) {
  std::vector<Header> headers = x.answer_headers;
  const auto add = [&](std::string_view name, std::string value) {
    headers.push_back(Header{std::string(name), std::move(value)});
  };
  const Target& target = x.target(x.served_by.value_or(*x.decision.target));
  add("x-jevons-target", target.name);
  add("x-jevons-provider", target.provider);
  add("x-jevons-model", target.reported_model());
  add("x-jevons-policy", std::string(x.policy_name()));
  add("x-jevons-reason", std::string(reason_name(x.decision.reason)));
  char difficulty[16];
  std::snprintf(difficulty, sizeof difficulty, "%.2f", x.classification.difficulty);
  add("x-jevons-difficulty", difficulty);
  add("x-jevons-attempts", std::to_string(std::max(x.attempts, 1)));
  for (const Candidate& candidate : x.decision.candidates)
    if (&x.target(candidate.target) == &target && candidate.expected_cost)
      add("x-jevons-estimated-cost-usd", dollars_text(*candidate.expected_cost));
  if (x.decision.baseline_cost && !with_cost)
    add("x-jevons-baseline-cost-usd", dollars_text(*x.decision.baseline_cost));
  if (!x.decision.relaxed.empty()) {
    std::string relaxed;
    for (const Relax relax : x.decision.relaxed)
      relaxed.append(relaxed.empty() ? "" : ", ").append(relax_name(relax));
    add("x-jevons-relaxed", relaxed);
  }
  if (with_cost && !x.unpriced) {
    add("x-jevons-cost-usd", dollars_text(x.cost));
    add("x-jevons-baseline-cost-usd", dollars_text(x.baseline));
  }
  return headers;
}

}  // namespace jevons
