#include "local_engine/grammar.h"

#include <doctest/doctest.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <random>

#include "tests/local_engine/conformance.h"
#include "tests/local_engine/json_schema_check.h"
#include "tests/local_engine/small_vocabulary.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

const SmallVocabulary& small() {
  static const SmallVocabulary made;
  return made;
}

std::shared_ptr<GrammarTables> tables_of(const std::string& schema) {
  auto grammar = Grammar::from_json_schema(schema);
  REQUIRE_MESSAGE(grammar.has_value(), grammar.error().message());
  return std::make_shared<GrammarTables>(*grammar, small().trie);
}

std::string refusal_of(std::string_view schema) {
  const auto grammar = Grammar::from_json_schema(schema);
  return grammar.has_value() ? "accepted" : grammar.error().message();
}

// Whether the grammar takes the text, fed byte by byte, and may end there.
bool takes(const std::string& schema, std::string_view text) {
  GrammarState state(tables_of(schema));
  for (const char c : text) {
    if (!state.accept(2U + static_cast<unsigned char>(c))) return false;
  }
  return state.is_complete();
}

std::vector<std::string> schemas() {
  rapidjson::Document document;
  document.Parse(read_text(std::filesystem::path(JEVONS_SOURCE_DIR) / "tests" / "local_engine" /
                           "schemas.json"));
  REQUIRE(document.IsArray());
  std::vector<std::string> all;
  for (const auto& schema : document.GetArray()) {
    rapidjson::StringBuffer buffer;
    rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
    schema.Accept(writer);
    all.emplace_back(buffer.GetString());
  }
  return all;
}

// Random tokens out of the mask; from `hurry` steps on those that close something, where there are.
TokenId sample(const TokenBits& mask, bool hurry, std::mt19937& random) {
  std::vector<TokenId> allowed, closing;
  for (TokenId token = 0; token < 512; ++token) {
    if (!mask.test(token)) continue;
    allowed.push_back(token);
    const std::string_view bytes = small().vocabulary->bytes(token);
    const bool closes = std::string_view("\"}]").find(bytes[0]) != std::string_view::npos;
    if (token == 0 || (closes && bytes.size() == 1)) closing.push_back(token);
  }
  REQUIRE(!allowed.empty());
  const auto& from = hurry && !closing.empty() ? closing : allowed;
  return from[random() % from.size()];
}

}  // namespace

TEST_CASE("every sampled answer is valid under its schema") {
  std::mt19937 random(5);
  int finished = 0, total = 0;
  for (const std::string& schema : schemas()) {
    CAPTURE(schema);
    const SchemaCheck check(schema);
    const auto tables = tables_of(schema);
    for (int round = 0; round < 5; ++round) {
      GrammarState state(tables);
      std::string text;
      ++total;
      for (int step = 0; step < 400 && !state.is_finished(); ++step) {
        const TokenId token = sample(state.allow_mask(), step > 20, random);
        REQUIRE(state.accept(token));
        if (token != 0) text += small().vocabulary->bytes(token);
      }
      if (!state.is_finished()) continue;
      ++finished;
      CAPTURE(text);
      CHECK(check.errors(text) == "");
    }
  }
  MESSAGE(finished << " answers of " << total << " were finished");
  CHECK(finished * 10 > total * 8);
}

TEST_CASE("masks equal what trying each token gives") {
  std::mt19937 random(9);
  for (const std::string& schema : schemas()) {
    CAPTURE(schema);
    const auto tables = tables_of(schema);
    GrammarState state(tables);
    GrammarStacks stacks(tables->automaton());  // the same text, stepped without tables or masks
    GrammarStacks::SetId now = stacks.start();
    const auto behind = [&](TokenId token) {
      GrammarStacks::SetId set = now;
      for (const char c : small().trie->bytes(token)) {
        set = stacks.step(set, static_cast<std::uint8_t>(c));
      }
      return set;
    };
    for (int step = 0; step < 30 && !state.is_finished(); ++step) {
      const TokenBits mask = state.allow_mask();
      for (TokenId token = 0; token < 512; ++token) {
        const bool special = small().vocabulary->is_special(token);
        const bool taken = special ? token == 0 && stacks.set(now).ends : behind(token) != 0;
        if (taken == mask.test(token)) continue;
        FAIL("token " << token << " '" << small().vocabulary->bytes(token) << "' is "
                      << (taken ? "left out" : "wrongly allowed") << " at step " << step);
      }
      const TokenId token = sample(mask, step > 15, random);
      REQUIRE(state.accept(token));
      now = behind(token);
    }
  }
}

