#include "gateway/dialects/openai_completions.h"

#include "gateway/dialects/chunk_writer.h"
#include "gateway/dialects/openai_fields.h"
#include "gateway/http_error.h"
#include "providers/openai_usage.h"

namespace jevons {
namespace {

constexpr std::string_view chat_remedy =
    " is not supported: the prompt is answered by a chat model. Use /v1/chat/completions.";

bool refuse_set(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest&) {
  const bool unset = !value.present() || (value.is_boolean() && !value.boolean()) ||
                     (value.is_string() && value.text().empty());
  return unset || in.unsupported(path, chat_remedy.substr(1));
}

bool read_best_of(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest&) {
  std::optional<std::int64_t> best_of;
  if (!in.integer(value, path, 1, 20, best_of)) return false;
  return best_of.value_or(1) == 1 ||
         in.unsupported(path, "above 1 is not supported: ask for n answers and choose yourself.");
}

bool read_logprobs(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  std::optional<std::int64_t> count;
  if (!in.integer(value, path, 0, 5, count)) return false;
  if (!count) return true;
  out.sampling.logprobs = true;
  out.sampling.top_logprobs = count;
  return true;
}

bool read_prompt(FieldReader& in, JsonView value, const JsonPath& path, ChatRequest& out) {
  if (value.is_array() && value.size() > 0 && (*value.begin()).is_string()) {
    if (value.size() > 1) {
      return in.unsupported(path, "with several prompts is not supported: send one request each.");
    }
    value = *value.begin();
  }
  if (value.is_array() && value.size() > 0) {
    return in.unsupported(path, "as token ids is not supported: send the text.");
  }
  if (value.present() && !value.is_string()) return in.wrong(path, "a string", value);
  out.messages.emplace_back().parts.emplace_back().text = value.text();
  return true;
}

constexpr OpenAiField completion_fields[] = {
    {"prompt", read_prompt},   {"suffix", refuse_set},      {"echo", refuse_set},
    {"best_of", read_best_of}, {"logprobs", read_logprobs},
};

const OpenAiField* completion_field(std::string_view name) {
  for (const OpenAiField& field : completion_fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

bool complete_request(FieldReader& in, JsonView root, ChatRequest& out) {
  const JsonPath top;
  if (!root["prompt"].present()) {
    return in.missing(JsonPath(top, "prompt"), "Send the text to continue.");
  }
  // The legacy default; without it a chat model would write on to its own limit.
  if (!out.max_completion_tokens) out.max_completion_tokens = 16;
  return in.ok();
}

std::string_view finish_word(FinishReason reason) {
  const bool own = reason == FinishReason::length || reason == FinishReason::content_filter;
  return own ? finish_reason_name(reason) : "stop";
}

class CompletionStream : public StreamWriter {
 public:
  CompletionStream(const ChatRequest& request, const AnswerMeta& meta)
      : include_usage_(request.include_usage),
        chunk_(meta, "text_completion", request.include_usage) {}

  void write(std::span<const StreamEvent> events, std::string& out) override {
    for (const StreamEvent& event : events) {
      if (event.kind == StreamEvent::Kind::text || event.kind == StreamEvent::Kind::refusal) {
        state_of(event.choice);
        chunk_.begin(event.choice, out);
        out += "\"text\":";
        append_json_string(out, event.text);
        out += ",\"logprobs\":null";
        chunk_.end("", out);
      } else if (event.kind == StreamEvent::Kind::finish) {
        state_of(event.choice).finish = event.finish;
      }
    }
  }

  void close(const StreamEnd& end, std::string& out) override {
    if (choices_.empty()) state_of(0);
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      const ChoiceState& choice = choices_[i];
      const bool last = i + 1 == choices_.size();
      chunk_.begin(choice.index, out);
      out += R"("text":"","logprobs":null)";
      const FinishReason finish = choice.finish == FinishReason::unset ? end.finish : choice.finish;
      chunk_.end(finish_word(finish), out, last && !include_usage_ ? &end.account : nullptr);
    }
    if (include_usage_) chunk_.usage(end, out);
    out += "data: [DONE]\n\n";
  }

  void fail(const Error& error, std::string& out) override {
    out += error_event(error, Dialect::openai, chunk_.request_id());
  }

 private:
  struct ChoiceState {
    std::int64_t index = 0;
    FinishReason finish = FinishReason::unset;
  };
  ChoiceState& state_of(std::int64_t index) {
    for (ChoiceState& choice : choices_) {
      if (choice.index == index) return choice;
    }
    choices_.push_back({index, FinishReason::unset});
    return choices_.back();
  }

  bool include_usage_;
  ChunkWriter chunk_;
  std::vector<ChoiceState> choices_;
};

}  // namespace

Result<ChatRequest> read_completion_request(std::string_view body) {
  return read_openai_body(body, Endpoint::completions, completion_field, complete_request);
}

std::string write_completion_response(const ChatRequest&, const ChatResponse& response,
                                      const AnswerMeta& meta) {
  std::string body;
  JsonWriter out(body);
  out.begin_object().key("id").string(meta.id).key("object").string("text_completion");
  out.key("created").integer(meta.created).key("model").string(meta.model);
  out.key("choices").begin_array();
  for (const Choice& choice : response.choices) {
    out.begin_object().key("text");
    out.string(choice.content.empty() ? choice.refusal : choice.content);
    out.key("index").integer(choice.index).key("logprobs").null();
    out.key("finish_reason").string(finish_word(choice.finish)).end_object();
  }
  out.end_array();
  if (response.usage) write_openai_usage(out.key("usage"), *response.usage);
  out.end_object();
  return body;
}

std::unique_ptr<StreamWriter> open_completion_stream(const ChatRequest& request,
                                                     const AnswerMeta& meta) {
  return std::make_unique<CompletionStream>(request, meta);
}

}  // namespace jevons
