// Completions, embeddings and models: what their readers refuse and how their answers look.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "gateway/dialects/openai_completions.h"
#include "gateway/dialects/openai_embeddings.h"
#include "gateway/dialects/openai_models.h"

using namespace jevons;

namespace {

std::string outcome_of(const Result<ChatRequest>& read) {
  if (read) return "accepted";
  const Error error = read.error();
  return std::string(fault_code(error.fault())) + "|" + error.message();
}

}  // namespace

TEST_CASE("a completion prompt becomes one user message") {
  const Result<ChatRequest> read = read_completion_request(
      R"({"model":"m","prompt":["Say hi."],"logprobs":2,"echo":false,"suffix":"","best_of":1})");
  REQUIRE(read.has_value());
  CHECK(read->endpoint == Endpoint::completions);
  REQUIRE(read->messages.size() == 1);
  CHECK(read->messages[0].role == Role::user);
  CHECK(read->messages[0].parts[0].text == "Say hi.");
  CHECK(read->max_completion_tokens == 16);  // the legacy default
  CHECK(read->sampling.top_logprobs == 2);
  CHECK(read->text_bytes == 7);
}

TEST_CASE("what a chat model cannot do for completions is refused with a remedy") {
  struct Row {
    const char *body, *outcome;
  };
  const std::vector<Row> rows = {
      {R"({"model":"m"})", "missing_field|'prompt' is missing. Send the text to continue."},
      {R"({"model":"m","prompt":7})", "invalid_value|'prompt' must be a string, but is a number."},
      {R"({"model":"m","prompt":["a","b"]})",
       R"(unsupported_parameter|'prompt' with several prompts is not supported: send one request each.)"},
      {R"({"model":"m","prompt":[1,2]})",
       "unsupported_parameter|'prompt' as token ids is not supported: send the text."},
      {R"({"model":"m","prompt":"a","suffix":"b"})",
       R"(unsupported_parameter|'suffix' is not supported: the prompt is answered by a chat model. Use /v1/chat/completions.)"},
      {R"({"model":"m","prompt":"a","echo":true})",
       R"(unsupported_parameter|'echo' is not supported: the prompt is answered by a chat model. Use /v1/chat/completions.)"},
      {R"({"model":"m","prompt":"a","best_of":2})",
       R"(unsupported_parameter|'best_of' above 1 is not supported: ask for n answers and choose yourself.)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    CHECK(outcome_of(read_completion_request(row.body)) == row.outcome);
  }
}

TEST_CASE("embeddings take a text, texts, token ids, lists of token ids") {
  const auto read = [](std::string_view input) {
    return *read_embedding_request(R"({"model":"m","input":)" + std::string(input) + "}");
  };
  CHECK(read(R"("a")").inputs == std::vector<std::string>{"a"});
  CHECK(!read(R"("a")").input_was_array);
  CHECK(read(R"(["a","b"])").inputs == std::vector<std::string>{"a", "b"});
  CHECK(read("[1,2]").token_inputs == std::vector<std::string>{"[1,2]"});
  CHECK(!read("[1,2]").input_was_array);
  CHECK(read("[[1],[2,3]]").token_inputs == std::vector<std::string>{"[1]", "[2,3]"});
  CHECK(read("[[1],[2,3]]").input_was_array);
  const Result<ChatRequest> full = read_embedding_request(
      R"({"model":"m","input":"a","encoding_format":"base64","dimensions":256,"user":"u"})");
  REQUIRE(full.has_value());
  CHECK(full->base64_embeddings);
  CHECK(full->dimensions == 256);
  CHECK(full->user == "u");
}

TEST_CASE("embedding inputs that are none are refused") {
  std::string many = R"({"model":"m","input":["a")";
  for (int i = 1; i < 2'049; ++i) many += R"(,"a")";
  many += "]}";
  const std::vector<std::pair<std::string, std::string>> rows = {
      {R"({"model":"m"})",
       "missing_field|'input' is missing. Send the text to embed, or a list of texts."},
      {R"({"model":"m","input":""})", "invalid_value|'input' is an empty string."},
      {R"({"model":"m","input":[]})", "invalid_value|'input' is empty. Send at least one text."},
      {R"({"model":"m","input":["a",""]})", "invalid_value|'input[1]' is an empty string."},
      {R"({"model":"m","input":["a",1]})",
       "invalid_value|'input[1]' must be a string, but is a number."},
      {R"({"model":"m","input":[[1],"a"]})",
       "invalid_value|'input[1]' must be an array of token ids, but is a string."},
      {R"({"model":"m","input":[1,-1]})",
       "invalid_value|'input[1]' must lie between 0 and 2147483647, but is -1."},
      {R"({"model":"m","input":[[]]})", "invalid_value|'input[0]' is empty."},
      {R"({"model":"m","input":{}})",
       R"(invalid_value|'input' must be a string, or an array of strings or token ids, but is an object.)"},
      {R"({"model":"m","input":"a","encoding_format":"hex"})",
       "invalid_value|'encoding_format' must be float or base64."},
      {many, "invalid_value|'input' must hold at most 2048 texts, but holds 2049."},
  };
  for (const auto& [body, outcome] : rows) {
    const std::string shown(body.substr(0, 80));  // clang captures no structured binding
    CAPTURE(shown);
    CHECK(outcome_of(read_embedding_request(body)) == outcome);
  }
}

TEST_CASE("models in both shapes") {
  const std::vector<ListedModel> models = {{"auto", "jevons", 1700000000, 0, 0},
                                           {"meta/llama", "rack", 1700000001, 8192, 4096}};
  CHECK(
      write_model_list(models, Dialect::openai) ==
      R"({"object":"list","data":[{"id":"auto","object":"model","created":1700000000,"owned_by":"jevons"},)"
      R"({"id":"meta/llama","object":"model","created":1700000001,"owned_by":"rack"}]})");
  CHECK(write_model(models[1], Dialect::openai) ==
        R"({"id":"meta/llama","object":"model","created":1700000001,"owned_by":"rack"})");
  CHECK(
      write_model_list(models, Dialect::anthropic) ==
      R"({"data":[{"type":"model","id":"auto","display_name":"auto","created_at":"2023-11-14T22:13:20Z"},)"
      R"({"type":"model","id":"meta/llama","display_name":"meta/llama","created_at":"2023-11-14T22:13:21Z",)"
      R"("max_input_tokens":8192,"max_tokens":4096}],"has_more":false,"first_id":"auto","last_id":"meta/llama"})");
  CHECK(write_model_list({}, Dialect::anthropic) ==
        R"({"data":[],"has_more":false,"first_id":null,"last_id":null})");
  CHECK(write_model_list({}, Dialect::openai) == R"({"object":"list","data":[]})");
}
