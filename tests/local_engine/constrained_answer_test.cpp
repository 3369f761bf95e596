// Answers that must obey a schema, through the whole engine: template, grammar, sampler, parser.
#include <doctest/doctest.h>

#include <deque>

#include "local_engine/vocabulary.h"
#include "tests/local_engine/conformance.h"
#include "tests/local_engine/engine_fixture.h"
#include "tests/local_engine/json_schema_check.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

constexpr const char* kPerson =
    R"({"type":"object","properties":{"name":{"type":"string","maxLength":12},)"
    R"("age":{"type":"integer","minimum":0,"maximum":120},)"
    R"("kind":{"enum":["cat","dog","bird"]}},"required":["name","age","kind"],)"
    R"("additionalProperties":false})";

std::unique_ptr<Engine> tiny_engine() {
  static const TemporaryFile file("constrained.gguf");
  static const bool written = [] {
    SynthSpec spec = tiny_spec();
    spec.context = 4096;
    return synth_model(spec).write(file.path()).has_value();
  }();
  REQUIRE(written);
  EngineOptions options;
  options.model_path = file.path();
  options.threads = 2;
  options.slots = 4;
  return load_engine(options);
}

std::unique_ptr<Engine> smollm2() {
  const auto path = conformance_folder() / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!have_conformance(path)) return nullptr;
  EngineOptions options;
  options.model_path = path.string();
  options.context = 1024;
  return load_engine(options);
}

Job chat_job(std::string text, std::uint32_t max_tokens) {
  Job job;
  job.messages.push_back({.role = Role::user, .parts = {{std::move(text)}}});
  job.sampling.temperature = 0;
  job.sampling.max_tokens = max_tokens;
  return job;
}

void run(Engine& engine, const Job& job, Client& client) {
  REQUIRE(engine.submit(job, client.receiver()).has_value());
  client.wait();
  REQUIRE_MESSAGE(!client.refusal, (client.refusal ? client.refusal->message() : ""));
}

Tool weather_tool() {
  return {.name = "get_weather",
          .description = "Current weather of a city",
          .parameters = R"({"type":"object","properties":{"city":{"type":"string","maxLength":20},)"
                        R"("unit":{"enum":["c","f"]}},"required":["city","unit"],)"
                        R"("additionalProperties":false})"};
}

}  // namespace

TEST_CASE("a model of random weights still answers in the schema, whatever the seed") {
  const auto engine = tiny_engine();
  const SchemaCheck check(kPerson);
  std::deque<Client> clients(24);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    Job job = raw_job("person", 200);
    job.sampling.temperature = 1;
    job.sampling.seed = i;
    job.response_format = {Format::json_schema, kPerson};
    REQUIRE(engine->submit(std::move(job), clients[i].receiver()).has_value());
  }
  for (Client& client : clients) {
    client.wait();
    CAPTURE(client.text);
    CHECK(client.finish == Finish::stop);
    CHECK(check.errors(client.text) == "");
  }
}

TEST_CASE("json_object: what is complete is an object") {
  const auto engine = tiny_engine();
  const SchemaCheck check(R"({"type":"object"})");
  int complete = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Job job = raw_job("object", 300);
    job.sampling.temperature = 1;
    job.sampling.seed = seed;
    job.sampling.logit_bias = {{'}', 4}, {'"', 3}};  // random weights close nothing of themselves
    job.response_format.kind = Format::json_object;
    Client client;
    run(*engine, job, client);
    CAPTURE(client.text);
    CHECK(client.text.starts_with("{"));
    if (client.finish != Finish::stop) continue;
    ++complete;
    CHECK(check.errors(client.text) == "");
  }
  CHECK(complete >= 5);
}

