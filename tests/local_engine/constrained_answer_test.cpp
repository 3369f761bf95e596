// Answers that must obey a schema, through the whole engine: template, grammar, sampler, parser.
#include <doctest/doctest.h>

#include <deque>
#include <map>

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

// Random weights over the bytes and these control tokens, of which the last ends an answer.
std::unique_ptr<Engine> engine_with(const TemporaryFile& file,
                                    std::initializer_list<const char*> controls,
                                    const char* chat_template) {
  const bool written = [&] {
    SynthSpec spec = tiny_spec();
    spec.context = 16384;
    std::vector<std::string> tokens;
    std::vector<std::int32_t> kinds;
    for (int byte = 0; byte < 256; ++byte) {
      tokens.push_back(encode_byte_alphabet(std::string(1, static_cast<char>(byte))));
      kinds.push_back(1);
    }
    for (const char* name : controls) {
      tokens.emplace_back(name);
      kinds.push_back(3);
    }
    spec.vocabulary = static_cast<std::uint32_t>(tokens.size());
    GgufWriter writer = synth_model(spec);
    writer.set_strings("tokenizer.ggml.tokens", tokens);
    writer.set_i32s("tokenizer.ggml.token_type", kinds);
    writer.set_u32("tokenizer.ggml.bos_token_id", 256);
    writer.set_u32("tokenizer.ggml.eos_token_id", spec.vocabulary - 1);
    writer.set_string("tokenizer.chat_template", chat_template);
    return writer.write(file.path()).has_value();
  }();
  REQUIRE(written);
  EngineOptions options;
  options.model_path = file.path();
  options.threads = 2;
  return load_engine(options);
}

// gpt-oss' channels: a template that ends where the model is to choose one.
std::unique_ptr<Engine> harmony_engine() {
  static const TemporaryFile file("harmony.gguf");
  return engine_with(file,
                     {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>",
                      "<|call|>", "<|return|>"},
                     "{% for m in messages %}<|start|>{{ m.role }}<|channel|>final<|message|>"
                     "{{ m.content }}<|end|>{% endfor %}"
                     "{% if add_generation_prompt %}<|start|>assistant{% endif %}");
}

// Tools and calls as the templates of these families write them, and nothing else of them.
std::unique_ptr<Engine> family_engine(std::string_view family) {
  static const TemporaryFile llama("llama3.gguf"), list("mistral_list.gguf"),
      named("mistral_named.gguf");
  constexpr const char* tools = "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}";
  constexpr const char* words = "{% for m in messages %}{{ m.content }}{% endfor %}";
  if (family == "llama") {
    const std::string told =
        std::string(tools) +
        "{{ 'Respond in the format {\"name\": function name, \"parameters\": dictionary of "
        "argument name and its value}.' }}" +
        words;
    return engine_with(llama, {"<s>", "<|python_tag|>", "<|eot_id|>"}, told.c_str());
  }
  const bool by_name = family == "mistral, named";
  const std::string told = std::string(tools) + words +
                           "{% for m in messages %}{% for c in m.tool_calls or [] %}"
                           "{% if c.id|length != 9 %}{{ raise_exception('nine!') }}{% endif %}" +
                           (by_name ? "[TOOL_CALLS]{{ c.function.name }}[ARGS]"
                                      "{{ c.function.arguments }}"
                                    : "[TOOL_CALLS][{\"name\": \"{{ c.function.name }}\"}]") +
                           "{% endfor %}{% endfor %}";
  return engine_with(by_name ? named : list, {"<s>", "[TOOL_CALLS]", "[ARGS]", "</s>"},
                     told.c_str());
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
}

TEST_CASE("where several tools may be called, the model chooses one and keeps to its arguments") {
  const Tool weather = weather_tool();
  const Tool time = {.name = "get_weather_time",
                     .description = "",
                     .parameters = R"({"type":"object","properties":{"zone":{"enum":["x","y"]}},)"
                                   R"("required":["zone"],"additionalProperties":false})"};
  for (const std::string_view family :
       {"common", "harmony", "llama", "mistral, list", "mistral, named"}) {
    CAPTURE(family);
    const auto engine = family == "harmony"  ? harmony_engine()
                        : family == "common" ? tiny_engine()
                                             : family_engine(family);
    std::map<std::string, int> called;
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      Job job = chat_job("Either?", 1000);
      job.sampling.temperature = 1;
      job.sampling.seed = seed;
      job.tools = {weather, time};
      job.tool_choice = {ToolMode::required, ""};
      if (seed % 4 == 0) job.tool_choice = {ToolMode::named, time.name};
      Client client;
      run(*engine, job, client);
      CAPTURE(client.text);
      CHECK(client.finish == Finish::tool_calls);
      CHECK(client.text == "");
      REQUIRE_FALSE(client.tool_calls.empty());
      const std::string name = client.tool_calls[0].name;
      std::string arguments;
      for (const ToolCallDelta& part : client.tool_calls) {
        CHECK(part.index == 0);
        arguments += part.arguments;
      }
      CAPTURE(arguments);
      REQUIRE((name == weather.name || name == time.name));
      if (seed % 4 == 0) CHECK(name == time.name);
      CHECK(
          SchemaCheck(name == time.name ? time.parameters : weather.parameters).errors(arguments) ==
          "");
      ++called[name];
    }
    CHECK(called.size() == 2);
  }
}

