#include "gateway/dialects/openai_chat.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace jevons;

namespace {

ChatRequest read_ok(std::string_view body) {
  const Result<ChatRequest> read = read_chat_request(body);
  if (!read) FAIL(read.error().message());
  return *read;
}

// "code|param|message" of a refused body.
std::string refusal_of(std::string_view body) {
  const Result<ChatRequest> read = read_chat_request(body);
  if (read) return "accepted";
  const Error error = read.error();
  CHECK(error.origin() == Origin::client);
  return std::string(fault_code(error.fault())) + "|" + error.param() + "|" + error.message();
}

// A body with valid messages and one more member.
std::string with(std::string_view member) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}],)" + std::string(member) + "}";
}

std::string with_message(std::string_view message) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"},)" + std::string(message) +
         "]}";
}

}  // namespace

namespace {

constexpr std::string_view full_body = R"({
    "model": "auto",
    "messages": [
      {"role": "developer", "content": "Be brief.", "name": "ops"},
      {"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}}
      ]},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
      {"role": "tool", "tool_call_id": "call_1", "content": "42"},
      {"role": "assistant", "content": "", "refusal": "No.", "reasoning_content": "Hm."}
    ],
    "tools": [
      {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}},
      {"type": "custom", "custom": {"name": "c"}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": false,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "e", "schema": {"type": "object"}, "strict": false}},
    "temperature": 0, "top_p": 0.5, "frequency_penalty": -1, "presence_penalty": 1.5,
    "seed": -7, "logprobs": true, "top_logprobs": 3, "logit_bias": {"50256": -100}, "stop": ["a", "b"],
    "max_tokens": 5, "max_completion_tokens": 100, "n": 2, "reasoning_effort": "low", "stream": true,
    "stream_options": {"include_usage": true}, "service_tier": "flex", "user": "u",
    "prompt_cache_key": "k", "verbosity": "low", "metadata": {"a": "b"}
  })";

}  // namespace

TEST_CASE("every message, part and tool finds its place") {
  const ChatRequest request = read_ok(full_body);
  CHECK(request.endpoint == Endpoint::chat);
  CHECK(request.dialect == Dialect::openai);
  CHECK(request.requested_model == "auto");
  REQUIRE(request.messages.size() == 5);
  CHECK(request.messages[0].role == Role::developer);
  CHECK(request.messages[0].name == "ops");
  const std::vector<Part>& parts = request.messages[1].parts;
  REQUIRE(parts.size() == 5);
  CHECK(parts[0].text == "What is this?");
  CHECK(parts[1].url == "https://x.test/a.png");
  CHECK(parts[1].detail == "low");
  CHECK(parts[2].media_type == "image/png");
  CHECK(parts[2].data == "AAAA");
  CHECK(parts[2].url.empty());
  CHECK(parts[3].media_type == "audio/mp3");
  CHECK(parts[3].data == "BBBB");
  CHECK(parts[4].filename == "a.pdf");
  CHECK(parts[4].media_type == "application/pdf");
  REQUIRE(request.messages[2].tool_calls.size() == 1);
  CHECK(request.messages[2].parts.empty());
  CHECK(request.messages[2].tool_calls[0].arguments == "{\"a\":1}");
  CHECK(request.messages[3].role == Role::tool);
  CHECK(request.messages[3].tool_call_id == "call_1");
  REQUIRE(request.messages[4].parts.size() == 3);
  CHECK(request.messages[4].parts[0].kind == Part::Kind::thinking);
  CHECK(request.messages[4].parts[2].kind == Part::Kind::refusal);
  REQUIRE(request.tools.size() == 2);
  CHECK(request.tools[0].name == "f");
  CHECK(request.tools[0].parameters == R"({"type":"object"})");
  CHECK(request.tools[0].strict == true);
  CHECK(request.tools[1].raw == R"({"type":"custom","custom":{"name":"c"}})");
  CHECK(request.tool_choice.mode == ToolChoice::Mode::named);
  CHECK(request.tool_choice.name == "f");
  CHECK(request.parallel_tool_calls == false);
  CHECK(request.response_format.kind == ResponseFormat::Kind::json_schema);
  CHECK(request.response_format.schema == R"({"type":"object"})");
  CHECK(request.response_format.strict == false);
}