TEST_CASE("a schema that we cannot hold is refused with its place, and the engine goes on") {
  const auto engine = tiny_engine();
  const auto refusal = [&](std::string schema) {
    Job job = raw_job("x", 10);
    job.response_format = {Format::json_schema, std::move(schema)};
    Client client;
    REQUIRE(engine->submit(std::move(job), client.receiver()).has_value());
    client.wait();
    REQUIRE(client.refusal.has_value());
    CHECK(client.refusal->fault() == EngineFault::invalid_input);
    return client.refusal->message();
  };
  CHECK(refusal("{") == "the schema is not JSON: Missing a name for object member. (at byte 1)");
  CHECK(refusal(R"({"type":"object","patternProperties":{"^x":{}}})") ==
        "the schema at '#' uses 'patternProperties', which is not supported");
  CHECK(refusal(R"({"type":"string","minLength":5,"maxLength":2})") ==
        "the schema at '#' has a 'minLength' above its 'maxLength'");
  Client client;
  run(*engine, raw_job("still here", 3), client);
  CHECK(client.finish == Finish::length);
  CHECK(engine->stats().kv_usage == 0);
}

TEST_CASE("a forced tool call is a call of that tool, its arguments as the tool wants them") {
  const auto engine = tiny_engine();
  const Tool tool = weather_tool();
  const SchemaCheck check(tool.parameters);
  for (const ToolMode mode : {ToolMode::required, ToolMode::named}) {
    Job job = chat_job("Weather in Paris?", 1000);
    job.sampling.temperature = 1;
    job.sampling.seed = 5;
    job.tools = {tool};
    job.tool_choice = {mode, mode == ToolMode::named ? tool.name : ""};
    Client client;
    run(*engine, job, client);
    CHECK(client.finish == Finish::tool_calls);
    CHECK(client.text == "");
    REQUIRE(client.tool_calls.size() == 1);
    CHECK(client.tool_calls[0].name == "get_weather");
    CHECK_FALSE(client.tool_calls[0].id.empty());
    CHECK(check.errors(client.tool_calls[0].arguments) == "");
  }
  Job job = chat_job("Weather in Paris?", 20);
  job.tools = {tool};
  job.tool_choice = {ToolMode::named, "get_time"};
  Client client;
  REQUIRE(engine->submit(std::move(job), client.receiver()).has_value());
  client.wait();
  REQUIRE(client.refusal.has_value());
  CHECK(client.refusal->message() == "tool_choice names no tool of the request");
}

namespace {

// gpt-oss' channels on random weights: its seven tokens behind the bytes, and a template that ends
// where the model is to choose a channel.
std::unique_ptr<Engine> harmony_engine() {
  static const TemporaryFile file("harmony.gguf");
  static const bool written = [] {
    SynthSpec spec = tiny_spec();
    spec.context = 4096;
    std::vector<std::string> tokens;
    std::vector<std::int32_t> kinds;
    for (int byte = 0; byte < 256; ++byte) {
      tokens.push_back(encode_byte_alphabet(std::string(1, static_cast<char>(byte))));
      kinds.push_back(1);
    }
    for (const char* name : {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>",
                             "<|call|>", "<|return|>"}) {
      tokens.emplace_back(name);
      kinds.push_back(3);
    }
    spec.vocabulary = static_cast<std::uint32_t>(tokens.size());
    GgufWriter writer = synth_model(spec);
    writer.set_strings("tokenizer.ggml.tokens", tokens);
    writer.set_i32s("tokenizer.ggml.token_type", kinds);
    writer.set_u32("tokenizer.ggml.bos_token_id", 256);
    writer.set_u32("tokenizer.ggml.eos_token_id", 262);
    writer.set_string("tokenizer.chat_template",
                      "{% for m in messages %}<|start|>{{ m.role }}<|channel|>final<|message|>"
                      "{{ m.content }}<|end|>{% endfor %}"
                      "{% if add_generation_prompt %}<|start|>assistant{% endif %}");
    return writer.write(file.path()).has_value();
  }();
  REQUIRE(written);
  EngineOptions options;
  options.model_path = file.path();
  options.threads = 2;
  return load_engine(options);
}

}  // namespace

