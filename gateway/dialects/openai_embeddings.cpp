#include "gateway/dialects/openai_embeddings.h"

#include <cstring>

#include "gateway/dialects/openai_fields.h"
#include "providers/base64.h"

namespace jevons {
namespace {

constexpr std::size_t inputs_max = 2'048;

bool read_token_ids(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (value.size() == 0) return in.invalid(path, "is empty.");
  std::size_t index = 0;
  for (JsonView id : value) {
    std::optional<std::int64_t> number;
    const JsonPath here(path, index++);
    if (!id.is_number()) return in.wrong(here, "a token id", id);
    if (!in.integer(id, here, 0, INT32_MAX, number)) return false;
  }
  out.token_inputs.push_back(value.json());
  return true;
}

bool read_input(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (!value.present()) return true;
  if (value.is_string()) {
    if (value.text().empty()) return in.invalid(path, "is an empty string.");
    out.inputs.emplace_back(value.text());
    return true;
  }
  if (!value.is_array())
    return in.wrong(path, "a string, or an array of strings or token ids", value);
  if (value.size() == 0) return in.invalid(path, "is empty. Send at least one text.");
  const JsonView first = *value.begin();
  if (first.is_number()) return read_token_ids(in, value, path, out);
  out.input_was_array = true;
  if (value.size() > inputs_max) {
    return in.invalid(
        path, "must hold at most 2048 texts, but holds " + std::to_string(value.size()) + ".");
  }
  std::size_t index = 0;
  for (JsonView item : value) {
    const JsonPath here(path, index++);
    if (item.kind() != first.kind() || !(item.is_string() || item.is_array())) {
      return in.wrong(here, first.is_array() ? "an array of token ids" : "a string", item);
    }
    if (item.is_array()) {
      if (!read_token_ids(in, item, here, out)) return false;
    } else if (item.text().empty()) {
      return in.invalid(here, "is an empty string.");
    } else {
      out.inputs.emplace_back(item.text());
    }
  }
  return true;
}

bool read_encoding(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (!value.present()) return true;
  const std::string_view word = value.text();
  if (!value.is_string() || (word != "float" && word != "base64")) {
    return in.invalid(path, "must be float or base64.");
  }
  out.base64_embeddings = word == "base64";
  return true;
}

bool read_dimensions(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  return in.integer(value, path, 1, 65'536, out.dimensions);
}

constexpr OpenAiField embedding_fields[] = {
    {"input", read_input},
    {"encoding_format", read_encoding},
    {"dimensions", read_dimensions},
};

const OpenAiField* embedding_field(std::string_view name) {
  for (const OpenAiField& field : embedding_fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

bool complete_request(FieldReader& in, JsonView root, ChatRequest&) {
  const JsonPath top;
  if (root["input"].present()) return in.ok();
  return in.missing(JsonPath(top, "input"), "Send the text to embed, or a list of texts.");
}

void write_floats(JsonWriter& out, std::string_view bytes) {
  out.begin_array();
  for (std::size_t at = 0; at + sizeof(float) <= bytes.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    out.number(value);
  }
  out.end_array();
}

}  // namespace

Result<ChatRequest> read_embedding_request(std::string_view body) {
  return read_openai_body(body, Endpoint::embeddings, embedding_field, complete_request);
}

std::string write_embedding_response(const ChatRequest& request, const ChatResponse& response,
                                     const AnswerMeta& meta) {
  std::string body;
  JsonWriter out(body);
  out.begin_object().key("object").string("list").key("data").begin_array();
  std::int64_t index = 0;
  for (const std::string& vector : response.embeddings) {
    out.begin_object().key("object").string("embedding").key("index").integer(index++);
    out.key("embedding");
    if (request.base64_embeddings) {
      out.string(base64_encode(vector));
    } else {
      write_floats(out, vector);
    }
    out.end_object();
  }
  out.end_array().key("model").string(meta.model);
  if (response.usage) {
    const std::int64_t tokens = response.usage->prompt_tokens();
    out.key("usage").begin_object().key("prompt_tokens").integer(tokens);
    out.key("total_tokens").integer(tokens).end_object();
  }
  out.end_object();
  return body;
}

}  // namespace jevons