TEST_CASE("every parameter finds its place") {
  const ChatRequest request = read_ok(full_body);
  CHECK(request.sampling.temperature == 0.0);
  CHECK(request.sampling.top_p == 0.5);
  CHECK(request.sampling.frequency_penalty == -1.0);
  CHECK(request.sampling.presence_penalty == 1.5);
  CHECK(request.sampling.seed == -7);
  CHECK(request.sampling.logprobs == true);
  CHECK(request.sampling.top_logprobs == 3);
  CHECK(request.sampling.logit_bias == R"({"50256":-100})");
  CHECK(request.sampling.stop == std::vector<std::string>{"a", "b"});
  CHECK(request.max_completion_tokens == 100);
  CHECK(request.n == 2);
  CHECK(request.reasoning_effort == "low");
  CHECK(request.stream);
  CHECK(request.include_usage);
  CHECK(request.service_tier == "flex");
  CHECK(request.user == "u");
  CHECK(request.prompt_cache_key == "k");
  REQUIRE(request.extra.size() == 2);
  CHECK(request.extra[0].name == "verbosity");
  CHECK(request.extra[0].json == "\"low\"");
  CHECK(request.extra[1].json == R"({"a":"b"})");
  CHECK(request.image_count == 2);
}

TEST_CASE("max_completion_tokens holds over max_tokens in either order, null is unset") {
  CHECK(read_ok(with(R"("max_tokens":5,"max_completion_tokens":9)")).max_completion_tokens == 9);
  CHECK(read_ok(with(R"("max_completion_tokens":9,"max_tokens":5)")).max_completion_tokens == 9);
  CHECK(read_ok(with(R"("max_completion_tokens":null,"max_tokens":5)")).max_completion_tokens == 5);
  CHECK(read_ok(with(R"("max_tokens":5.0)")).max_completion_tokens == 5);
  CHECK(!read_ok(with(R"("max_tokens":null)")).max_completion_tokens);
}

TEST_CASE("the words of tool_choice") {
  using Mode = ToolChoice::Mode;
  CHECK(read_ok(with(R"("tool_choice":"none")")).tool_choice.mode == Mode::none);
  CHECK(read_ok(with(R"("tool_choice":"auto")")).tool_choice.mode == Mode::automatic);
  CHECK(read_ok(with(R"("tool_choice":"required")")).tool_choice.mode == Mode::required);
  CHECK(read_ok(with(R"("tool_choice":null)")).tool_choice.mode == Mode::unset);
  const ToolChoice raw =
      read_ok(with(R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto"}})"))
          .tool_choice;
  CHECK(raw.mode == Mode::raw);
  CHECK(raw.raw == R"({"type":"allowed_tools","allowed_tools":{"mode":"auto"}})");
}

TEST_CASE("legacy functions become tools, their calls and results get matching ids") {
  const ChatRequest request = read_ok(R"({"model":"m","functions":[{"name":"f","parameters":{}}],
    "function_call":{"name":"f"},"messages":[{"role":"user","content":"hi"},
    {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
    {"role":"function","name":"f","content":"42"}]})");
  CHECK(request.legacy_functions);
  REQUIRE(request.tools.size() == 1);
  CHECK(request.tools[0].name == "f");
  CHECK(request.tool_choice.mode == ToolChoice::Mode::named);
  REQUIRE(request.messages[1].tool_calls.size() == 1);
  CHECK(request.messages[2].role == Role::tool);
  CHECK(request.messages[2].tool_call_id == request.messages[1].tool_calls[0].id);
}

