// The request path end to end without a socket: what the client gets, and what the ledger holds.
#include <doctest/doctest.h>

#include "tests/fakes/fake_gateway.h"

using namespace jevons;
using namespace jevons::testing;

namespace {

TokenCount measured(std::int64_t count) { return {.count = count, .source = Provenance::measured}; }

Usage usage_of(std::int64_t input, std::int64_t output) {
  Usage usage;
  usage[TokenClass::input] = measured(input);
  usage[TokenClass::output] = measured(output);
  return usage;
}

Scripted answer(std::string text, std::optional<Usage> usage = usage_of(10, 5)) {
  ChatResponse response;
  Choice choice;
  choice.content = std::move(text);
  choice.has_content = true;
  choice.finish = FinishReason::stop;
  response.choices.push_back(choice);
  response.usage = usage;
  return Scripted{.whole = response};
}

StreamEvent event(StreamEvent::Kind kind, std::string text = {}) {
  StreamEvent made;
  made.kind = kind;
  made.text = std::move(text);
  return made;
}

StreamEvent finish_event() {
  StreamEvent made = event(StreamEvent::Kind::finish);
  made.finish = FinishReason::stop;
  return made;
}

StreamEvent usage_event(Usage usage) {
  StreamEvent made = event(StreamEvent::Kind::usage);
  made.usage = std::make_shared<const Usage>(usage);
  return made;
}

// Two tokens in two writes, and what must not be read after an interrupt.
Scripted interrupted_stream() {
  return Scripted{.batches = {{event(StreamEvent::Kind::text, "1234")},
                              {event(StreamEvent::Kind::text, "5678")},
                              {event(StreamEvent::Kind::text, "never read")}}};
}

Scripted failure(Fault fault, bool retryable, bool maybe_billed) {
  Error error(fault, Origin::upstream, "it failed");
  error.with_retry(retryable).with_maybe_billed(maybe_billed).with_upstream_status(503);
  return Scripted{.error = error};
}

const char* const chat = R"({"model":"auto","messages":[{"role":"user","content":"hi"}]})";
const char* const streamed =
    R"({"model":"auto","stream":true,"messages":[{"role":"user","content":"hi"}]})";

}  // namespace

TEST_CASE("a request is answered by the cheapest target and settled to the nanodollar") {
  FakeGateway gateway;
  gateway.scripts["cheap"].push_back(answer("hello"));
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 200);
  CHECK(client.header("x-jevons-target") == "cheap");
  CHECK(client.header("x-jevons-cost-usd") == "0.000060000");
  CHECK(client.header("x-jevons-baseline-cost-usd") == "0.000600000");
  CHECK(client.header("x-request-id") == request_id_text(gateway.ledger.intents[0].request.id));
  REQUIRE(gateway.ledger.settlements.size() == 1);
  const AttemptSettlement& row = gateway.ledger.settlements[0];
  CHECK(row.state == AttemptState::settled);
  CHECK(row.cost->value == 60'000);
  CHECK(row.baseline.value == 600'000);
  CHECK(row.delivered);
  CHECK(row.outcome == Outcome::ok);
  CHECK(gateway.budgets.open_reservations() == 0);
}

TEST_CASE("a failing target falls back, and both attempts have a row") {
  FakeGateway gateway;
  for (int i = 0; i < 3; ++i)
    gateway.scripts["cheap"].push_back(failure(Fault::upstream_overloaded, true, false));
  gateway.scripts["dear"].push_back(answer("hello"));
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 200);
  CHECK(client.header("x-jevons-target") == "dear");
  REQUIRE(gateway.ledger.settlements.size() == gateway.ledger.intents.size());
  CHECK(gateway.ledger.settlements.front().state == AttemptState::voided);
  CHECK(gateway.ledger.settlements.front().cost->value == 0);
  CHECK(gateway.ledger.settlements.back().cost->value == 600'000);
}

TEST_CASE("x-jevons-attempts counts the rows, not what a breaker held back") {
  FakeGateway gateway;
  gateway.config->policies[0].fallback_attempts = 8;
  for (int i = 0; i < 8; ++i) {
    gateway.scripts["cheap"].push_back(failure(Fault::upstream_overloaded, true, false));
    gateway.scripts["dear"].push_back(failure(Fault::upstream_overloaded, true, false));
  }
  for (int i = 0; i < 3; ++i) {
    const std::size_t before = gateway.ledger.intents.size();
    const FakeResponder& client = gateway.post(chat);
    CHECK(client.status == 503);
    const std::size_t rows = gateway.ledger.intents.size() - before;
    CHECK(client.header("x-jevons-attempts") == (rows > 0 ? std::to_string(rows) : ""));
  }
}

TEST_CASE("while every target rests after failures, a 503 says when the first may be tried") {
  FakeGateway gateway;
  gateway.config->policies[0].fallback_attempts = 8;
  for (int i = 0; i < 16; ++i)
    for (const char* target : {"cheap", "dear"})
      gateway.scripts[target].push_back(failure(Fault::upstream_overloaded, true, false));
  while (gateway.scripts["cheap"].size() > 11 || gateway.scripts["dear"].size() > 11)
    gateway.post(chat);
  const std::size_t rows = gateway.ledger.intents.size();
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 503);
  CHECK(gateway.ledger.intents.size() == rows);
  CHECK(client.body.find("\"no_eligible_target\"") != std::string::npos);
  CHECK(client.header("retry-after") == "5");
}

