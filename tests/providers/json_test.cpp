#include "providers/json.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace jevons;

namespace {

std::string error_of(std::string_view text) {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse(text);
  return parsed ? "accepted" : parsed.error().message();
}

std::string nested(std::size_t depth, char open, char close) {
  return std::string(depth, open) + std::string(depth, close);
}

}  // namespace

TEST_CASE("what RFC 8259 allows is accepted and written canonically") {
  struct Row {
    const char* name;
    std::string text, canonical;
  };
  const std::vector<Row> rows = {
      {"white space around", " \t\r\n {\"a\" : 1 } \n", R"({"a":1})"},
      {"scalars at the top", "true", "true"},
      {"empty containers", "[{},[],\"\"]", R"([{},[],""])"},
      {"numbers stay as written", "[1.0,1e2,-0,0.10,12345678901234567890123,1E+2]",
       "[1.0,1e2,-0,0.10,12345678901234567890123,1E+2]"},
      {"a number that is zero as a double", "1e-400", "1e-400"},
      {"three hundred zeros after the point", "0." + std::string(320, '0') + "1",
       "0." + std::string(320, '0') + "1"},
      {"escapes become text", R"("\u0041\/\ud83d\ude00\n\u0000")",
       "\"A/\xF0\x9F\x98\x80\\n\\u0000\""},
      {"control characters get short escapes", R"("\b\f\t\u001f")", R"("\b\f\t\u001f")"},
      {"deepest allowed", nested(64, '[', ']'), nested(64, '[', ']')},
      {"same key in different objects", R"({"a":{"a":1},"b":{"a":2}})",
       R"({"a":{"a":1},"b":{"a":2}})"},
      {"UTF-8 up to the last plane", "\"\xC3\xA9\xE2\x82\xAC\xF4\x8F\xBF\xBF\"",
       "\"\xC3\xA9\xE2\x82\xAC\xF4\x8F\xBF\xBF\""},
      {"a surrogate's neighbours", "\"\\ud7ff\\ue000\"", "\"\xED\x9F\xBF\xEE\x80\x80\""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    JsonDocument document;
    const Result<JsonView> parsed = document.parse(row.text);
    REQUIRE(parsed.has_value());
    CHECK(parsed->json() == row.canonical);
  }
}

TEST_CASE("everything else is refused, with its place") {
  struct Row {
    const char* name;
    std::string text, message;
  };
  const std::vector<Row> rows = {
      {"empty", "", "Invalid JSON at line 1, column 1: the document is empty."},
      {"only white space", " \n ", "Invalid JSON at line 2, column 2: the document is empty."},
      {"trailing comma", "[1,]", "Invalid JSON at line 1, column 4: invalid value."},
      {"missing colon", "{\"a\"\n 1}",
       "Invalid JSON at line 2, column 2: missing a colon after a name of object member."},
      {"two values", "1 2",
       "Invalid JSON at line 1, column 3: the document root must not be followed by other values."},
      {"NUL after the value", std::string("{}\0x", 4),
       "Invalid JSON at line 1, column 3: a NUL byte follows the value."},
      {"NUL inside", std::string("[1,\0 2]", 7),
       "Invalid JSON at line 1, column 4: invalid value."},
      {"too large for a double", "[1e400]",
       "Invalid JSON at line 1, column 2: number too big to be stored in double."},
      {"too large without an exponent", std::string(400, '9'),
       "Invalid JSON at line 1, column 1: number too big to be stored in double."},
      {"just too large for a double", "[2e308]",
       "Invalid JSON at line 1, column 2: a number is too large for a double."},
      {"NaN", "NaN", "Invalid JSON at line 1, column 1: invalid value."},
      {"Infinity", "-Infinity", "Invalid JSON at line 1, column 2: invalid value."},
      {"leading zero", "012",
       "Invalid JSON at line 1, column 2: the document root must not be followed by other values."},
      {"lone high surrogate", R"("\ud800")",
       "Invalid JSON at line 1, column 2: the surrogate pair in string is invalid."},
      {"lone low surrogate", R"("\udc00")",
       "Invalid JSON at line 1, column 9: a string holds a lone surrogate escape."},
      {"low surrogate in a key", R"({"\udfff":1})",
       "Invalid JSON at line 1, column 10: a key holds a lone surrogate escape."},
      {"invalid UTF-8", "\"\xFF\"", "The JSON text is not valid UTF-8."},
      {"overlong UTF-8", "\"\xC0\xAF\"", "The JSON text is not valid UTF-8."},
      {"surrogate in UTF-8", "\"\xED\xA0\x80\"", "The JSON text is not valid UTF-8."},
      {"raw control character", "\"\n\"",
       "Invalid JSON at line 1, column 2: a control character in a string must be escaped."},
      {"a comment", "/**/1", "Invalid JSON at line 1, column 1: invalid value."},
      {"a BOM", "\xEF\xBB\xBF{}", "Invalid JSON at line 1, column 1: invalid value."},
      {"too deep", nested(65, '[', ']'),
       "Invalid JSON at line 1, column 65: nested deeper than 64 levels."},
      {"a million levels", std::string(1'000'000, '['),
       "Invalid JSON at line 1, column 65: nested deeper than 64 levels."},
      {"duplicate key", R"({"model":"a","b":{},"model":"c"})",
       "The JSON object that ends at line 1, column 32 has the key 'model' twice. Send each key "
       "once."},
      {"duplicate key by an escape", R"([{"a":1,"\u0061":2}])",
       "The JSON object that ends at line 1, column 19 has the key 'a' twice. Send each key once."},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(error_of(row.text) == row.message);
  }
}

TEST_CASE("an upstream's number beyond a double reads as null, the rest as it is") {
  struct Row {
    const char* when;
    std::string text, read;
  };
  const std::vector<Row> rows = {
      {"a member", R"({"a":1e400,"b":"x"})", R"({"a":null,"b":"x"})"},
      {"several", "[-1e999, 2e308, 3]", "[null,null,3]"},
      {"without an exponent", "[" + std::string(400, '9') + ",1]", "[null,1]"},
      {"alone", "1E+400", "null"},
      {"inside a string it is text", R"(["1e400"])", R"(["1e400"])"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.when);
    JsonDocument document;
    const Result<JsonView> parsed = document.parse_answer(row.text);
    REQUIRE(parsed.has_value());
    CHECK(parsed->json() == row.read);
  }
  JsonDocument document;
  CHECK_FALSE(document.parse_answer("[1e400").has_value());
  CHECK_FALSE(document.parse_answer(R"({"a":1e400,"a":2})").has_value());
}

TEST_CASE("a duplicate key is its own code and names the key") {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse(R"({"tools":[{"x":1,"x":1}]})");
  REQUIRE(parsed.has_error());
  CHECK(parsed.error().fault() == Fault::duplicate_key);
  CHECK(parsed.error().param() == "x");
  CHECK(document.root().absent());
}

TEST_CASE("many keys are compared without quadratic work, wherever the twin stands") {
  std::string text = "{";
  for (int i = 0; i < 200'000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  JsonDocument document;
  CHECK(document.parse(text + "\"last\":0}").has_value());
  const Result<JsonView> parsed = document.parse(text + "\"k777\":0}");
  REQUIRE(parsed.has_error());
  CHECK(parsed.error().param() == "k777");
}

TEST_CASE("a million values are the limit") {
  const auto array_of = [](int count) {
    std::string text = "[0";
    for (int i = 1; i < count; ++i) text += ",0";
    return text + "]";
  };
  CHECK(error_of(array_of(999'999)) == "accepted");  // and the array itself
  CHECK(error_of(array_of(1'000'000)) ==
        "Invalid JSON at line 1, column 2000000: more than 1000000 values.");
}

TEST_CASE("views read what is there and are absent otherwise") {
  JsonDocument document;
  const JsonView root = *document.parse(
      R"({"a":{"b":[1,"two",null,true]},"n":7.0,"big":9223372036854775807,)"
      R"("huge":9223372036854775808,"half":0.5,"e":1e3,"neg":-9223372036854775808})");
  CHECK(root["a"]["b"].size() == 4);
  CHECK(root["a"]["x"]["y"].absent());
  CHECK(root["n"]["b"].absent());
  std::string kinds;
  for (JsonView item : root["a"]["b"]) kinds += std::string(json_kind_name(item.kind())) + ";";
  CHECK(kinds == "a number;a string;null;a boolean;");
  std::string keys;
  for (auto member = root.begin(); member != root.end(); ++member) {
    keys += std::string(member.key()) + ";";
  }
  CHECK(keys == "a;n;big;huge;half;e;neg;");
  CHECK(root["n"].integer() == 7);
  CHECK(root["big"].integer() == INT64_MAX);
  CHECK(root["neg"].integer() == INT64_MIN);
  CHECK(root["e"].integer() == 1000);
  CHECK(!root["huge"].integer());
  CHECK(!root["half"].integer());
  CHECK(root["half"].number() == 0.5);
  CHECK(!root["a"].number());
  for (JsonView nothing : root["n"]) {
    CAPTURE(nothing.json());
    CHECK(false);
  }
}

TEST_CASE("a document parses again in the same memory") {
  JsonDocument document;
  CHECK(document.parse(R"({"a":"first and long enough to move"})")->json().size() == 37);
  CHECK(document.parse("{").has_error());
  CHECK(document.root().absent());
  CHECK(document.parse("[1]")->json() == "[1]");
}

TEST_CASE("the writer sets commas, escapes and shortest numbers") {
  std::string text;
  JsonWriter out(text);
  out.begin_object().key("a").begin_array().integer(-1).number(0.1).number(1e300).boolean(false);
  out.null().raw("{\"x\":1}").begin_array().end_array().end_array();
  out.key("q\"").string("line\nbreak \\ \x01 \xC3\xA9").key("o").begin_object().end_object();
  out.end_object();
  CHECK(text ==
        "{\"a\":[-1,0.1,1e+300,false,null,{\"x\":1},[]],"
        "\"q\\\"\":\"line\\nbreak \\\\ \\u0001 \xC3\xA9\",\"o\":{}}");
  text.clear();
  JsonWriter(text).begin_array().number(1.0 / 0.0).number(0.1F).number(0.1).end_array();
  CHECK(text == "[null,0.1,0.1]");
}
