#include "gateway/weak_answer.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("signals of a weak answer") {
  ChatRequest plain, wants_json, capped;
  wants_json.response_format.kind = ResponseFormat::Kind::json_object;
  capped.max_completion_tokens = 10;
  const auto answer = [](std::string content, FinishReason finish) {
    Choice choice;
    choice.content = std::move(content);
    choice.finish = finish;
    return choice;
  };
  Choice refusal = answer("", FinishReason::stop), bad_tool = answer("", FinishReason::tool_calls);
  refusal.refusal = "I cannot help with that.";
  bad_tool.tool_calls.push_back(ToolCall{.id = "1", .name = "f", .arguments = "{\"a\":"});
  struct {
    const char* when;
    const ChatRequest& request;
    Choice choice;
    std::optional<EscalateOn> signal;
  } rows[] = {
      {"a good answer", plain, answer("hello", FinishReason::stop), std::nullopt},
      {"a refusal", plain, refusal, EscalateOn::refusal},
      {"filtered content", plain, answer("", FinishReason::content_filter), EscalateOn::refusal},
      {"cut at our cap", plain, answer("he", FinishReason::length), EscalateOn::truncated},
      {"cut at the client's own cap", capped, answer("he", FinishReason::length), std::nullopt},
      {"JSON was asked for and is not", wants_json, answer("hello", FinishReason::stop),
       EscalateOn::invalid_json},
      {"JSON was asked for and is", wants_json, answer("{}", FinishReason::stop), std::nullopt},
      {"broken tool arguments", plain, bad_tool, EscalateOn::invalid_tool_call},
  };
  Policy policy;
  policy.escalate_on = {EscalateOn::refusal, EscalateOn::truncated, EscalateOn::invalid_json,
                        EscalateOn::invalid_tool_call};
  for (const auto& row : rows) {
    CAPTURE(row.when);
    ChatResponse response;
    response.choices.push_back(row.choice);
    CHECK(weak_answer(policy, row.request, response) == row.signal);
    CHECK(weak_answer(Policy{}, row.request, response) == std::nullopt);
  }
}