TEST_CASE("no upstream byte leaves while the ledger cannot be written") {
  FakeGateway gateway;
  gateway.ledger.writable = false;
  gateway.scripts["cheap"].push_back(answer("hello"));
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 503);
  CHECK(client.body.find("\"ledger_unavailable\"") != std::string::npos);
  CHECK(gateway.scripts["cheap"].size() == 1);
}

TEST_CASE("a stream ends with [DONE] and its cost rides on the finish chunk") {
  FakeGateway gateway;
  gateway.scripts["cheap"].push_back(
      Scripted{.batches = {{event(StreamEvent::Kind::text, "hel")},
                           {event(StreamEvent::Kind::text, "lo"), finish_event()},
                           {usage_event(usage_of(10, 5))}}});
  const FakeResponder& client = gateway.post(streamed);
  CHECK(client.status == 200);
  CHECK(client.clean == true);
  CHECK(client.body.ends_with("data: [DONE]\n\n"));
  CHECK(client.body.find(R"("x_jevons":{"cost_usd":0.00006,)") != std::string::npos);
  REQUIRE(gateway.ledger.settlements.size() == 1);
  CHECK(gateway.ledger.settlements[0].cost->value == 60'000);
}

TEST_CASE("a stream that is cut after its first token ends with an error, never with [DONE]") {
  FakeGateway gateway;
  Error cut(Fault::upstream_error, Origin::upstream, "the upstream closed in the middle");
  cut.with_retry(true).with_maybe_billed(true);
  gateway.scripts["cheap"].push_back(
      Scripted{.batches = {{event(StreamEvent::Kind::text, "12345678")}}, .cut = cut});
  const FakeResponder& client = gateway.post(streamed);
  CHECK(client.clean == false);
  CHECK(client.body.find("[DONE]") == std::string::npos);
  CHECK(client.body.find("\"error\":{") != std::string::npos);
  REQUIRE(gateway.ledger.settlements.size() == 1);
  const AttemptSettlement& row = gateway.ledger.settlements[0];
  CHECK(row.outcome == Outcome::cut);
  CHECK(row.usage[TokenClass::output].count == 2);
  CHECK(row.usage[TokenClass::output].source == Provenance::estimated);
  CHECK(row.cost->value > 0);
}

TEST_CASE("a stream that is cut before its first token falls back unseen") {
  FakeGateway gateway;
  Error cut(Fault::upstream_overloaded, Origin::upstream, "overloaded");
  cut.with_retry(true);
  for (int i = 0; i < 3; ++i) gateway.scripts["cheap"].push_back(Scripted{.cut = cut});
  gateway.scripts["dear"].push_back(
      Scripted{.batches = {{event(StreamEvent::Kind::text, "ok"), finish_event()},
                           {usage_event(usage_of(10, 5))}}});
  const FakeResponder& client = gateway.post(streamed);
  CHECK(client.status == 200);
  CHECK(client.header("x-jevons-target") == "dear");
  CHECK(client.body.ends_with("data: [DONE]\n\n"));
}

TEST_CASE("a client that goes away is billed for what arrived, and the upstream is cancelled") {
  FakeGateway gateway;
  gateway.client.interrupted_after_writes = 1;
  gateway.scripts["cheap"].push_back(interrupted_stream());
  gateway.post(streamed);
  REQUIRE(gateway.ledger.settlements.size() == 1);
  const AttemptSettlement& row = gateway.ledger.settlements[0];
  CHECK(row.outcome == Outcome::cancelled);
  CHECK(row.ended_by == EndedBy::client);
  CHECK(row.usage[TokenClass::output].count == 2);
}

TEST_CASE("a gateway that stops ends a stream with an error, billed for what arrived") {
  FakeGateway gateway;
  gateway.config->providers[0].on_disconnect = OnDisconnect::drain;
  gateway.client.interrupted_after_writes = 1;
  gateway.client.why = Interrupt::stopping;
  gateway.scripts["cheap"].push_back(interrupted_stream());
  const FakeResponder& client = gateway.post(streamed);
  CHECK(client.clean == false);
  CHECK(client.body.find("the gateway is shutting down") != std::string::npos);
  CHECK(client.body.find("[DONE]") == std::string::npos);
  REQUIRE(gateway.ledger.settlements.size() == 1);
  const AttemptSettlement& row = gateway.ledger.settlements[0];
  CHECK(row.outcome == Outcome::cut);
  CHECK(row.ended_by == EndedBy::gateway);
  CHECK(row.usage[TokenClass::output].count == 2);
}

TEST_CASE("a gateway that stops answers 503 where no answer has begun, and asks nobody else") {
  FakeGateway gateway;
  Policy& policy = gateway.config->policies[0];
  SUBCASE("one attempt") {}
  SUBCASE("a race of two") {
    policy.hedge_after_ms = 0;
    policy.hedge_at_most = 1.0;
  }
  const auto stop = [&gateway] {
    if (gateway.client.interrupt) std::exchange(gateway.client.interrupt, {})(Interrupt::stopping);
  };
  gateway.scripts["cheap"].push_back(Scripted{.never_answers = true, .meanwhile = stop});
  gateway.scripts["dear"].push_back(Scripted{.never_answers = true, .meanwhile = stop});
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 503);
  CHECK(client.body.find("the gateway is shutting down") != std::string::npos);
  CHECK(client.header("x-should-retry") == "false");  // what was sent may be billed
  for (const AttemptSettlement& row : gateway.ledger.settlements) {
    CHECK(row.outcome == Outcome::gateway_error);
    CHECK(row.ended_by == EndedBy::gateway);
    CHECK(row.state == AttemptState::settled);
  }
  CHECK(gateway.ledger.settlements.size() == gateway.ledger.intents.size());
  CHECK(gateway.budgets.open_reservations() == 0);
}

