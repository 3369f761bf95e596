// A vocabulary of 512 tokens for grammar tests: all bytes, pieces of JSON, and words.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "local_engine/token_trie.h"
#include "local_engine/tokenizer.h"

namespace jevons::engine::testing {

struct SmallVocabulary {
  SmallVocabulary() : bytes(writer().bytes()) {
    file = std::make_unique<GgufFile>(GgufFile::parse(bytes, "small").value());
    vocabulary = std::make_unique<Vocabulary>(
        Vocabulary::from_gguf(*file, TokenizerModel::bpe, false).value());
    trie = std::make_shared<TokenTrie>(*vocabulary);
  }

  // tidy-ok(function): the vocabulary itself
  static GgufWriter writer() {
    std::vector<std::string> tokens = {"<|end|>", "<|im_start|>"};
    std::vector<std::int32_t> kinds = {3, 3};
    const auto add = [&](const std::string& text) {
      tokens.push_back(encode_byte_alphabet(text));
      kinds.push_back(1);
    };
    for (int byte = 0; byte < 256; ++byte) add(std::string(1, static_cast<char>(byte)));
    for (const char* text : {"{\"",
                             "\":",
                             "\": ",
                             "\",",
                             "\", \"",
                             "\"}",
                             "\"]",
                             "},",
                             "}]",
                             "]}",
                             "}}",
                             "[]",
                             "{}",
                             "[\"",
                             "[{\"",
                             "true",
                             "false",
                             "null",
                             "tr",
                             "ue",
                             "nu",
                             "ll",
                             "10",
                             "12",
                             "123",
                             "00",
                             "-1",
                             ".5",
                             "1.",
                             "e1",
                             ", ",
                             ": ",
                             ",\n",
                             "{\n",
                             "\n  ",
                             "\n    ",
                             "  ",
                             "\t",
                             "\\n",
                             "\\\"",
                             "\\u",
                             "\\u00",
                             "00e9",
                             "\\\\",
                             "name",
                             "na",
                             "me",
                             "age",
                             "id",
                             "\"name\"",
                             "\"age\"",
                             "\"id\"",
                             "\"name\":",
                             "\"age\": ",
                             "value",
                             "kind",
                             "\"kind\"",
                             "items",
                             "tags",
                             "children",
                             "\"children\"",
                             "cat",
                             "dog",
                             "bird",
                             "red",
                             "green",
                             "blue",
                             "red\"",
                             "green\",",
                             "\xc3\xa9",
                             "\xf0\x9f\x98\x80",
                             "\xe6\x9d",
                             "\xb1",
                             "\xe6\x9d\xb1\xe4\xba",
                             "2024",
                             "-01-",
                             "T12",
                             ":30",
                             "Z\"",
                             "abc",
                             "ABC",
                             "foo",
                             "bar",
                             "foo\"",
                             "@x",
                             ".com",
                             "a-b",
                             "a\"",
                             "b\",\"",
                             "c\":{\"",
                             "1,",
                             "2]",
                             "3}",
                             "0,0",
                             "0.0",
                             "1e",
                             "E+",
                             "9999"}) {
      add(text);
    }
    for (int i = 0; tokens.size() < 512; ++i) {
      add(std::string(1, static_cast<char>('a' + i % 26)) +
          static_cast<char>('a' + (i / 26 + i * 7) % 26) + (i % 3 == 0 ? " " : ""));
    }
    GgufWriter out;
    out.set_strings("tokenizer.ggml.tokens", tokens);
    out.set_i32s("tokenizer.ggml.token_type", kinds);
    out.set_u32("tokenizer.ggml.eos_token_id", 0);
    return out;
  }

  std::vector<std::byte> bytes;
  std::unique_ptr<GgufFile> file;
  std::unique_ptr<Vocabulary> vocabulary;
  std::shared_ptr<const TokenTrie> trie;
};

}  // namespace jevons::engine::testing
