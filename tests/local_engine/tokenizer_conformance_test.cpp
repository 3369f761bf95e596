// Equality with llama.cpp on its own vocabularies: each .inp holds texts, each .out their tokens.
#include <doctest/doctest.h>

#include <random>
#include <sstream>

#include "local_engine/tokenizer.h"
#include "local_engine/unicode.h"
#include "tests/local_engine/conformance.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

std::vector<std::string> cases_in(const std::string& text) {
  constexpr std::string_view separator = "\n__ggml_vocab_test__\n";
  std::vector<std::string> cases;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos;) {
    cases.push_back(text.substr(begin, end - begin));
    begin = end + separator.size();
  }
  if (begin < text.size()) cases.push_back(text.substr(begin));
  return cases;
}

std::vector<std::vector<TokenId>> tokens_in(const std::string& text) {
  std::vector<std::vector<TokenId>> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream numbers(line);
    all.emplace_back(std::istream_iterator<TokenId>(numbers), std::istream_iterator<TokenId>());
  }
  return all;
}

std::string shown(const std::vector<TokenId>& tokens) {
  std::string out;
  for (const TokenId token : tokens) out += std::to_string(token) + " ";
  return out;
}

// Passed and total cases of one vocabulary; fails for each that differs.
std::pair<int, int> run_vocabulary(const std::string& stem) {
  const auto file = GgufFile::open(stem);
  REQUIRE_MESSAGE(file.has_value(), file.error().message());
  const auto tokenizer = Tokenizer::from_gguf(*file);
  REQUIRE_MESSAGE(tokenizer.has_value(), tokenizer.error().message());
  const auto texts = cases_in(read_text(stem + ".inp"));
  const auto expected = tokens_in(read_text(stem + ".out"));
  REQUIRE(texts.size() == expected.size());
  REQUIRE(texts.size() > 40);
  int passed = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CAPTURE(texts[i]);
    const std::vector<TokenId> tokens = tokenizer->encode(texts[i]);
    CHECK(shown(tokens) == shown(expected[i]));
    CHECK(tokenizer->decode(tokens) == texts[i]);
    passed += tokens == expected[i] ? 1 : 0;
  }
  return {passed, static_cast<int>(texts.size())};
}

std::string random_text(std::mt19937& random) {
  const auto below = [&](unsigned limit) { return static_cast<char32_t>(random() % limit); };
  constexpr char32_t kBlanks[] = U" \n\t  '";
  std::string out;
  const char32_t length = below(60);
  for (char32_t i = 0; i < length; ++i) {
    switch (below(6)) {
      case 0: append_utf8(out, U'a' + below(26)); break;
      case 1: append_utf8(out, kBlanks[below(6)]); break;
      case 2: append_utf8(out, 0x20 + below(95)); break;
      case 3: append_utf8(out, 0xa0 + below(0x600)); break;
      case 4: append_utf8(out, 0x4e00 + below(0x200)); break;
      default: append_utf8(out, 0x1f300 + below(0x300)); break;
    }
  }
  return out;
}

}  // namespace

TEST_CASE("tokens equal llama.cpp's on its conformance vocabularies") {
  if (!have_conformance(conformance_folder() / "vocab")) return;
  for (const char* name :
       {"gpt-2", "llama-bpe", "llama-spm", "phi-3", "qwen2", "qwen35", "gemma-4", "deepseek-llm",
        "deepseek-coder", "falcon", "mpt", "refact", "starcoder", "command-r"}) {
    SUBCASE(name) {
      const auto [passed, total] = run_vocabulary(
          (conformance_folder() / "vocab" / (std::string("ggml-vocab-") + name + ".gguf"))
              .string());
      MESSAGE(std::string(name) << ": " << passed << " of " << total);
    }
  }
}

TEST_CASE("random text survives encoding and decoding in every vocabulary") {
  if (!have_conformance(conformance_folder() / "vocab")) return;
  for (const char* name : {"gpt-2", "llama-bpe", "llama-spm", "qwen35", "gemma-4", "deepseek-llm",
                           "falcon", "command-r"}) {
    CAPTURE(std::string(name));
    const auto file = GgufFile::open(
        (conformance_folder() / "vocab" / (std::string("ggml-vocab-") + name + ".gguf")).string());
    REQUIRE(file.has_value());
    const auto tokenizer = Tokenizer::from_gguf(*file).value();
    std::mt19937 random(11);
    for (int i = 0; i < 1000; ++i) {
      const std::string text = random_text(random);
      if (tokenizer.decode(tokenizer.encode(text)) != text) FAIL("changed: " << text);
    }
  }
}

TEST_CASE("vocabularies of other kinds are refused by name") {
  if (!have_conformance(conformance_folder() / "vocab")) return;
  struct {
    const char* file;
    const char* ending;
  } rows[] = {{"bert-bge", "the tokenizer model 'bert' is not supported"},
              {"nomic-bert-moe", "the tokenizer model 't5' is not supported"}};
  for (const auto& row : rows) {
    const std::string path =
        (conformance_folder() / "vocab" / (std::string("ggml-vocab-") + row.file + ".gguf"))
            .string();
    const auto file = GgufFile::open(path);
    REQUIRE(file.has_value());
    CHECK(Tokenizer::from_gguf(*file).error().message() == path + ": " + row.ending);
  }
}
