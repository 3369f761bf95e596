// The stream of an OpenAI-like upstream: one chunk object an event, [DONE] at the end.
#include <algorithm>

#include "providers/openai_answer.h"
#include "providers/openai_usage.h"
#include "providers/stream_base.h"
#include "providers/usage_check.h"

namespace jevons {
namespace {

constexpr std::int64_t choices_max = 128;
constexpr std::size_t calls_max = 1'024;

class OpenAiStream : public SseDecoder {
 public:
  explicit OpenAiStream(Quirks quirks) : quirks_(quirks) {}

 private:
  struct CallState {
    std::int64_t wire_index = 0;  // as the upstream numbers it
    std::string id, name;
    std::string early_arguments;  // that came before the name
    bool started = false;
  };
  struct ChoiceState {
    std::int64_t index = 0;
    bool finished = false;
    std::vector<CallState> calls;  // position = our dense index
  };

  Result<void> use(std::string_view data, std::vector<StreamEvent>& events) override;
  bool complete() const override {
    return !choices_.empty() && std::all_of(choices_.begin(), choices_.end(),
                                            [](const ChoiceState& c) { return c.finished; });
  }
  Result<void> use_choice(JsonView value, std::int64_t position, std::vector<StreamEvent>& events);
  void use_delta(JsonView delta, ChoiceState& choice, std::vector<StreamEvent>& events);
  Result<void> use_call(JsonView value, std::size_t position, ChoiceState& choice,
                        std::vector<StreamEvent>& events);
  CallState& call_of(JsonView value, std::size_t position, ChoiceState& choice);
  void use_usage(JsonView value, std::vector<StreamEvent>& events);
  void close_choices(std::vector<StreamEvent>& events);