TEST_CASE("a Responses-shaped body is converted") {
  const ChatRequest request = read_ok(R"({"model":"gpt-5.5","instructions":"Be brief.",
    "input":[{"role":"user","content":[{"type":"input_text","text":"hi"},
      {"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"high"}]},
      {"type":"reasoning","id":"rs_1","summary":[]},
      {"type":"function_call","call_id":"c1","name":"f","arguments":"{}"},
      {"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},
      {"type":"function_call_output","call_id":"c1","output":"42"}],
    "tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":false}],
    "reasoning":{"effort":"high"},"text":{"format":{"type":"json_schema","name":"n","schema":{}}},
    "max_output_tokens":77,"include":["reasoning.encrypted_content"],"store":false,"stream":true})");
  REQUIRE(request.messages.size() == 4);
  CHECK(request.messages[0].role == Role::system);
  CHECK(request.messages[1].parts[0].text == "hi");
  CHECK(request.messages[1].parts[1].data == "AAAA");
  CHECK(request.messages[1].parts[1].detail == "high");
  CHECK(request.messages[2].tool_calls.size() == 2);
  CHECK(request.messages[3].tool_call_id == "c1");
  CHECK(request.messages[3].parts[0].text == "42");
  REQUIRE(request.tools.size() == 1);
  CHECK(request.tools[0].parameters == R"({"type":"object"})");
  CHECK(request.reasoning_effort == "high");
  CHECK(request.response_format.name == "n");
  CHECK(request.max_completion_tokens == 77);
  REQUIRE(request.extra.size() == 1);
  CHECK(request.extra[0].name == "store");
  CHECK(read_ok(R"({"model":"m","input":"hi"})").messages[0].parts[0].text == "hi");
}

TEST_CASE("text and images are counted") {
  const ChatRequest request = read_ok(with_message(
      R"({"role":"user","name":"bob","content":[{"type":"text","text":"four"},
      {"type":"image_url","image_url":{"url":"https://x.test/a.png"}}]})"));
  CHECK(request.text_bytes == 2 + 3 + 4);
  CHECK(request.image_count == 1);
  CHECK(read_ok(with(R"("tools":[{"type":"function","function":{"name":"abc"}}])")).text_bytes ==
        5);
}

