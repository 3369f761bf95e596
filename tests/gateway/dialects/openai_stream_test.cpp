// The stream writers, event by event; whole conversations are in golden_test.cpp.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gateway/dialects/openai_chat.h"
#include "gateway/dialects/openai_completions.h"

using namespace jevons;

namespace {

using Kind = StreamEvent::Kind;

StreamEvent event(Kind kind, std::string text = {}, std::int64_t choice = 0) {
  StreamEvent made;
  made.kind = kind;
  made.text = std::move(text);
  made.choice = choice;
  return made;
}

StreamEvent finish(FinishReason reason) {
  StreamEvent made = event(Kind::finish);
  made.finish = reason;
  return made;
}

StreamEvent call(std::string name, bool custom = false) {
  StreamEvent made = event(Kind::tool_call_start);
  made.tool.id = "c1";
  made.tool.name = std::move(name);
  made.tool.custom = custom;
  return made;
}

const AnswerMeta meta = {"id-1", 5, "m", "r-1"};

std::string chunk(const std::string& delta, const std::string& tail = R"("finish_reason":null}]})",
                  const std::string& logprobs = "null") {
  return R"(data: {"id":"id-1","object":"chat.completion.chunk","created":5,"model":"m","choices":[{"index":0,"delta":)" +
         delta + R"(,"logprobs":)" + logprobs + "," + tail + "\n\n";
}

const std::string role = chunk(R"({"role":"assistant","content":"","refusal":null})");
const std::string done = "data: [DONE]\n\n";
const std::string account =
    R"("x_jevons":{"cost_usd":null,"baseline_cost_usd":0.5,"target":"t","attempts":2})";

std::string stream_of(const ChatRequest& request, const std::vector<StreamEvent>& events,
                      std::string ended = {}) {
  const auto writer = open_chat_stream(request, meta);
  std::string out;
  writer->write(events, out);
  StreamEnd end;
  end.account = {std::nullopt, Nanodollars{500'000'000}, "t", 2, std::move(ended)};
  writer->close(end, out);
  return out;
}

}  // namespace

TEST_CASE("start and usage alone commit nothing") {
  const ChatRequest request;
  const auto writer = open_chat_stream(request, meta);
  std::string out;
  StreamEvent usage = event(Kind::usage);
  usage.usage = std::make_shared<const Usage>();
  writer->write(std::vector<StreamEvent>{event(Kind::start), usage}, out);
  CHECK(out.empty());
}

TEST_CASE("an answer without a delta is still whole") {
  CHECK(stream_of({}, {}) ==
        role + chunk("{}", R"("finish_reason":"length"}],)" + account + "}") + done);
}

TEST_CASE("a budget that ends the answer says so") {
  CHECK(stream_of({}, {event(Kind::text, "Hi")}, "budget") ==
        role + chunk(R"({"content":"Hi"})") +
            chunk("{}", R"("finish_reason":"length"}],)" + account.substr(0, account.size() - 1) +
                            R"(,"ended":"budget"}})") +
            done);
}

TEST_CASE("with usage asked for, the usage chunk is the last before [DONE] even when unknown") {
  ChatRequest request;
  request.include_usage = true;
  const std::string out = stream_of(request, {event(Kind::text, "Hi"), finish(FinishReason::stop)});
  CHECK(
      out.substr(out.rfind("data: {")) ==
      R"(data: {"id":"id-1","object":"chat.completion.chunk","created":5,"model":"m","choices":[],"usage":null,)" +
          account + "}\n\n" + done);
}

TEST_CASE("logprobs stand in the chunk of their text") {
  CHECK(stream_of({}, {event(Kind::logprobs, R"({"content":[]})"), event(Kind::text, "A"),
                       event(Kind::text, "B"), finish(FinishReason::stop)}) ==
        role + chunk(R"({"content":"A"})", R"("finish_reason":null}]})", R"({"content":[]})") +
            chunk(R"({"content":"B"})") +
            chunk("{}", R"("finish_reason":"stop"}],)" + account + "}") + done);
}