  Quirks quirks_;
  bool started_ = false;
  std::string id_, service_tier_;
  std::vector<ChoiceState> choices_;
  std::shared_ptr<const Usage> usage_;
};

Result<void> OpenAiStream::use(std::string_view data, std::vector<StreamEvent>& events) {
  if (data == "[DONE]") {
    close_choices(events);
    return boost::system::in_place_value;
  }
  const Result<JsonView> parsed = parse(data);
  if (!parsed) return parsed.error();
  if (!parsed->is_object()) return protocol_error("has a stream event that is no object.");
  JsonView id, model, created, tier, fingerprint, choices, usage, groq, error;
  for (auto member = parsed->begin(); member != parsed->end(); ++member) {
    const std::string_view key = member.key();
    if (key == "choices")
      choices = *member;
    else if (key == "id")
      id = *member;
    else if (key == "model")
      model = *member;
    else if (key == "created")
      created = *member;
    else if (key == "usage")
      usage = *member;
    else if (key == "service_tier")
      tier = *member;
    else if (key == "system_fingerprint")
      fingerprint = *member;
    else if (key == "x_groq")
      groq = *member;
    else if (key == "error")
      error = *member;
  }
  if (error.present()) {
    fail(error.is_string() ? error.text() : error["message"].text(), error["code"].text(), events);
    return boost::system::in_place_value;
  }
  if (tier.is_string()) service_tier_ = tier.text();
  if (!started_) {
    started_ = true;
    id_ = id.text();
    StreamEvent& start = add(events, StreamEvent::Kind::start, 0);
    start.upstream_id = id_;
    start.model = model.text();
    start.created = created.integer().value_or(0);
    start.service_tier = service_tier_;
    start.system_fingerprint = fingerprint.text();
  }
  std::int64_t position = 0;
  for (JsonView choice : choices) {
    const Result<void> used = use_choice(choice, position++, events);
    if (!used) return used;
    if (!usage.is_object()) usage = choice["usage"];  // Moonshot
  }
  if (!usage.is_object()) usage = groq["usage"];
  if (usage.is_object()) use_usage(usage, events);
  return boost::system::in_place_value;
}

Result<void> OpenAiStream::use_choice(JsonView value, std::int64_t position,
                                      std::vector<StreamEvent>& events) {
  const std::int64_t index = value["index"].integer().value_or(position);
  if (index < 0 || index >= choices_max) return protocol_error("numbers a choice out of range.");
  auto found = std::find_if(choices_.begin(), choices_.end(),
                            [&](const ChoiceState& choice) { return choice.index == index; });
  if (found == choices_.end()) {
    choices_.emplace_back().index = index;
    found = std::prev(choices_.end());
  }
  if (const JsonView logprobs = value["logprobs"]; logprobs.is_object()) {
    add(events, StreamEvent::Kind::logprobs, index).text = logprobs.json();
  }
  const JsonView delta = value["delta"];
  if (delta.is_object()) use_delta(delta, *found, events);
  std::size_t call_position = 0;
  for (JsonView call : delta["tool_calls"]) {
    const Result<void> used = use_call(call, call_position++, *found, events);
    if (!used) return used;
  }
  const JsonView finish = value["finish_reason"];
  const FinishReason reason = read_openai_finish(finish.text());
  if (reason == FinishReason::error) {
    fail("", finish.text(), events);
  } else if (reason != FinishReason::unset && !found->finished) {
    found->finished = true;
    add(events, StreamEvent::Kind::finish, index).finish = reason;
  }
  return boost::system::in_place_value;
}

void OpenAiStream::use_delta(JsonView delta, ChoiceState& choice,
                             std::vector<StreamEvent>& events) {
  using Kind = StreamEvent::Kind;
  bool reasoned = false;  // the two names of the field can come together with the same text
  for (auto member = delta.begin(); member != delta.end(); ++member) {
    const std::string_view key = member.key();
    const JsonView value = *member;
    if (key == "content" && value.is_string()) {
      add_text(events, Kind::text, choice.index, value.text());
    } else if (key == "content") {
      for (JsonView part : value) {  // Mistral's reasoning models
        for (JsonView piece : part["thinking"]) {
          add_text(events, Kind::reasoning, choice.index, piece["text"].text());
        }
        add_text(events, Kind::text, choice.index, part["text"].text());
      }
    } else if ((key == "reasoning_content" || key == "reasoning") && !reasoned) {
      reasoned = !value.text().empty();
      add_text(events, Kind::reasoning, choice.index, value.text());
    } else if (key == "refusal") {
      add_text(events, Kind::refusal, choice.index, value.text());
    }
  }
}

// Which call a delta continues. Servers differ: most number them, some leave the number out, some
// send every call as number 0 with an id of its own.
OpenAiStream::CallState& OpenAiStream::call_of(JsonView value, std::size_t position,
                                               ChoiceState& choice) {
  const std::string_view id = value["id"].text();
  const std::optional<std::int64_t> number = value["index"].integer();
  CallState* found = nullptr;
  for (CallState& call : choice.calls) {
    const bool same_id = !id.empty() && call.id == id;
    const bool same_number = number && call.wire_index == *number;
    const bool other_call = !id.empty() && !call.id.empty() && call.id != id;
    if (same_id || (same_number && !other_call)) found = &call;
  }
  if (found == nullptr && !number && id.empty() && !choice.calls.empty()) {
    found = &choice.calls.back();
  }
  if (found != nullptr) return *found;
  CallState& call = choice.calls.emplace_back();
  call.wire_index = number.value_or(static_cast<std::int64_t>(position));
  return call;
}

Result<void> OpenAiStream::use_call(JsonView value, std::size_t position, ChoiceState& choice,
                                    std::vector<StreamEvent>& events) {
  CallState& call = call_of(value, position, choice);
  if (choice.calls.size() > calls_max) return protocol_error("has too many tool calls.");
  const bool custom = value["custom"].is_object();
  const JsonView body = value[custom ? "custom" : "function"];
  const JsonView arguments_value = body[custom ? "input" : "arguments"];
  const std::string arguments =
      arguments_value.is_object() ? arguments_value.json() : std::string(arguments_value.text());
  const auto our_index = static_cast<std::int64_t>(&call - choice.calls.data());
  if (call.started) {
    add_arguments(events, choice.index, our_index, arguments);
    return boost::system::in_place_value;
  }
  if (call.id.empty()) call.id = value["id"].text();
  if (call.name.empty()) call.name = body["name"].text();
  call.early_arguments += arguments;
  if (call.name.empty()) return boost::system::in_place_value;
  // Clients need an id; it must not repeat within a conversation.
  if (call.id.empty()) {
    call.id = "call_" + id_ + "_" + std::to_string(choice.index) + "_" + std::to_string(our_index);
  }
  call.started = true;
  StreamEvent& event = add(events, StreamEvent::Kind::tool_call_start, choice.index);
  event.tool_index = our_index;
  event.tool.id = call.id;
  event.tool.name = call.name;
  event.tool.custom = custom;
  event.tool.arguments = std::move(call.early_arguments);
  event.tool.thought_signature = value["extra_content"]["google"]["thought_signature"].text();
  return boost::system::in_place_value;
}

void OpenAiStream::use_usage(JsonView value, std::vector<StreamEvent>& events) {
  Usage usage = read_openai_usage(value, quirks_);
  if (usage_) {
    check_usage_progress(*usage_, usage);
    if (usage.suspicion.empty()) usage.suspicion = usage_->suspicion;
  }
  usage_ = std::make_shared<const Usage>(std::move(usage));
  StreamEvent& event = add(events, StreamEvent::Kind::usage, 0);
  event.usage = usage_;
  event.service_tier = service_tier_;
}

// [DONE]: a choice that never got its finish reason is complete all the same.
void OpenAiStream::close_choices(std::vector<StreamEvent>& events) {
  end();
  for (ChoiceState& choice : choices_) {
    if (choice.finished) continue;
    choice.finished = true;
    add(events, StreamEvent::Kind::finish, choice.index).finish =
        choice.calls.empty() ? FinishReason::stop : FinishReason::tool_calls;
  }
}

}  // namespace

std::unique_ptr<StreamDecoder> open_openai_stream(const ChatRequest&, Quirks quirks) {
  return std::make_unique<OpenAiStream>(quirks);
}

}  // namespace jevons
