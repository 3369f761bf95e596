#include "gateway/streamed_answer.h"

#include <doctest/doctest.h>

#include "gateway/teach.h"

using namespace jevons;

namespace {

using Kind = StreamEvent::Kind;

StreamEvent text(std::string words) { return {.kind = Kind::text, .text = std::move(words)}; }

StreamEvent finish(FinishReason reason = FinishReason::stop) {
  StreamEvent event{.kind = Kind::finish};
  event.finish = reason;
  return event;
}

StreamEvent call(std::int64_t index, std::string name, std::string arguments = "") {
  StreamEvent event{.kind = Kind::tool_call_start, .tool_index = index};
  event.tool.name = std::move(name);
  event.tool.arguments = std::move(arguments);
  return event;
}

StreamEvent arguments(std::int64_t index, std::string json) {
  return {.kind = Kind::tool_call_arguments, .tool_index = index, .text = std::move(json)};
}

ChatRequest plain() { return {}; }
ChatRequest json() {
  ChatRequest request;
  request.response_format.kind = ResponseFormat::Kind::json_object;
  return request;
}
ChatRequest tooled() {
  ChatRequest request;
  request.tools.push_back({.name = "f"});
  return request;
}

std::optional<AnswerSign> sign(const ChatRequest& request, std::vector<StreamEvent> events) {
  StreamedAnswer answer(request);
  for (const StreamEvent& event : events) answer.add({&event, 1});
  const auto whole = std::move(answer).whole();
  if (!whole) return std::nullopt;
  return sign_of(request, *whole);
}

}  // namespace

TEST_CASE("a streamed answer shows what the same answer shows when it comes whole") {
  const std::string large(StreamedAnswer::formed_bytes_max, 'x');
  StreamEvent second = text("{");
  second.choice = 1;
  struct {
    const char* name;
    ChatRequest request;
    std::vector<StreamEvent> events;
    std::optional<AnswerSign> sign;
  } rows[] = {
      {"text", plain(), {text("he"), text("llo"), finish()}, AnswerSign::fine},
      {"refusal in pieces",
       plain(),
       {text("I'm sorry, but I "), text("cannot help with that."), finish()},
       AnswerSign::refused},
      {"refusal as such",
       plain(),
       {{.kind = Kind::refusal, .text = "no"}, finish()},
       AnswerSign::refused},
      {"filtered", plain(), {finish(FinishReason::content_filter)}, AnswerSign::refused},
      {"cut", plain(), {text("a"), finish(FinishReason::length)}, AnswerSign::truncated},
      {"JSON kept", json(), {text("{\"a\""), text(":1}"), finish()}, AnswerSign::checked},
      {"JSON broken", json(), {text("{\"a\""), text(":1"), finish()}, AnswerSign::invalid},
      {"two calls with mixed pieces",
       tooled(),
       {call(0, "f"), call(1, "f", "{"), arguments(0, "{}"), arguments(1, "}"), finish()},
       AnswerSign::checked},
      {"call broken", tooled(), {call(0, "f", "{"), finish()}, AnswerSign::invalid},
      {"call of a tool that was not offered",
       tooled(),
       {call(0, "g", "{}"), finish()},
       AnswerSign::invalid},
      {"long text", plain(), {text(large), text(large), finish()}, AnswerSign::fine},
      {"form beyond the bounds", json(), {text(large), text("{"), finish()}, std::nullopt},
      {"no end", json(), {text("{}")}, std::nullopt},
      {"two choices", json(), {second, text("{}"), finish()}, std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(sign(row.request, row.events) == row.sign);
  }
}

TEST_CASE("more tool calls than anybody makes are not kept") {
  std::vector<StreamEvent> events;
  for (std::int64_t i = 0; i <= std::int64_t{StreamedAnswer::tool_calls_max}; ++i)
    events.push_back(call(i, "f", "{}"));
  events.push_back(finish());
  CHECK(sign(tooled(), events) == std::nullopt);
}
