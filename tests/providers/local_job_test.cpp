#include <doctest/doctest.h>

#include "providers/local_upstream.h"

using namespace jevons;

namespace {

Message user(std::string text) {
  Message message;
  message.parts.push_back(Part{.text = std::move(text)});
  return message;
}

UpstreamCall call_of(const ChatRequest& request) {
  static const Target target;
  UpstreamCall call;
  call.request = &request;
  call.target = &target;
  call.tenant = "ci";
  call.encode.output_cap = 77;
  return call;
}

}  // namespace

TEST_CASE("a request becomes an engine job") {
  ChatRequest request;
  request.messages.push_back(user("hello"));
  request.sampling.temperature = 0;
  request.sampling.stop = {"\n"};
  request.sampling.logit_bias = R"({"5":-100,"x":1})";
  request.response_format.kind = ResponseFormat::Kind::json_schema;
  request.response_format.schema = R"({"type":"object"})";
  request.reasoning_effort = "minimal";
  const Result<engine::Job> job = engine_job(call_of(request));
  REQUIRE(job.has_value());
  CHECK(job->messages[0].parts[0].text == "hello");
  CHECK(job->sampling.temperature == 0.0F);
  CHECK(job->sampling.max_tokens == 77);
  CHECK(job->sampling.stop == std::vector<std::string>{"\n"});
  REQUIRE(job->sampling.logit_bias.size() == 1);
  CHECK(job->sampling.logit_bias[0].token == 5);
  CHECK(job->response_format.kind == engine::Format::json_schema);
  CHECK(job->reasoning_effort == engine::ReasoningEffort::low);
  CHECK(job->cache_salt == "ci");
}

TEST_CASE("what no local model can do is refused by name") {
  ChatRequest picture, many, vectors;
  picture.messages.push_back(Message{});
  picture.messages[0].parts.push_back(Part{.kind = Part::Kind::image});
  many.n = 2;
  vectors.inputs = {"a"};
  struct {
    const ChatRequest& request;
    const char* message;
  } rows[] = {
      {picture, "the local model reads text only, not images, audio or files"},
      {many, "the local model gives one answer: leave out `n`"},
      {vectors, "the local model makes no embeddings"},
  };
  for (const auto& row : rows) {
    const Result<engine::Job> job = engine_job(call_of(row.request));
    REQUIRE(job.has_error());
    CHECK(job.error().fault() == Fault::unsupported_parameter);
    CHECK(job.error().message() == row.message);
  }
}

TEST_CASE("an update becomes events in the order that writers need") {
  engine::Update update;
  update.text = "hi";
  update.reasoning = "hm";
  update.logprobs.push_back({{"hi", -0.5F}, {{"ho", -1.5F}}});
  update.tool_calls.push_back({0, "call_1", "f", "{}"});
  update.finish = engine::Finish::tool_calls;
  update.usage = {.prompt = 10, .cached = 4, .completion = 7, .reasoning = 2};
  std::vector<StreamEvent> events;
  stream_events(update, events);
  std::vector<StreamEvent::Kind> kinds;
  for (const StreamEvent& event : events) kinds.push_back(event.kind);
  using Kind = StreamEvent::Kind;
  CHECK(kinds == std::vector<Kind>{Kind::reasoning, Kind::logprobs, Kind::text,
                                   Kind::tool_call_start, Kind::tool_call_arguments, Kind::finish,
                                   Kind::usage});
  CHECK(events[1].text ==
        R"({"content":[{"token":"hi","logprob":-0.5,"bytes":[104,105],"top_logprobs":[)"
        R"({"token":"ho","logprob":-1.5,"bytes":[104,111]}]}],"refusal":null})");
  const Usage& usage = *events.back().usage;
  CHECK(usage.prompt_tokens() == 10);
  CHECK(usage.cached_tokens() == 4);
  CHECK(usage.completion_tokens() == 7);
  CHECK(usage.reasoning_tokens() == 2);
}

TEST_CASE("a refusal of the engine is an error with the right code") {
  struct {
    const char* when;
    engine::Refusal refusal;
    Fault fault;
    bool retryable;
  } rows[] = {
      {"too long a prompt",
       engine::Refusal(engine::EngineFault::invalid_input, "x").with_context(9'000, 8'192),
       Fault::context_length_exceeded, false},
      {"a bad schema", engine::Refusal(engine::EngineFault::invalid_input, "x"),
       Fault::invalid_value, false},
      {"a full queue",
       engine::Refusal(engine::EngineFault::overloaded, "x").with_retry_after_ms(700),
       Fault::overloaded, true},
      {"a bug", engine::Refusal(engine::EngineFault::internal, "x"), Fault::upstream_error, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const Error error = engine_error(row.refusal);
    CHECK(error.fault() == row.fault);
    CHECK(error.retryable() == row.retryable);
  }
}