TEST_CASE("ids of calls are made to fit templates that insist on nine characters") {
  const auto engine = family_engine("mistral, list");
  Job job = chat_job("Weather in Paris?", 5);
  job.tools = {weather_tool()};
  Message called{.role = Role::assistant};
  called.tool_calls.push_back({.id = "call_0123_0", .name = "get_weather", .arguments = "{}"});
  job.messages.push_back(called);
  job.messages.push_back({.role = Role::tool, .parts = {{"sunny"}}, .tool_call_id = "call_0123_0"});
  Client client;
  run(*engine, job, client);
  CHECK(client.finish != Finish::error);
}

TEST_CASE("a forced call or schema closes the reasoning that the template opened") {
  static const TemporaryFile file("thinks.gguf");
  const auto engine = engine_with(file, {"<s>", "</s>"},
                                  "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}"
                                  "{% for m in messages %}{{ m.content }}{% endfor %}<think>\n"
                                  "{# <tool_call> #}");
  const Tool tool = weather_tool();
  Job job = chat_job("Weather in Paris?", 1000);
  job.tools = {tool};
  job.tool_choice = {ToolMode::required, ""};
  Client called;
  run(*engine, job, called);
  CHECK(called.finish == Finish::tool_calls);
  CHECK(called.reasoning == "");
  REQUIRE(called.tool_calls.size() == 1);
  CHECK(SchemaCheck(tool.parameters).errors(called.tool_calls[0].arguments) == "");

  job = chat_job("Yes or no?", 100);
  job.response_format = {Format::json_schema, R"({"enum":["yes","no"]})"};
  Client answered;
  run(*engine, job, answered);
  CHECK(answered.reasoning == "");
  CHECK((answered.text == "\"yes\"" || answered.text == "\"no\""));
}

TEST_CASE("a forced call under the models' own templates, with earlier calls of other models") {
  const auto folder = conformance_folder() / "templates";
  if (!have_conformance(folder)) return;
  static const TemporaryFile file("own_template.gguf");
  // The tokens of all families together, so that each template finds its own.
  const auto engine_of = [&](const char* name, bool harmony) {
    const std::string source = read_text(folder / name);
    REQUIRE_FALSE(source.empty());
    if (harmony) {
      return engine_with(file,
                         {"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>",
                          "<|call|>", "<|return|>"},
                         source.c_str());
    }
    return engine_with(file,
                       {"<s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[CALL_ID]", "[ARGS]",
                        "<|tool_call|>", "<|python_tag|>", "<|im_start|>", "</s>"},
                       source.c_str());
  };
  const Tool tool = weather_tool();
  for (const char* name :
       {"meta-llama-Llama-3.1-8B-Instruct.jinja", "meta-llama-Llama-3.2-3B-Instruct.jinja",
        "Mistral-Small-3.2-24B-Instruct-2506.jinja", "unsloth-mistral-Devstral-Small-2507.jinja",
        "mistralai-Mistral-Nemo-Instruct-2407.jinja", "ibm-granite-granite-3.3-2B-Instruct.jinja",
        "Qwen-Qwen3-0.6B.jinja", "openai-gpt-oss-120b.jinja"}) {
    CAPTURE(name);
    const auto engine = engine_of(name, std::string_view(name).starts_with("openai"));
    Job job = chat_job("Weather in Paris?", 1000);
    job.tools = {{.name = "get_time", .description = "", .parameters = ""}, tool};
    job.tool_choice = {ToolMode::named, tool.name};
    Message call, result;
    call.role = Role::assistant;
    call.tool_calls = {{.id = "toolu_01_long", .name = "get_time", .arguments = "{}"}};
    result.role = Role::tool;
    result.parts = {{"noon"}};
    result.tool_call_id = "toolu_01_long";
    job.messages.push_back(call);
    job.messages.push_back(result);
    Client client;
    run(*engine, job, client);
    CHECK(client.finish == Finish::tool_calls);
    CHECK(client.text == "");
    REQUIRE_FALSE(client.tool_calls.empty());
    CHECK(client.tool_calls[0].name == tool.name);
    std::string arguments;
    for (const ToolCallDelta& part : client.tool_calls) arguments += part.arguments;
    CHECK(SchemaCheck(tool.parameters).errors(arguments) == "");
  }
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
