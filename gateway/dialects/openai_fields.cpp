#include "gateway/dialects/openai_fields.h"

#include "gateway/dialects/dialect.h"
#include "providers/openai_messages.h"
#include "providers/openai_tools.h"

namespace jevons {
namespace {

bool read_stop(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  std::vector<std::string>& stop = out.sampling.stop;
  if (!value.present()) return true;
  if (value.is_string()) {
    stop.emplace_back(value.text());
    return true;
  }
  if (!value.is_array()) return in.wrong(path, "a string or an array of strings", value);
  if (value.size() > 16) return in.invalid(path, "must hold at most 16 strings.");
  std::size_t index = 0;
  for (JsonView item : value) {
    const JsonPath here(path, index++);
    if (!item.is_string()) return in.wrong(here, "a string", item);
    stop.emplace_back(item.text());
  }
  return true;
}

bool read_n(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  std::optional<std::int64_t> n;
  if (!in.integer(value, path, 1, 128, n)) return false;
  out.n = n.value_or(1);
  return true;
}

bool read_stream_options(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (!value.present()) return true;
  if (!value.is_object()) return in.wrong(path, "an object", value);
  return in.boolean(value["include_usage"], JsonPath(path, "include_usage"), out.include_usage);
}

// Seeds may be any integer that the client's language has.
bool read_seed(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  return in.integer(value, path, INT64_MIN, INT64_MAX, out.sampling.seed);
}

bool read_max_completion(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  return in.integer(value, path, 1, INT64_MAX, out.max_completion_tokens);
}

// The deprecated name counts only where the new one does not stand as well.
bool read_max_tokens(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  std::optional<std::int64_t> limit;
  if (!in.integer(value, path, 1, INT64_MAX, limit)) return false;
  if (!out.max_completion_tokens) out.max_completion_tokens = limit;
  return true;
}

// Kept under its own name: OpenAI counts it apart from `user`.
bool read_safety_identifier(FieldReader& in, JsonView value, const JsonPath& path,
                            ChatRequest& out) {
  std::string text;
  if (!in.string(value, path, text)) return false;
  if (value.present()) out.extra.push_back({"safety_identifier", value.json()});
  return true;
}

using In = FieldReader&;
using Value = JsonView;
using Path = const JsonPath&;
using Out = ChatRequest&;

constexpr OpenAiField common_fields[] = {
    {"model", [](In in, Value v, Path p, Out out) { return in.string(v, p, out.requested_model); }},
    {"stream", [](In in, Value v, Path p, Out out) { return in.boolean(v, p, out.stream); }},
    {"stream_options", read_stream_options},
    {"max_completion_tokens", read_max_completion},
    {"max_tokens", read_max_tokens},
    {"temperature", [](In in, Value v, Path p,
                       Out out) { return in.number(v, p, 0, 2, out.sampling.temperature); }},
    {"top_p",
     [](In in, Value v, Path p, Out out) { return in.number(v, p, 0, 1, out.sampling.top_p); }},
    {"top_k", [](In in, Value v, Path p,
                 Out out) { return in.integer(v, p, -1, INT64_MAX, out.sampling.top_k); }},
    {"frequency_penalty",
     [](In in, Value v, Path p, Out out) {
       return in.number(v, p, -2, 2, out.sampling.frequency_penalty);
     }},
    {"presence_penalty",
     [](In in, Value v, Path p, Out out) {
       return in.number(v, p, -2, 2, out.sampling.presence_penalty);
     }},
    {"seed", read_seed},
    {"logit_bias",
     [](In in, Value v, Path p, Out out) { return in.object_json(v, p, out.sampling.logit_bias); }},
    {"stop", read_stop},
    {"n", read_n},
    {"service_tier",
     [](In in, Value v, Path p, Out out) { return in.string(v, p, out.service_tier); }},
    {"user", [](In in, Value v, Path p, Out out) { return in.string(v, p, out.user); }},
    {"safety_identifier", read_safety_identifier},
    {"prompt_cache_key",
     [](In in, Value v, Path p, Out out) { return in.string(v, p, out.prompt_cache_key); }},
};

// Fields that refer to something an earlier request left at a provider.
bool refuse_state(FieldReader& in, JsonView value, const JsonPath& path) {
  if (!value.present() || (value.is_boolean() && !value.boolean())) return true;
  const std::string name = path.text();
  return in.fail(Error(Fault::stateful_unsupported, Origin::client,
                       "'" + name +
                           "' needs state that an earlier request left at one provider. Jevons "
                           "keeps none: send the whole conversation with every request.")
                     .with_param(name));
}

bool is_stateful(std::string_view name) {
  return name == "previous_response_id" || name == "conversation" || name == "background";
}

// max_completion_tokens holds over max_tokens whatever their order.
bool read_fields(FieldReader& in, JsonView root, const OpenAiField* (*own)(std::string_view),
                 ChatRequest& out) {
  const JsonPath top;
  JsonView limit;
  for (auto member = root.begin(); member != root.end(); ++member) {
    const std::string_view name = member.key();
    const JsonPath path(top, name);
    if (name == "max_completion_tokens") limit = *member;
    if (is_stateful(name)) {
      if (!refuse_state(in, *member, path)) return false;
      continue;
    }
    const OpenAiField* field = own(name);
    if (field == nullptr) field = common_openai_field(name);
    if (field == nullptr) {
      out.extra.push_back({std::string(name), (*member).json()});
    } else if (!field->read(in, *member, path, out)) {
      return false;
    }
  }
  return !limit.present() ||
         read_max_completion(in, limit, JsonPath(top, "max_completion_tokens"), out);
}

}  // namespace

const OpenAiField* common_openai_field(std::string_view name) {
  for (const OpenAiField& field : common_fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

bool require_model(FieldReader& in, const ChatRequest& out) {
  if (!out.requested_model.empty()) return in.ok();
  const JsonPath top;
  return in.missing(JsonPath(top, "model"),
                    "Name a model; GET /v1/models lists the ones you may use.");
}

Result<ChatRequest> read_openai_body(std::string_view body, Endpoint endpoint,
                                     const OpenAiField* (*own)(std::string_view name),
                                     bool (*complete)(FieldReader& in, JsonView root,
                                                      ChatRequest& out)) {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse(body);
  if (!parsed) return parsed.error();
  FieldReader in;
  ChatRequest request;
  request.endpoint = endpoint;
  const JsonPath top;
  if (!parsed->is_object()) {
    in.wrong(top, "a JSON object", *parsed);
  } else if (read_fields(in, *parsed, own, request) && require_model(in, request)) {
    complete(in, *parsed, request);
  }
  if (in.error()) return *in.error();
  count_request(request);
  return request;
}

}  // namespace jevons
