#include "gateway/weak_answer.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("signals of a weak answer") {
  ChatRequest plain, wants_json, wants_number, capped, offers_tool;
  wants_number.response_format.kind = ResponseFormat::Kind::json_schema;
  wants_number.response_format.schema =
      R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]})";
  offers_tool.tools.push_back(Tool{
      .name = "f",
      .parameters = R"({"type":"object","properties":{"a":{"type":"string"}},"required":["a"]})"});
  wants_json.response_format.kind = ResponseFormat::Kind::json_object;
  capped.max_completion_tokens = 10;
  const auto answer = [](std::string content, FinishReason finish) {
    Choice choice;
    choice.content = std::move(content);
    choice.finish = finish;
    return choice;
  };
  const auto call = [&](const char* name, const char* arguments) {
    Choice choice = answer("", FinishReason::tool_calls);
    choice.tool_calls.push_back(ToolCall{.id = "1", .name = name, .arguments = arguments});
    return choice;
  };
  const auto with_logprobs = [&](const char* each) {
    Choice choice = answer("a b", FinishReason::stop);
    choice.logprobs = std::string(R"({"content":[{"token":"a","logprob":)") + each +
                      R"(},{"token":"b","logprob":)" + each + "}]}";
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
      {"a refusal in words", plain, answer("I'm sorry, but I can't do that.", FinishReason::stop),
       EscalateOn::refusal},
      {"JSON that breaks its schema", wants_number, answer("{\"n\":\"x\"}", FinishReason::stop),
       EscalateOn::invalid_json},
      {"JSON without a required key", wants_number, answer("{}", FinishReason::stop),
       EscalateOn::invalid_json},
      {"JSON that obeys its schema", wants_number, answer("{\"n\":1}", FinishReason::stop),
       std::nullopt},
      {"a call that obeys its tool", offers_tool, call("f", "{\"a\":\"x\"}"), std::nullopt},
      {"a call that breaks its tool's schema", offers_tool, call("f", "{\"a\":1}"),
       EscalateOn::invalid_tool_call},
      {"a call of a tool that nobody offered", offers_tool, call("g", "{}"),
       EscalateOn::invalid_tool_call},
      {"tokens the model was sure of", plain, with_logprobs("-0.1"), std::nullopt},
      {"tokens the model guessed", plain, with_logprobs("-1.5"), EscalateOn::low_confidence},
      {"broken tool arguments", plain, bad_tool, EscalateOn::invalid_tool_call},
  };
  Policy policy;
  policy.escalate_on = {EscalateOn::refusal, EscalateOn::truncated, EscalateOn::invalid_json,
                        EscalateOn::invalid_tool_call, EscalateOn::low_confidence};
  for (const auto& row : rows) {
    CAPTURE(row.when);
    ChatResponse response;
    response.choices.push_back(row.choice);
    CHECK(weak_answer(policy, row.request, response) == row.signal);
    CHECK(weak_answer(Policy{}, row.request, response) == std::nullopt);
  }
}

TEST_CASE("a schema that refers to itself is not followed") {
  ChatRequest request;
  request.response_format.kind = ResponseFormat::Kind::json_schema;
  request.response_format.schema = R"({"$ref":"#/a","a":{"$ref":"#/a"}})";
  Policy policy;
  policy.escalate_on = {EscalateOn::invalid_json};
  ChatResponse response;
  response.choices.emplace_back().content = "{}";
  CHECK(weak_answer(policy, request, response) == std::nullopt);
}

TEST_CASE("when the first target is asked twice, and for token probabilities") {
  Policy policy;
  ChatRequest request;
  Target target{.can = static_cast<Capabilities>(Capability::logprobs)};
  CHECK_FALSE(wants_second_sample(policy, request));
  CHECK_FALSE(wants_logprobs(policy, request, target));
  policy.escalate_on = {EscalateOn::disagreement, EscalateOn::low_confidence};
  CHECK(wants_second_sample(policy, request));
  CHECK(wants_logprobs(policy, request, target));
  CHECK_FALSE(wants_logprobs(policy, request, Target{}));
  request.stream = true;
  CHECK_FALSE(wants_second_sample(policy, request));
  CHECK_FALSE(wants_logprobs(policy, request, target));
}
