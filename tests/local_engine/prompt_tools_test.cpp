#include "local_engine/prompt_tools.h"

#include <doctest/doctest.h>

using namespace jevons::engine;

namespace {

std::string text_of(const Message& message) {
  std::string text;
  for (const TextPart& part : message.parts) text += part.text;
  return text;
}

const Tool kTool{"add", "Adds \"two\"", R"({"type":"object"})"};

}  // namespace

TEST_CASE("tools are described in the system text, which is made where there is none") {
  const Message user{.role = Role::user, .parts = {{"hi"}}};
  const auto made = with_tools_in_words(std::span(&user, 1), std::span(&kTool, 1));
  REQUIRE(made.size() == 2);
  CHECK(made[0].role == Role::system);
  CHECK(text_of(made[0]) ==
        "You may call these functions to help with the user's request:\n<tools>\n"
        R"({"name":"add","description":"Adds \"two\"","parameters":{"type":"object"}})"
        "\n</tools>\nTo call one, answer with its name and arguments as JSON:\n<tool_call>\n"
        R"({"name": "...", "arguments": {...}})"
        "\n</tool_call>");
  CHECK(text_of(made[1]) == "hi");
  const std::vector<Message> with = {{.role = Role::system, .parts = {{"Be brief."}}}, user};
  const auto joined = with_tools_in_words(with, std::span(&kTool, 1));
  REQUIRE(joined.size() == 2);
  CHECK(text_of(joined[0]) == "Be brief.\n\n" + text_of(made[0]));
}

TEST_CASE("earlier calls and their results are kept as words") {
  std::vector<Message> talk(3);
  talk[0] = {.role = Role::user, .parts = {{"1 + 2?"}}};
  talk[1].role = Role::assistant;
  talk[1].tool_calls = {{"call_1", "add", R"({"a":1,"b":2})"}, {"call_2", "now", ""}};
  talk[2] = {.role = Role::tool, .parts = {{"3"}}};
  talk[2].tool_call_id = "call_1";
  const auto made = with_tools_in_words(talk, {});
  REQUIRE(made.size() == 3);
  CHECK(text_of(made[1]) ==
        "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\":1,\"b\":2}}\n</tool_call>"
        "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>");
  CHECK(made[1].tool_calls.empty());
  CHECK(made[2].role == Role::user);
  CHECK(text_of(made[2]) == "<tool_response>\n3\n</tool_response>");
}
