#include "gateway/cli/routing_rows.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include "tests/gateway/cli/routing_files.h"

using namespace jevons;

namespace {

constexpr const char* two_rows =
    R"({"id":"1","source":"s","dataset":"exam","prompt":"What is it?","scores":{"a":0,"b":1.0},"split":"train"})"
    "\n\n"
    R"({"id":"2","dataset":"talk","prompt":"Hi \u4f60","tools":[{"name":"f"}],"scores":{"a":0.5,"b":7,"c":null},"split":"dev"})"
    "\n";

}  // namespace

TEST_CASE("routing rows: plain and gzip read alike; a split picks its rows; scores are clamped") {
  const RowsFolder folder;
  const std::string plain = folder.write("set.jsonl", two_rows);
  const std::string packed = folder.path("set2.jsonl.gz");
  gzFile file = gzopen(packed.c_str(), "wb");
  REQUIRE(gzputs(file, two_rows) > 0);
  gzclose(file);
  for (const std::string& path : {plain, packed}) {
    CAPTURE(path);
    std::vector<TrainRow> rows;
    std::string why;
    REQUIRE(read_routing_rows(path, "", rows, why));
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].prompt == "What is it?");
    CHECK(rows[0].set.ends_with("/exam"));
    CHECK(rows[0].scores == std::map<std::string, double>{{"a", 0}, {"b", 1}});
    CHECK(rows[1].prompt == "Hi 你");
    CHECK(rows[1].tools == 1);
    CHECK(rows[1].schema_bytes > 0);
    CHECK(rows[1].scores == std::map<std::string, double>{{"a", 0.5}, {"b", 1}});
  }
  std::vector<TrainRow> rows;
  std::string why;
  REQUIRE(read_routing_rows(plain, "dev", rows, why));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].group == "set");
}

TEST_CASE("routing rows: what cannot be used is named with file and line") {
  const RowsFolder folder;
  struct {
    const char* name;
    const char* text;
  } rows[] = {{"not JSON", "{\"prompt\":"},
              {"no prompt", "{\"scores\":{}}"},
              {"prompt is a number", "{\"prompt\":1,\"scores\":{}}"},
              {"no scores", "{\"prompt\":\"x\"}"},
              {"a list", "[1]"}};
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const std::string path =
        folder.write("bad.jsonl", std::string("{\"prompt\":\"x\",\"scores\":{}}\n") + row.text);
    std::vector<TrainRow> read;
    std::string why;
    CHECK_FALSE(read_routing_rows(path, "", read, why));
    CHECK(why == path + ":2: not an object with a text 'prompt' and 'scores' by model");
  }
  std::vector<TrainRow> read;
  std::string why;
  CHECK_FALSE(read_routing_rows("/nowhere/x.jsonl", "", read, why));
  CHECK(why == "/nowhere/x.jsonl: cannot be read");
}

TEST_CASE("word vectors: words in order, cut to size; too few are refused") {
  const RowsFolder folder;
  std::string numbers = "0.5";
  for (std::size_t i = 1; i < word_dimensions + 1; ++i) numbers += ",1";
  const std::string path =
      folder.write("v.json", "{\"words\":[],\"vectors\":{\"the\":[" + numbers + "],\"42\":[" +
                                 numbers + "],\"short\":[1,2],\"of\":[" + numbers + "]}}");
  std::vector<WordVector> words;
  std::string why;
  REQUIRE(read_word_vectors(path, 2, words, why));
  REQUIRE(words.size() == 2);
  CHECK(words[0].word == "the");
  CHECK(words[1].word == "of");
  CHECK(words[0].vector.size() == word_dimensions);
  words.clear();
  CHECK_FALSE(read_word_vectors(path, 3, words, why));
  CHECK(why == path + ": only 2 words with vectors of 100 numbers or more, 3 are wanted");
}