TEST_CASE("with a drain policy the true usage is billed after the client went away") {
  FakeGateway gateway;
  gateway.config->providers[0].on_disconnect = OnDisconnect::drain;
  gateway.client.interrupted_after_writes = 1;
  gateway.scripts["cheap"].push_back(
      Scripted{.batches = {{event(StreamEvent::Kind::text, "1234")},
                           {event(StreamEvent::Kind::text, "5678")},
                           {event(StreamEvent::Kind::text, "more"), finish_event()},
                           {usage_event(usage_of(10, 50))}}});
  gateway.post(streamed);
  REQUIRE(gateway.ledger.settlements.size() == 1);
  CHECK(gateway.ledger.settlements[0].usage[TokenClass::output] == measured(50));
}

TEST_CASE("a hard budget is reserved before the call and lowers the output cap first") {
  FakeGateway gateway;
  Budget budget;
  budget.name = "tiny";
  budget.limit = Nanodollars{5'000'000};  // 0.5 cents: 500 output tokens at most
  budget.window = Window::month;
  REQUIRE(gateway.budgets.configure({budget}, {}, 1'800'000'000).has_value());
  gateway.scripts["cheap"].push_back(answer("hello"));
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 200);
  CHECK(gateway.ledger.intents[0].reserved.value <= 5'000'000);
  CHECK(gateway.ledger.intents[0].reserved.value > 4'900'000);
  CHECK(gateway.budgets.open_reservations() == 0);
}

TEST_CASE("a spent budget answers 402 and calls nobody") {
  FakeGateway gateway;
  Budget budget;
  budget.name = "spent";
  budget.limit = Nanodollars{1'000};
  REQUIRE(gateway.budgets
              .configure({budget},
                         {SpendSlice{.time_unix_s = 1'800'000'000,
                                     .key = "anonymous",
                                     .cost = Nanodollars{1'000}}},
                         1'800'000'000)
              .has_value());
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 402);
  CHECK(client.header("x-should-retry") == "false");
  CHECK(client.body.find("\"budget_exceeded\"") != std::string::npos);
  CHECK(gateway.ledger.intents.empty());
}

TEST_CASE("a weak answer is escalated and both attempts are paid for") {
  FakeGateway gateway;
  Policy& policy = gateway.config->policies[0];
  gateway.config->catalog.targets[1].ability["overall"] = 0.95;
  policy.escalate_on = {EscalateOn::truncated};
  policy.escalate_to = Selector{.target = {"dear"}};
  policy.escalate_max = 1;
  Scripted weak = answer("he");
  weak.whole->choices[0].finish = FinishReason::length;
  gateway.scripts["cheap"].push_back(weak);
  gateway.scripts["dear"].push_back(answer("hello"));
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.header("x-jevons-target") == "dear");
  CHECK(client.header("x-jevons-attempts") == "2");
  CHECK(client.header("x-jevons-cost-usd") == "0.000660000");
  REQUIRE(gateway.ledger.settlements.size() == 2);
  for (const AttemptSettlement& row : gateway.ledger.settlements)
    CHECK(row.delivered == (row.attempt == 2));
}

TEST_CASE("where the stronger target fails, the weak answer is delivered after all") {
  FakeGateway gateway;
  Policy& policy = gateway.config->policies[0];
  gateway.config->catalog.targets[1].ability["overall"] = 0.95;
  policy.escalate_on = {EscalateOn::truncated};
  policy.escalate_max = 1;
  Scripted weak = answer("he");
  weak.whole->choices[0].finish = FinishReason::length;
  gateway.scripts["cheap"].push_back(weak);
  gateway.scripts["dear"].push_back(failure(Fault::upstream_overloaded, true, false));
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 200);
  CHECK(client.header("x-jevons-target") == "cheap");
  CHECK(gateway.ledger.settlements.size() == 2);
}

TEST_CASE("when both of a hedged pair fail, the plan goes on or gives up with their error") {
  FakeGateway gateway;
  Policy& policy = gateway.config->policies[0];
  policy.hedge_after_ms = 0;
  policy.hedge_at_most = 1.0;
  for (int i = 0; i < 3; ++i) {
    gateway.scripts["cheap"].push_back(failure(Fault::upstream_overloaded, true, false));
    gateway.scripts["dear"].push_back(failure(Fault::upstream_overloaded, true, false));
  }
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 503);
  CHECK(gateway.ledger.settlements.size() == gateway.ledger.intents.size());
}

TEST_CASE("a slow target is hedged; the loser is cancelled and has its row") {
  FakeGateway gateway;
  Policy& policy = gateway.config->policies[0];
  policy.hedge_after_ms = 0;
  policy.hedge_at_most = 1.0;
  gateway.scripts["cheap"].push_back(Scripted{.never_answers = true});
  gateway.scripts["dear"].push_back(answer("hello"));
  const FakeResponder& client = gateway.post(chat);
  CHECK(client.status == 200);
  CHECK(client.header("x-jevons-target") == "dear");
  REQUIRE(gateway.ledger.settlements.size() == 2);
  bool superseded = false;
  for (const AttemptSettlement& row : gateway.ledger.settlements)
    superseded = superseded || row.outcome == Outcome::superseded;
  CHECK(superseded);
}

TEST_CASE("a client that leaves a race is heard by both attempts, and by the winner alone later") {
  FakeGateway gateway;
  Policy& policy = gateway.config->policies[0];
  policy.hedge_after_ms = 0;
  policy.hedge_at_most = 1.0;
  gateway.scripts["cheap"].push_back(Scripted{.never_answers = true});
  SUBCASE("before either answers") {
    const auto leave = [&gateway] {
      std::exchange(gateway.client.interrupt, {})(Interrupt::client_gone);
    };
    gateway.scripts["dear"].push_back(Scripted{.never_answers = true, .meanwhile = leave});
  }
  SUBCASE("while the winner streams") {
    gateway.client.interrupted_after_writes = 1;
    gateway.scripts["dear"].push_back(interrupted_stream());
  }
  gateway.post(streamed);
  REQUIRE(gateway.ledger.settlements.size() == 2);
  bool by_client = false;
  for (const AttemptSettlement& row : gateway.ledger.settlements) {
    CHECK((row.outcome == Outcome::cancelled || row.outcome == Outcome::superseded));
    by_client = by_client || row.ended_by == EndedBy::client;
  }
  CHECK(by_client);
}

TEST_CASE("bad requests get a stable code and no row") {
  struct {
    const char* when;
    const char* body;
    int status;
    const char* code;
  } rows[] = {
      {"not JSON", "{", 400, "invalid_json"},
      {"a duplicate key", R"({"model":"auto","model":"x","messages":[]})", 400, "duplicate_key"},
      {"no messages", R"({"model":"auto"})", 400, "missing_field"},
      {"an unknown model", R"({"model":"nope","messages":[{"role":"user","content":"x"}]})", 404,
       "model_not_found"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    FakeGateway gateway;
    const FakeResponder& client = gateway.post(row.body);
    CHECK(client.status == row.status);
    CHECK(client.body.find("\"" + std::string(row.code) + "\"") != std::string::npos);
    CHECK(client.header("x-should-retry") == "false");
    CHECK(gateway.ledger.intents.empty());
  }
}
