#include "router/text_stats.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "router/features.h"

using namespace jevons;

namespace {

TextStats stats_of(std::string_view text) {
  TextStats stats;
  scan_text(text, stats);
  return stats;
}

}  // namespace

TEST_CASE("text stats: counts") {
  const TextStats s = stats_of("Which one?\nA. first\n(B) second\nc) 42 + 7\n```x```");
  CHECK(s.bytes == 48);
  CHECK(s.characters == 48);
  CHECK(s.lines == 5);
  CHECK(s.questions == 1);
  CHECK(s.options == 3);
  CHECK(s.digits == 3);
  CHECK(s.numbers == 2);
  CHECK(s.fences == 2);
  CHECK(stats_of("\\alpha $x^2$ \\\\").latex_marks == 4);
  CHECK(stats_of("f(x)[0] = {a: b};").code_marks >= 6);
  CHECK(stats_of("One. Two! Three? 3.14").sentences == 2);
}

TEST_CASE("text stats: the options of a question, however they are written") {
  const struct {
    const char* when;
    const char* text;
    std::int64_t options;
  } rows[] = {
      {"a line each", "Which?\nA. red\nB. blue\nC. green\nD. none", 4},
      {"in small letters", "which?\na. red\nb. blue\nc. green", 3},
      {"in one line", "Which? A. red B. blue C. green", 3},
      {"in brackets", "Which? (A) red (B) blue (c) green", 3},
      {"with colons", "A: red\nB: blue", 2},
      {"alone, without a text", "A.\nB.\nC)", 3},
      {"of two questions", "A. red B. blue\nA. one B. two C. three", 5},
      {"initials are none", "J. R. R. Tolkien and C. S. Lewis", 0},
      {"out of order they are none", "B. red\nD. blue\nC. green", 0},
      {"an article is none", "a word: a b.c or e.g. this, i.e. that", 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(stats_of(row.text).options == row.options);
  }
}

TEST_CASE("text stats: words and characters of every script") {
  struct {
    std::string text;
    std::int64_t characters, words;
  } rows[] = {
      {"two words", 9, 2},   {"naïve café", 10, 2}, {"привет мир", 10, 2}, {"你好世界", 4, 4},
      {"안녕 하세요", 6, 2}, {"こんにちは", 5, 1},  {"שלום עולם", 9, 2},   {"a1b2", 4, 2},
      {"«mot»", 5, 1},       {"😀", 1, 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(stats_of(row.text).characters == row.characters);
    CHECK(stats_of(row.text).words == row.words);
    CHECK(stats_of(row.text).invalid == 0);
  }
}

TEST_CASE("text stats: broken UTF-8 is counted, never read past its end") {
  for (const std::string& text :
       {std::string("\xe4"), std::string("\xf0\x9f\x98"), std::string("\xc3"),
        std::string("a\xe4\xbd"), std::string("\x80\x80"), std::string("\xed\xa0")}) {
    CHECK(stats_of(text).invalid > 0);
  }
  CHECK(stats_of(std::string("\0\1", 2)).invalid == 2);
}

TEST_CASE("token estimates lie near what byte-pair vocabularies count") {
  // Counted with a public 200,000-entry vocabulary.
  struct {
    std::string text;
    double tokens;
  } rows[] = {
      {"The quick brown fox jumps over the lazy dog.", 10},
      {"Internationalization is an extraordinarily long word.", 8},
      {"for (int i = 0; i < n; ++i) { sum += values[i]; }", 21},
      {"1234567890", 4},
      {"", 0},
  };
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(estimate_tokens(row.text) >= row.tokens * 0.7);
    CHECK(estimate_tokens(row.text) <= row.tokens * 1.4 + 0.5);
  }
}

TEST_CASE("features: what surrounds the question is measured apart from it") {
  ChatRequest request;
  request.messages.resize(3);
  request.messages[0].role = Role::system;
  request.messages[0].parts = {{.text = "Be brief."}};
  request.messages[1].role = Role::user;
  request.messages[1].parts = {{.text = "part one"}, {.text = "part two", .cache_control = "{}"}};
  request.messages[2].role = Role::assistant;
  request.messages[2].parts = {{.text = "prefill"}};
  request.tools = {{.name = "t", .parameters = "{\"type\":\"object\"}"}};
  const Features f = features_of(request);
  CHECK(f.question.bytes == 16);
  CHECK(f.question_text_count == 2);
  CHECK(f.question_texts[1] == "part two");
  CHECK(f.instruction.bytes == 9);
  CHECK(f.text_bytes == 16 + 9 + 7 + 1 + 17);
  CHECK(f.schema_bytes == 17);
  CHECK(f.pieces == 4);
  CHECK(f.turns == 1);
  CHECK(f.marks_cache);
  CHECK_FALSE(f.in_tool_loop);
}

TEST_CASE("features: a user turn of many parts keeps the last ones") {
  ChatRequest request;
  request.messages.resize(1);
  for (int i = 0; i < 9; ++i) request.messages[0].parts.push_back({.text = std::to_string(i)});
  const Features f = features_of(request);
  CHECK(f.question_text_count == 4);
  CHECK(f.question_texts[0] == "5");
  CHECK(f.question_texts[3] == "8");
  CHECK(f.question.digits == 9);
}

TEST_CASE("features: without a user the system text is the question") {
  ChatRequest request;
  request.messages.resize(1);
  request.messages[0].role = Role::system;
  request.messages[0].parts = {{.text = "Say something about rivers."}};
  CHECK(features_of(request).question.words == 4);
}
