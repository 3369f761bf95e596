#include "local_engine/call_form.h"

#include <doctest/doctest.h>

#include "local_engine/answer.h"
#include "local_engine/grammar_schema.h"
#include "tests/local_engine/conformance.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

const CallForm& form_of(std::string_view told) {
  const CallForm* form = call_form_of(told);
  REQUIRE(form != nullptr);
  return *form;
}
const CallForm& llama() {
  return form_of(
      R"({"name": function name, "parameters": dictionary of argument name and its value})");
}
const CallForm& mistral_list() { return form_of("[TOOL_CALLS]["); }
const CallForm& mistral_named() { return form_of("[TOOL_CALLS]' + name + '[ARGS]"); }

std::string shown(const std::vector<NamedCall>& calls) {
  std::string text;
  for (const NamedCall& call : calls) text += call.name + call.arguments + " ";
  return text;
}

}  // namespace

TEST_CASE("calls are read in the form that the template teaches") {
  struct {
    const char* name;
    const CallForm& form;
    const char* text;
    const char* calls;
  } rows[] = {
      {"object", common_call_form(), " {\"name\": \"f\", \"arguments\": {\"a\": 1}}\n",
       "f{\"a\":1} "},
      {"no arguments", common_call_form(), R"({"name":"f"})", "f{} "},
      {"not JSON", common_call_form(), "f(1)", ""},
      {"no name", common_call_form(), R"({"arguments":{}})", ""},
      {"Llama's word", llama(), R"({"name":"f","parameters":{"a":"b"}})", "f{\"a\":\"b\"} "},
      {"two with a semicolon", llama(),
       R"({"name":"f","parameters":{}}; {"name":"g","parameters":{}})", "f{} g{} "},
      {"an answer that has a name", llama(), R"({"name":"Bob","age":3})", ""},
      {"call and prose", llama(), R"({"name":"f","parameters":{}} I think)", ""},
      {"list", mistral_list(), R"( [{"name":"f","arguments":{"a":1}},{"name":"g","arguments":{}}])",
       "f{\"a\":1} g{} "},
      {"list with a stranger", mistral_list(), R"([{"name":"f"}, 3])", ""},
      {"name and arguments", mistral_named(), R"(f[ARGS]{"a": 1})", "f{\"a\":1} "},
      {"name, id and arguments", mistral_named(), R"(f[CALL_ID]abcdefghi[ARGS]{})", "f{} "},
      {"no object", mistral_named(), "f[ARGS]1", ""},
      {"no name before", mistral_named(), "[ARGS]{}", ""},
      {"no mark", mistral_named(), "f{}", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(shown(calls_in(row.form, row.text)) == row.calls);
  }
}

TEST_CASE("an answer without marks is a call as long as it may become one") {
  for (const char* may :
       {"", " ", "{", "{ ", "{\n  \"na", "{\"name\"", "{\"name\" :", "{\"name\": 1"})
    CHECK_FALSE(cannot_be_call(may));
  for (const char* cannot : {"H", "[", "{\"age", "{}", "{\"name\"}", "{\"names"})
    CHECK(cannot_be_call(cannot));
}

TEST_CASE("calls and text are told apart wherever the text is cut, in every form") {
  struct {
    const CallForm& form;
    const char* written;
    const char* text;
    const char* calls;
  } rows[] = {
      {mistral_named(), R"(Let me.[TOOL_CALLS]f[ARGS]{"a":1}[TOOL_CALLS]g[ARGS]{})", "Let me.",
       "f{\"a\":1} g{} "},
      {mistral_list(), R"([TOOL_CALLS] [{"name":"f","arguments":{"a":"[TOOL_CALLS]"}}])", "",
       "f{\"a\":\"[TOOL_CALLS]\"} "},
      {mistral_list(), "[TOOL_CALLS] broken", "[TOOL_CALLS] broken", ""},
      {llama(), R"({"name": "f", "parameters": {"a": 1}})", "", "f{\"a\":1} "},
      {llama(), R"({"name": "Bob"} is he)", R"({"name": "Bob"} is he)", ""},
      {llama(), R"(Well, {"name": "f", "parameters": {}})",
       R"(Well, {"name": "f", "parameters": {}})", ""},
  };
  for (const auto& row : rows) {
    const std::string_view written = row.written;
    for (std::size_t step = 1; step <= written.size(); ++step) {
      CAPTURE(written);
      CAPTURE(step);
      MarkupOptions options;
      options.calls = &row.form;
      const auto parser = make_markup_parser(options);
      Parts parts;
      for (std::size_t i = 0; i < written.size(); i += step)
        parser->push(0, written.substr(i, step), parts);
      parser->finish(parts);
      CHECK(parts.text == row.text);
      std::string calls;
      for (const ToolCallDelta& call : parts.tool_calls) calls += call.name + call.arguments + " ";
      CHECK(calls == row.calls);
    }
  }
}

TEST_CASE("marks that are control tokens count as the text that they stand for") {
  MarkupOptions options;
  options.calls = &mistral_named();
  options.marks = {{7, "[TOOL_CALLS]"}, {8, "[ARGS]"}};
  const auto parser = make_markup_parser(options);
  Parts parts;
  parser->push(7, "", parts);
  parser->push(1, "f", parts);
  parser->push(8, "", parts);
  parser->push(2, "{}", parts);
  parser->finish(parts);
  CHECK(parts.text == "");
  REQUIRE(parts.tool_calls.size() == 1);
  CHECK(parts.tool_calls[0].name == "f");
}

TEST_CASE("references inside a tool's schema still hold where it is embedded") {
  Tool plain{.name = "f"};
  Tool tree{.name = "g"};
  tree.parameters =
      R"({"type":"object","properties":{"$ref":{"$ref":"#/$defs/n"},"a":{"$ref":"#"}},)"
      R"("$defs":{"n":{"type":"array","items":{"$ref":"#/$defs/n"}}}})";
  const std::string at_1 =
      R"({"type":"object","properties":{"$ref":{"$ref":"#/anyOf/1/properties/arguments/$defs/n"},)"
      R"("a":{"$ref":"#/anyOf/1/properties/arguments"}},"$defs":{"n":{"type":"array",)"
      R"("items":{"$ref":"#/anyOf/1/properties/arguments/$defs/n"}}}})";
  const std::string both = forced_calls_schema(common_call_form(), {&plain, &tree});
  CHECK(both.find("\"arguments\":" + at_1) != std::string::npos);
  for (const CallForm* form : {&common_call_form(), &mistral_list(), &llama()}) {
    CAPTURE(form->told_by);
    const auto rules = rules_of_schema(forced_calls_schema(*form, {&plain, &tree}));
    CHECK_MESSAGE(rules.has_value(), (rules ? "" : rules.error().message()));
  }
  tree.parameters = "{nonsense";
  CHECK(forced_calls_schema(common_call_form(), {&tree}).find("{nonsense") != std::string::npos);
}

TEST_CASE("ids are nine letters and digits, the same for the same id") {
  CHECK(short_call_id("abcDEF123") == "abcDEF123");
  const std::string one = short_call_id("call_0123456789abcdef_0");
  CHECK(one.size() == 9);
  CHECK(one == short_call_id("call_0123456789abcdef_0"));
  CHECK(one != short_call_id("call_0123456789abcdef_1"));
  CHECK(short_call_id("abc-EF123") != "abc-EF123");
}

TEST_CASE("the templates of the families teach their forms") {
  struct {
    const char* file;
    const CallForm* form;
  } rows[] = {
      {"meta-llama-Llama-3.1-8B-Instruct", &llama()},
      {"meta-llama-Llama-3.2-3B-Instruct", &llama()},
      {"meta-llama-Llama-3.3-70B-Instruct", &llama()},
      {"mistralai-Mistral-Nemo-Instruct-2407", &mistral_list()},
      {"Mistral-Small-3.2-24B-Instruct-2506", &mistral_named()},
      {"mistralai-Ministral-3-14B-Reasoning-2512", &mistral_named()},
      {"unsloth-mistral-Devstral-Small-2507", &mistral_named()},
      {"Qwen-Qwen2.5-7B-Instruct", &common_call_form()},
      {"Qwen-Qwen3-0.6B", &common_call_form()},
      {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", &common_call_form()},
      {"deepseek-ai-DeepSeek-V3.1", nullptr},
  };
  const auto folder = conformance_folder() / "templates";
  for (const auto& row : rows) {
    const auto path = folder / (std::string(row.file) + ".jinja");
    if (!have_conformance(path)) return;
    CAPTURE(row.file);
    CHECK(call_form_of(read_text(path)) == row.form);
  }
}