TEST_CASE("who asked with functions is answered with function_call") {
  ChatRequest request;
  request.legacy_functions = true;
  StreamEvent arguments = event(Kind::tool_call_arguments, "{}");
  CHECK(stream_of(request, {call("f"), arguments, finish(FinishReason::tool_calls)}) ==
        role + chunk(R"({"function_call":{"name":"f","arguments":""}})") +
            chunk(R"({"function_call":{"arguments":"{}"}})") +
            chunk("{}", R"("finish_reason":"function_call"}],)" + account + "}") + done);
}

TEST_CASE("a custom tool keeps its form") {
  CHECK(
      stream_of({}, {call("f", true), event(Kind::tool_call_arguments, "x"),
                     finish(FinishReason::tool_calls)}) ==
      role +
          chunk(
              R"({"tool_calls":[{"index":0,"id":"c1","type":"custom","custom":{"name":"f","input":""}}]})") +
          chunk(R"({"tool_calls":[{"index":0,"custom":{"input":"x"}}]})") +
          chunk("{}", R"("finish_reason":"tool_calls"}],)" + account + "}") + done);
}

TEST_CASE("refusal and reasoning have fields of their own, signatures none") {
  CHECK(stream_of({}, {event(Kind::reasoning, "Hm."), event(Kind::signature, "c2ln"),
                       event(Kind::refusal, "No."), finish(FinishReason::stop)}) ==
        role + chunk(R"({"reasoning_content":"Hm."})") + chunk(R"({"refusal":"No."})") +
            chunk("{}", R"("finish_reason":"stop"}],)" + account + "}") + done);
}

TEST_CASE("after a failure nothing follows the error event") {
  const ChatRequest request;
  const auto writer = open_chat_stream(request, meta);
  std::string out;
  writer->write(std::vector<StreamEvent>{event(Kind::text, "Hi")}, out);
  writer->fail(Error(Fault::upstream_error, "cut"), out);
  CHECK(
      out ==
      role + chunk(R"({"content":"Hi"})") +
          R"(data: {"error":{"message":"cut","type":"server_error","param":null,"code":"upstream_error"},"request_id":"r-1"})" +
          "\n\n");
}

TEST_CASE("no line of a stream can be mistaken by a client") {
  // Line ends and NUL in texts must not break the framing (wire.md 1.9).
  ChatRequest request;
  request.include_usage = true;
  const std::string hostile = std::string("a\r\nid: 1\n\ndata: [DONE]\n\n\0", 25);
  const std::string out =
      stream_of(request, {event(Kind::text, hostile), event(Kind::refusal, hostile)});
  std::size_t lines = 0;
  for (std::size_t at = 0; at < out.size(); ++lines) {
    const std::size_t end = out.find("\n\n", at);
    REQUIRE(end != std::string::npos);
    const std::string line = out.substr(at, end - at);
    CHECK(line.substr(0, 6) == "data: ");
    CHECK(line.find_first_of("\r\n") == std::string::npos);
    at = end + 2;
  }
  CHECK(lines == 6);
}

TEST_CASE("legacy completions stream text only") {
  ChatRequest request;
  request.endpoint = Endpoint::completions;
  const auto writer = open_completion_stream(request, meta);
  std::string out;
  writer->write(std::vector<StreamEvent>{event(Kind::reasoning, "Hm."), event(Kind::text, "A"),
                                         finish(FinishReason::tool_calls)},
                out);
  StreamEnd end;
  end.account.target = "t";
  writer->close(end, out);
  const std::string head =
      R"(data: {"id":"id-1","object":"text_completion","created":5,"model":"m","choices":[{"index":0,"text":)";
  CHECK(
      out ==
      head + R"("A","logprobs":null,"finish_reason":null}]})" + "\n\n" + head +
          R"("","logprobs":null,"finish_reason":"stop"}],"x_jevons":{"cost_usd":null,"baseline_cost_usd":null,"target":"t","attempts":1}})" +
          "\n\n" + done);
}