TEST_CASE("single texts are taken or refused") {
  struct {
    std::string when, schema, text;
    bool taken;
  } rows[] = {
      {"compact", R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]})",
       R"({"a":1})", true},
      {"with blanks", R"({"type":"object","properties":{"a":{"type":"integer"}}})",
       "{\n  \"a\": 1\n}", true},
      {"a missing required property",
       R"({"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]})", "{}", false},
      {"a trailing comma", R"({"type":"array","items":{"type":"integer"}})", "[1,]", false},
      {"a leading zero", R"({"type":"integer"})", "01", false},
      {"minus zero as a whole number", R"({"type":"integer","minimum":-5})", "-0", false},
      {"a bound", R"({"type":"integer","maximum":12})", "13", false},
      {"an emoji counts once", R"({"type":"string","maxLength":1})", "\"\xf0\x9f\x98\x80\"", true},
      {"an escape counts once", R"({"type":"string","maxLength":1})", R"("\n")", true},
      {"two are too many", R"({"type":"string","maxLength":1})", R"("ab")", false},
      {"a pattern at its longest", R"({"pattern":"^a+b*$","minLength":2,"maxLength":4})",
       R"("aaab")", true},
      {"a pattern too long", R"({"pattern":"^a+b*$","minLength":2,"maxLength":4})", R"("aaaab")",
       false},
      {"a pattern too short", R"({"pattern":"^a+b*$","minLength":2})", R"("a")", false},
      {"a pattern beyond its least", R"({"pattern":"^a+b*$","minLength":2})", R"("aaaaabb")", true},
      {"a pattern anywhere in so many", R"({"pattern":"b","maxLength":3})", R"("abc")", true},
      {"too many around a pattern", R"({"pattern":"b","maxLength":3})", R"("aabc")", false},
      {"escapes and emoji of a pattern count once", R"({"pattern":"^[\n😀é]*$","maxLength":3})",
       "\"\\n\xf0\x9f\x98\x80\xc3\xa9\"", true},
      {"one emoji too many", R"({"pattern":"^[\n😀é]*$","maxLength":1})",
       "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\"", false},
      {"an optional part of no length", R"({"pattern":"^(ab)?(c|)$","maxLength":1})", R"("c")",
       true},
      {"where a count leaves one way", R"({"pattern":"^(ab)?(c|)$","minLength":2,"maxLength":2})",
       R"("ab")", true},
      {"half a character", R"({"type":"string"})", "\"\xf0\x9f\"", false},
      {"a lone surrogate", R"({"type":"string"})", R"("\ud800")", false},
      {"a raw newline in a string", R"({"type":"string"})", "\"\n\"", false},
      {"a declared key as an additional one",
       R"({"properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}})",
       R"({"a":"x"})", false},
      {"a longer key is another key",
       R"({"properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}})",
       R"({"a":1, "ab":"x", "b":"y"})", true},
      {"a key disguised by an escape",
       R"({"properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}})",
       R"({"\u0061":"x"})", false},
      {"OpenAPI's nullable", R"({"type":"string","nullable":true})", "null", true},
      {"a tuple of today's drafts",
       R"({"prefixItems":[{"type":"string"}],"items":{"type":"integer"}})", R"(["a",1,2])", true},
      {"its first item of the wrong type",
       R"({"prefixItems":[{"type":"string"}],"items":{"type":"integer"}})", "[1]", false},
      {"a range of wide characters", R"({"type":"string","pattern":"^[\u4e00-\u9fff]{1,3}$"})",
       "\"\xe6\x9d\xb1\"", true},
      {"one outside of it", R"({"type":"string","pattern":"^[\u4e00-\u9fff]{1,3}$"})",
       "\"\xe3\x81\x82\"", false},
      {"an unanchored pattern", R"({"type":"string","pattern":"b"})", R"("abc")", true},
      {"an anchored one", R"({"type":"string","pattern":"^b$"})", R"("abc")", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(takes(row.schema, row.text) == row.taken);
  }
}

