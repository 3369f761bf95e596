// What an answer shows by itself, and that a request teaches through the whole path.
#include "gateway/teach.h"

#include <doctest/doctest.h>

#include "tests/fakes/fake_gateway.h"

using namespace jevons;
using namespace jevons::testing;

namespace {

ChatResponse whole(std::string text, FinishReason finish = FinishReason::stop) {
  ChatResponse response;
  Choice choice;
  choice.content = std::move(text);
  choice.has_content = true;
  choice.finish = finish;
  response.choices.push_back(choice);
  return response;
}

}  // namespace

TEST_CASE("signs: form asked for and kept or broken, refusals, cut ends") {
  ChatRequest plain, json, capped, tooled;
  tooled.tools.push_back({.name = "f"});
  json.response_format.kind = ResponseFormat::Kind::json_object;
  capped.max_completion_tokens = 5;
  ChatResponse refused = whole("");
  refused.choices[0].refusal = "I cannot";
  ChatResponse called = whole(""), miscalled = whole("");
  called.choices[0].tool_calls.push_back({.name = "f", .arguments = "{}"});
  miscalled.choices[0].tool_calls.push_back({.name = "f", .arguments = "{"});
  struct {
    const char* name;
    const ChatRequest& request;
    ChatResponse response;
    AnswerSign sign;
  } rows[] = {
      {"text", plain, whole("hello"), AnswerSign::fine},
      {"JSON kept", json, whole("{}"), AnswerSign::checked},
      {"JSON broken", json, whole("{"), AnswerSign::invalid},
      {"call kept", tooled, called, AnswerSign::checked},
      {"call broken", tooled, miscalled, AnswerSign::invalid},
      {"call of a tool that was not offered", plain, called, AnswerSign::invalid},
      {"refusal", plain, refused, AnswerSign::refused},
      {"filtered", plain, whole("", FinishReason::content_filter), AnswerSign::refused},
      {"cut", plain, whole("he", FinishReason::length), AnswerSign::truncated},
      {"cut where the client said", capped, whole("he", FinishReason::length), AnswerSign::fine}};
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(sign_of(row.request, row.response) == row.sign);
  }
}

TEST_CASE("an answer that was served can be reported on, and the next decision knows") {
  FakeGateway gateway;
  LearningBook book({});
  gateway.services.learning = &book;
  for (int i = 0; i < 60; ++i) {
    gateway.scripts["cheap"].push_back(Scripted{.whole = whole("hello")});
    gateway.client = FakeResponder();
    const FakeResponder& client =
        gateway.post(R"({"model":"auto","messages":[{"role":"user","content":"hi"}]})");
    REQUIRE(client.status == 200);
    const auto id = request_id_of(client.header("x-request-id"));
    REQUIRE(id);
    if (client.header("x-jevons-target") != "cheap") break;
    CHECK(book.reported(*id, "anonymous", 0, "test", 0));
    book.flush();
  }
  // The upstream of this test counts no tokens: nothing is learnt of lengths.
  CHECK(book.learned()->lengths.empty());
  const TargetHeads* heads = book.learned()->find("cheap");
  REQUIRE(heads != nullptr);
  CHECK(heads->head_for("anonymous").p_ok({.prior_logit = 1}) < 0.4);
}

TEST_CASE("the tokens that an upstream counted teach how long its answers are") {
  FakeGateway gateway;
  LearningBook book({});
  gateway.services.learning = &book;
  for (int i = 0; i < 12; ++i) {
    ChatResponse answer = whole("hello");
    answer.usage.emplace();
    (*answer.usage)[TokenClass::output] = {.count = 3, .source = Provenance::measured};
    gateway.scripts["cheap"].push_back(Scripted{.whole = std::move(answer)});
    gateway.client = FakeResponder();
    REQUIRE(
        gateway.post(R"({"model":"cheap","messages":[{"role":"user","content":"hi"}]})").status ==
        200);
    book.flush();
  }
  const TargetLengths* lengths = book.learned()->find_lengths("cheap");
  REQUIRE(lengths != nullptr);
  CHECK(lengths->answers == 12);
  CHECK(lengths->shift_for("anonymous").shift[0] < -1);
}

TEST_CASE("a streamed refusal teaches what a whole one does, and is not held back for it") {
  FakeGateway gateway;
  LearningBook book({});
  gateway.services.learning = &book;
  for (int i = 0; i < 40; ++i) {
    StreamEvent end{.kind = StreamEvent::Kind::finish};
    end.finish = FinishReason::stop;
    gateway.scripts["cheap"].push_back(
        Scripted{.batches = {{{.kind = StreamEvent::Kind::text, .text = "I'm sorry, "}},
                             {{.kind = StreamEvent::Kind::text, .text = "but I cannot do that."}},
                             {end}}});
    gateway.client = FakeResponder();
    REQUIRE(gateway
                .post(R"({"model":"cheap","stream":true,)"
                      R"("messages":[{"role":"user","content":"hi"}]})")
                .status == 200);
  }
  book.flush();
  const TargetHeads* heads = book.learned()->find("cheap");
  REQUIRE(heads != nullptr);
  CHECK(heads->head_for("anonymous").p_ok({.prior_logit = 1}) < 0.4);
}
