// Idempotency-Key: the book alone, and the request path that keeps and repeats answers.
#include "gateway/idempotency.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "tests/fakes/fake_gateway.h"

using namespace jevons;
using namespace jevons::testing;

namespace {

HttpAnswer kept(std::string body) {
  return {.status = 200, .headers = {}, .body = std::move(body)};
}

// "run", the kept body, or the code of the refusal.
std::string claim(IdempotencyBook& book, const std::string& id, const std::string& digest,
                  std::int64_t now_ms = 0) {
  const auto claimed = book.claim(id, digest, now_ms);
  if (claimed.has_error()) return std::string(fault_code(claimed.error().fault()));
  return *claimed ? (*claimed)->body : "run";
}

Scripted answer(std::string text) {
  ChatResponse response;
  Choice choice;
  choice.content = std::move(text);
  choice.has_content = true;
  choice.finish = FinishReason::stop;
  response.choices.push_back(choice);
  Usage usage;
  usage[TokenClass::input] = {.count = 10, .source = Provenance::measured};
  usage[TokenClass::output] = {.count = 5, .source = Provenance::measured};
  response.usage = usage;
  return Scripted{.whole = response};
}

Scripted stream_of(std::string text, std::optional<Error> cut = std::nullopt) {
  StreamEvent words;
  words.kind = StreamEvent::Kind::text;
  words.text = std::move(text);
  StreamEvent finish;
  finish.kind = StreamEvent::Kind::finish;
  finish.finish = FinishReason::stop;
  if (cut) return Scripted{.batches = {{words}}, .cut = cut};
  return Scripted{.batches = {{words}, {finish}}};
}

const char* const chat = R"({"model":"auto","messages":[{"role":"user","content":"hi"}]})";
const char* const other = R"({"model":"auto","messages":[{"role":"user","content":"ho"}]})";
const char* const streamed =
    R"({"model":"auto","stream":true,"messages":[{"role":"user","content":"hi"}]})";

}  // namespace