TEST_CASE(
    "a forced call in Harmony's channels: its name from the prompt, arguments in the schema") {
  const auto engine = harmony_engine();
  const Tool tool = weather_tool();
  const Tool other = {.name = "get_time", .description = "", .parameters = ""};
  const SchemaCheck check(tool.parameters);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Job job = chat_job("Weather in Paris?", 1000);
    job.sampling.temperature = 1;
    job.sampling.seed = seed;
    job.tools = seed % 2 == 0 ? std::vector<Tool>{tool} : std::vector<Tool>{other, tool};
    job.tool_choice = {ToolMode::required, ""};
    if (seed % 2 == 1) job.tool_choice = {ToolMode::named, tool.name};
    Client client;
    run(*engine, job, client);
    CHECK(client.finish == Finish::tool_calls);
    CHECK(client.text == "");
    CHECK(client.reasoning == "");
    REQUIRE_FALSE(client.tool_calls.empty());
    CHECK(client.tool_calls[0].name == "get_weather");
    CHECK_FALSE(client.tool_calls[0].id.empty());
    std::string arguments;
    for (const ToolCallDelta& part : client.tool_calls) {
      CHECK(part.index == 0);
      arguments += part.arguments;
    }
    CAPTURE(arguments);
    CHECK(check.errors(arguments) == "");
  }
  Job job = chat_job("Either?", 20);
  job.tools = {tool, other};
  job.tool_choice = {ToolMode::required, ""};
  Client client;
  REQUIRE(engine->submit(std::move(job), client.receiver()).has_value());
  client.wait();
  REQUIRE(client.refusal.has_value());
  CHECK(client.refusal->message() ==
        "this model names the tool before its arguments: name the one that it must call in "
        "tool_choice, or use auto");
}

TEST_CASE("SmolLM2 fills a schema with sense") {
  const auto engine = smollm2();
  if (!engine) return;
  const std::string schema =
      R"({"type":"object","properties":{"city":{"type":"string","maxLength":40},)"
      R"("country":{"type":"string","maxLength":40}},"required":["city","country"],)"
      R"("additionalProperties":false})";
  Job job = chat_job("Where is the Eiffel Tower? Answer in JSON with city and country.", 120);
  job.response_format = {Format::json_schema, schema};
  Client client;
  run(*engine, job, client);
  CAPTURE(client.text);
  CHECK(client.finish == Finish::stop);
  CHECK(SchemaCheck(schema).errors(client.text) == "");
  CHECK(client.text.find("Paris") != std::string::npos);
  // Drawn at random, eight together: each valid.
  std::deque<Client> clients(8);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    Job drawn = job;
    drawn.sampling.temperature = 1;
    drawn.sampling.seed = i;
    drawn.response_format = {Format::json_schema, kPerson};
    REQUIRE(engine->submit(std::move(drawn), clients[i].receiver()).has_value());
  }
  for (Client& one : clients) {
    one.wait();
    CAPTURE(one.text);
    CHECK(one.finish == Finish::stop);
    CHECK(SchemaCheck(kPerson).errors(one.text) == "");
  }
}

TEST_CASE("SmolLM2, whose template knows no tools, is shown them and calls the one it must") {
  const auto engine = smollm2();
  if (!engine) return;
  const Tool tool = weather_tool();
  Job job = chat_job("What is the weather in Paris?", 120);
  job.tools = {tool};
  job.tool_choice.mode = ToolMode::required;
  Client client;
  run(*engine, job, client);
  CHECK(client.finish == Finish::tool_calls);
  REQUIRE(client.tool_calls.size() == 1);
  CHECK(client.tool_calls[0].name == "get_weather");
  CAPTURE(client.tool_calls[0].arguments);
  CHECK(SchemaCheck(tool.parameters).errors(client.tool_calls[0].arguments) == "");
  CHECK(client.tool_calls[0].arguments.find("Paris") != std::string::npos);
}
