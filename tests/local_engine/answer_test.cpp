#include "local_engine/answer.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace jevons::engine;

namespace {

struct Read {
  std::string text;
  std::string reasoning;
  std::vector<ToolCallDelta> calls;
};

// The whole text in pieces of `step` bytes.
Read read(const MarkupOptions& options, std::string_view text, std::size_t step) {
  const auto parser = make_markup_parser(options);
  Parts parts;
  for (std::size_t i = 0; i < text.size(); i += step) parser->push(0, text.substr(i, step), parts);
  parser->finish(parts);
  return {parts.text, parts.reasoning, parts.tool_calls};
}

MarkupOptions all() {
  MarkupOptions options;
  options.thinks = true;
  options.calls = &common_call_form();
  options.call_id_prefix = "call_";
  return options;
}

}  // namespace

TEST_CASE("reasoning, text and calls are told apart wherever the text is cut") {
  const std::string text =
      "<think>\nhm <b>\n</think>\n\nLet me look.\n<tool_call>\n"
      R"({"name": "weather", "arguments": {"city": "Paris", "days": [1, 2]}})"
      "\n</tool_call>\n<tool_call>{\"name\":\"time\"}</tool_call>";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    CAPTURE(step);
    const Read got = read(all(), text, step);
    CHECK(got.reasoning == "hm <b>\n");
    CHECK(got.text == "Let me look.\n");
    REQUIRE(got.calls.size() == 2);
    CHECK(got.calls[0].index == 0);
    CHECK(got.calls[0].id == "call_0");
    CHECK(got.calls[0].name == "weather");
    CHECK(got.calls[0].arguments == R"({"city":"Paris","days":[1,2]})");
    CHECK(got.calls[1].index == 1);
    CHECK(got.calls[1].name == "time");
    CHECK(got.calls[1].arguments == "{}");
  }
}

TEST_CASE("a prompt that opened <think> begins in the reasoning") {
  MarkupOptions options = all();
  options.begins_thinking = true;
  const Read got = read(options, "so\n</think>\n\nyes", 1);
  CHECK(got.reasoning == "so\n");
  CHECK(got.text == "yes");
}

TEST_CASE("what is no call is shown as it was written") {
  const Read got = read(all(), "<tool_call>not json</tool_call> done", 3);
  CHECK(got.calls.empty());
  CHECK(got.text == "<tool_call>not json</tool_call> done");
  CHECK(read(all(), "<tool_call>{\"a\":1}</tool_call>", 1).text ==
        "<tool_call>{\"a\":1}</tool_call>");
  CHECK(read(all(), "a < b <too", 1).text == "a < b <too");
}

TEST_CASE("a call cut off by the end is still a call if it is whole") {
  const Read got = read(all(), R"(<tool_call>{"name":"f","arguments":"{\"x\":1}"})", 2);
  REQUIRE(got.calls.size() == 1);
  CHECK(got.calls[0].arguments == R"({"x":1})");
}

TEST_CASE("markup is text where the template and the job have no use for it") {
  const Read got = read({}, "<think>x</think><tool_call>{}</tool_call>", 4);
  CHECK(got.text == "<think>x</think><tool_call>{}</tool_call>");
  CHECK(got.reasoning.empty());
}