TEST_CASE("the first claim runs, the next ones wait, then get its answer for 24 hours") {
  IdempotencyBook book({.keep_ms = 1'000});
  CHECK(claim(book, "a", "x") == "run");
  CHECK(claim(book, "a", "x", 5'000) == "idempotency_in_flight");  // however long it takes
  book.finish("a", kept("hello"), true);
  CHECK(claim(book, "a", "x", 999) == "hello");
  CHECK(claim(book, "a", "y", 999) == "idempotency_conflict");
  CHECK(claim(book, "a", "y", 1'000) == "run");  // counted from the first claim
  book.finish("a", kept("again"), true);
  CHECK(claim(book, "a", "y", 1'999) == "again");
  CHECK(claim(book, "a", "y", 2'000) == "run");
}

TEST_CASE("of many threads that claim a key at once one runs") {
  IdempotencyBook book;
  std::atomic<int> runs{0}, others{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int key = 0; key < 100; ++key) {
        const std::string id = std::to_string(key);
        const std::string got = claim(book, id, "x");
        (got == "run" ? runs : others) += 1;
        if (got == "run") book.finish(id, kept("hello"), true);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(runs == 100);
  CHECK(others == 700);
  CHECK(book.kept_bytes() == 500);
}

TEST_CASE("what cost nothing may run again, what may have been billed may not") {
  IdempotencyBook book;
  CHECK(claim(book, "a", "x") == "run");
  book.finish("a", kept("an error that reached no upstream"), false);
  CHECK(claim(book, "a", "x") == "run");
  book.finish("a", std::nullopt, true);
  CHECK(claim(book, "a", "x") == "idempotency_conflict");
  CHECK(book.claim("a", "x", 0).error().message() ==
        "the first request with this Idempotency-Key ran and may have been billed, but its whole "
        "answer is not kept; send a new key to run it again");
}

TEST_CASE("answers are dropped oldest first when they take too much memory") {
  IdempotencyBook book({.bytes_max = 10});
  for (const char* const id : {"a", "b", "c"}) {
    CHECK(claim(book, id, "x") == "run");
    book.finish(id, kept("12345"), true);
  }
  CHECK(book.kept_bytes() == 10);
  CHECK(claim(book, "a", "x") == "idempotency_conflict");  // and still is not billed twice
  CHECK(claim(book, "c", "x") == "12345");
}

TEST_CASE("the book holds a bounded number of keys") {
  IdempotencyBook book({.entries_max = 3});
  for (int i = 0; i < 100; ++i) {
    const std::string id = std::to_string(i);
    CHECK(claim(book, id, "x") == "run");
    book.finish(id, kept("12345"), true);
  }
  CHECK(book.kept_bytes() <= 20);
  CHECK(claim(book, "99", "x") == "12345");
  CHECK(claim(book, "0", "x") == "run");
}

TEST_CASE("the same key and request is answered once and billed once") {
  FakeGateway gateway;
  gateway.scripts["cheap"] = {answer("hello"), answer("other")};
  gateway.extra_headers = {{"idempotency-key", "k1"}};
  gateway.post(chat);
  const std::string body = gateway.client.body;
  const std::string id = gateway.client.header("x-request-id");
  CHECK(gateway.client.header("x-jevons-replayed").empty());
  gateway.post(chat);
  CHECK(gateway.client.status == 200);
  CHECK(gateway.client.body == body);
  CHECK(gateway.client.header("x-jevons-replayed") == "true");
  CHECK(gateway.client.header("x-request-id") == id);
  CHECK(gateway.client.header("x-jevons-cost-usd") == "0.000060000");
  CHECK(gateway.ledger.intents.size() == 1);

  gateway.post(other);
  CHECK(gateway.client.status == 422);
  CHECK(gateway.client.body.find("\"idempotency_conflict\"") != std::string::npos);
  CHECK(gateway.client.header("x-should-retry") == "false");
  gateway.post(chat, Endpoint::completions);
  CHECK(gateway.client.status == 422);
  CHECK(gateway.ledger.intents.size() == 1);

  gateway.extra_headers = {{"idempotency-key", "k2"}};
  gateway.post(chat);
  CHECK(gateway.client.status == 200);
  CHECK(gateway.client.body != body);
  CHECK(gateway.ledger.intents.size() == 2);
}

TEST_CASE("another tenant's key of the same name is another key") {
  FakeGateway gateway;
  gateway.scripts["cheap"] = {answer("for a"), answer("for b")};
  gateway.extra_headers = {{"idempotency-key", "k"}};
  for (const char* const name : {"a", "b"}) {
    auto key = std::make_shared<KeyRecord>();
    key->name = name;
    gateway.post_as(key, chat);
    CHECK(gateway.client.status == 200);
    CHECK(gateway.client.body.find(std::string("for ") + name) != std::string::npos);
  }
  CHECK(gateway.ledger.intents.size() == 2);
}

TEST_CASE("a stream is repeated byte for byte; a cut one is not run again") {
  FakeGateway gateway;
  gateway.scripts["cheap"] = {stream_of("hello")};
  gateway.extra_headers = {{"idempotency-key", "whole"}};
  gateway.post(streamed);
  const std::string body = gateway.client.body;
  CHECK(body.ends_with("data: [DONE]\n\n"));
  gateway.client = FakeResponder();
  gateway.post(streamed);
  CHECK(gateway.client.body == body);
  CHECK(gateway.client.header("content-type") == "text/event-stream; charset=utf-8");
  CHECK(gateway.ledger.intents.size() == 1);

  Error cut(Fault::upstream_error, Origin::upstream, "the upstream closed in the middle");
  cut.with_maybe_billed(true);
  gateway.scripts["cheap"] = {stream_of("hel", cut), stream_of("hello")};
  gateway.extra_headers = {{"idempotency-key", "cut"}};
  gateway.post(streamed);
  CHECK(gateway.client.clean == false);
  gateway.client = FakeResponder();
  gateway.post(streamed);
  CHECK(gateway.client.status == 422);
  CHECK(gateway.ledger.intents.size() == 2);
}

TEST_CASE("an error that cost nothing leaves the key free, one that may have is repeated") {
  FakeGateway gateway;
  gateway.config->policies[0].fallback_attempts = 1;
  const auto failed = [](bool billed) {
    Error error(Fault::upstream_error, Origin::upstream, "it failed");
    error.with_maybe_billed(billed);
    return Scripted{.error = error};
  };
  gateway.extra_headers = {{"idempotency-key", "k"}};
  gateway.scripts["cheap"] = {failed(false), failed(true), answer("never asked")};
  gateway.scripts["dear"] = {failed(false)};
  gateway.post(chat);
  CHECK(gateway.client.status == 502);
  gateway.post(chat);
  CHECK(gateway.client.status == 502);
  CHECK(gateway.client.header("x-jevons-replayed").empty());
  gateway.post(chat);
  CHECK(gateway.client.status == 502);
  CHECK(gateway.client.header("x-jevons-replayed") == "true");
  CHECK(gateway.client.header("x-should-retry") == "false");
}

TEST_CASE("an Idempotency-Key of more than 255 characters is refused") {
  FakeGateway gateway;
  gateway.extra_headers = {{"idempotency-key", std::string(256, 'k')}};
  gateway.post(chat);
  CHECK(gateway.client.status == 400);
  CHECK(gateway.client.body.find("Idempotency-Key must be at most 255 characters") !=
        std::string::npos);
}