TEST_CASE("what cannot be read is refused with place, expectation and finding") {
  struct Row {
    const char* name;
    std::string body, refusal;
  };
  const std::vector<Row> rows = {
      {"no JSON", "{",
       "invalid_json||Invalid JSON at line 1, column 2: missing a name for object member."},
      {"no object", "[]", "invalid_value||The body must be a JSON object, but is an array."},
      {"duplicate key", R"({"model":"a","model":"b"})",
       "duplicate_key|model|The JSON object that ends at line 1, column 25 has the key 'model' "
       "twice. Send each key once."},
      {"no message", R"({"messages":[]})",
       "invalid_value|messages|'messages' is empty. Send at least one message."},
      {"no model, good messages", R"({"messages":[{"role":"user","content":"hi"}]})",
       "missing_field|model|'model' is missing. Name a model; GET /v1/models lists the ones you "
       "may use."},
      {"model of a wrong type", R"({"model":7})",
       "invalid_value|model|'model' must be a string, but is a number."},
      {"no messages", R"({"model":"m"})",
       "missing_field|messages|'messages' is missing. Send a list of messages."},
      {"messages of a wrong type", R"({"model":"m","messages":"hi"})",
       "invalid_value|messages|'messages' must be an array of messages, but is a string."},
      {"a message that is no object", with_message("7"),
       "invalid_value|messages[1]|'messages[1]' must be an object with role and content, but is a "
       "number."},
      {"no role", with_message(R"({"content":"x"})"),
       "missing_field|messages[1].role|'messages[1].role' is missing. Say who speaks, such as "
       "user."},
      {"unknown role", with_message(R"({"role":"bot","content":"x"})"),
       "invalid_value|messages[1].role|'messages[1].role' must be system, developer, user, "
       "assistant, tool or function, but is 'bot'."},
      {"no content", with_message(R"({"role":"user"})"),
       "missing_field|messages[1].content|'messages[1].content' is missing. Send a string or an "
       "array of content parts."},
      {"content of a wrong type", with_message(R"({"role":"user","content":7})"),
       "invalid_value|messages[1].content|'messages[1].content' must be a string or an array of "
       "content parts, but is a number."},
      {"part without type", with_message(R"({"role":"user","content":[{"text":"x"}]})"),
       "missing_field|messages[1].content[0].type|'messages[1].content[0].type' is missing. Say "
       "what the part is, such as text."},
      {"unknown part", with_message(R"({"role":"user","content":[{"type":"video"}]})"),
       "invalid_value|messages[1].content[0].type|'messages[1].content[0].type' must be text, "
       "image_url, input_audio, file or refusal, but is 'video'."},
      {"image without url",
       with_message(R"({"role":"user","content":[{"type":"image_url","image_url":{}}]})"),
       "missing_field|messages[1].content[0].image_url.url|'messages[1].content[0].image_url.url' "
       "is missing. Send an https or data URL."},
      {"tool result without id", with_message(R"({"role":"tool","content":"x"})"),
       "missing_field|messages[1].tool_call_id|'messages[1].tool_call_id' is missing. Send the id "
       "of the tool call it answers."},
      {"tool call without name",
       with_message(R"({"role":"assistant","tool_calls":[{"id":"a","function":{}}]})"),
       "missing_field|messages[1].tool_calls[0].function.name|'messages[1].tool_calls[0].function."
       "name' is missing. Name the called function."},
      {"temperature out of range", with(R"("temperature":3)"),
       "invalid_value|temperature|'temperature' must lie between 0 and 2, but is 3."},
      {"temperature as text", with(R"("temperature":"1")"),
       "invalid_value|temperature|'temperature' must be a number, but is a string."},
      {"half a token", with(R"("max_tokens":0.5)"),
       "invalid_value|max_tokens|'max_tokens' must be an integer, but is 0.5."},
      {"no tokens", with(R"("max_completion_tokens":0)"),
       "invalid_value|max_completion_tokens|'max_completion_tokens' must be at least 1, but is 0."},
      {"too many answers", with(R"("n":129)"),
       "invalid_value|n|'n' must lie between 1 and 128, but is 129."},
      {"stream as text", with(R"("stream":"yes")"),
       "invalid_value|stream|'stream' must be true or false, but is a string."},
      {"stop with a number", with(R"("stop":["a",1])"),
       "invalid_value|stop[1]|'stop[1]' must be a string, but is a number."},
      {"unnamed tool", with(R"("tools":[{"type":"function","function":{}}])"),
       "missing_field|tools[0].function.name|'tools[0].function.name' is missing. Name the "
       "function."},
      {"unknown tool_choice", with(R"("tool_choice":"maybe")"),
       "invalid_value|tool_choice|'tool_choice' must be none, auto, required or an object, but is "
       "'maybe'."},
      {"unknown format", with(R"("response_format":{"type":"xml"})"),
       "invalid_value|response_format.type|'response_format.type' must be text, json_object or "
       "json_schema, but is 'xml'."},
      {"earlier response", with(R"("previous_response_id":"resp_1")"),
       "stateful_unsupported|previous_response_id|'previous_response_id' needs state that an "
       "earlier request left at one provider. Jevons keeps none: send the whole conversation with "
       "every request."},
      {"background", with(R"("background":true)"),
       "stateful_unsupported|background|'background' needs state that an earlier request left at "
       "one provider. Jevons keeps none: send the whole conversation with every request."},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(refusal_of(row.body) == row.refusal);
  }
  CHECK(refusal_of(with(R"("background":false,"previous_response_id":null)")) == "accepted");
}