TEST_CASE("a schema we cannot promise is refused with the place") {
  struct {
    std::string schema, message;
  } rows[] = {
      {"{", "the schema is not JSON: Missing a name for object member. (at byte 1)"},
      {"3", "the schema at '#' is not an object"},
      {"false", "the schema at '#' is false, which no value satisfies"},
      {R"({"type":"objekt"})", "the schema at '#' has the unknown type 'objekt'"},
      {R"({"properties":{"a":{"not":{"type":"string"}}}})",
       "the schema at '#/properties/a' uses 'not', which is not supported"},
      {R"({"type":"array","items":{},"uniqueItems":true})",
       "the schema at '#' uses 'uniqueItems', which is not supported"},
      {R"({"type":"number","multipleOf":0.1})",
       "the schema at '#' uses 'multipleOf', which is not supported"},
      {R"({"type":"integer","minimum":3,"maximum":2})",
       "the schema at '#' leaves no number between its bounds"},
      {R"({"type":"number","minimum":0.5})",
       "the schema at '#' bounds a number by a fraction, which is not supported"},
      {R"_({"type":"string","pattern":"(?=x)"})_",
       "the schema at '#' has a 'pattern' with a look-around or named group, which is not "
       "supported"},
      {R"_({"type":"string","pattern":"(a)\\1"})_",
       "the schema at '#' has a 'pattern' with the escape '\\1', which is not supported"},
      {R"({"type":"string","pattern":"^aa*$","maxLength":0})",
       "the schema at '#' has a 'pattern' with no text of its length, which is not supported"},
      {R"({"type":"string","pattern":"a.*b.*c.*d","maxLength":4096})",
       "the schema at '#' has a 'pattern' with too long a text to count, which is not supported"},
      {R"({"type":"string","maxLength":100000})",
       "the schema at '#' has a 'maxLength' above 4096, which is not supported"},
      {R"({"$ref":"http://x/y"})",
       "the schema at '#' refers to 'http://x/y'; only references inside the schema (#/...) are "
       "supported"},
      {R"({"items":{"$ref":"#/$defs/x"}})",
       "the schema at '#/items' refers to '#/$defs/x', which does not exist"},
      {R"({"type":"string","pattern":"a.{40}b.{40}$"})", "the schema is too large"},
      {R"({"$ref":"#"})", "the schema at '#' asks for values nested without end"},
      {R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})",
       "the schema at '#' refers to itself and to nothing else"},
      {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})",
       "the schema at '#' asks for values nested without end"},
      {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})",
       "the schema at '#' has a 'oneOf' whose alternatives 0 and 1 may both fit; use 'anyOf', or a "
       "property with a different 'const' in each"},
      {R"({"type":"object","required":["a"],"additionalProperties":false})",
       "the schema at '#' requires 'a' but does not allow it"},
      {R"({"allOf":[{"type":"object","properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{}}}]})",
       "the schema at '#' combines properties with an 'additionalProperties' that excludes them"},
      {R"({"allOf":[{"prefixItems":[{"minimum":3}]}],"items":{"minimum":5}})",
       "the schema at '#' combines 'prefixItems' with the 'items' of another schema, which is not "
       "supported"},
      {R"({"type":"string","enum":[1,2]})", "the schema at '#' allows none of its own values"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.schema);
    CHECK(refusal_of(row.schema) == row.message);
  }
}

TEST_CASE("text that must come is known beforehand") {
  const auto tables = tables_of(
      R"({"type":"object","properties":{"name":{"const":"cat"}},"required":["name"],"additionalProperties":false})");
  GrammarState state(tables);
  CHECK(state.forced_text() == "{");
  REQUIRE(state.accept(2 + '{'));
  CHECK(state.forced_text() == "");  // a blank may follow
  REQUIRE(state.accept(2 + '"'));
  CHECK(state.forced_text() == "name\":");
  for (const char c : std::string("name\":\"")) {
    REQUIRE(state.accept(2U + static_cast<unsigned char>(c)));
  }
  CHECK(state.forced_text() == "cat\"");
}

TEST_CASE("nesting is bounded, and what is open can always be closed") {
  GrammarState state(std::make_shared<GrammarTables>(Grammar::json_object(), small().trie));
  const auto put = [&](char c) { return state.accept(2U + static_cast<unsigned char>(c)); };
  REQUIRE(put('{'));
  int depth = 1;
  while (depth < 1000 && put('"')) {
    REQUIRE((put('"') && put(':')));
    REQUIRE(state.allow_mask().any());
    if (!put('{')) {
      REQUIRE(put('1'));
      break;
    }
    ++depth;
  }
  CHECK(depth > 30);
  CHECK(depth < 200);
  for (; depth > 0; --depth) REQUIRE(put('}'));
  CHECK(state.is_complete());
  CHECK(state.is_finished());
}

TEST_CASE("an end token is taken only where the text is complete") {
  GrammarState state(tables_of(R"({"type":"integer"})"));
  CHECK(!state.accept(0));
  REQUIRE(state.accept(2 + '7'));
  CHECK(state.allow_mask().test(0));
  CHECK(state.accept(0));
  CHECK(state.is_finished());
  CHECK(!state.accept(2 + '7'));
}
