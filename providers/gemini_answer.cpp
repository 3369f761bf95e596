#include "providers/gemini_answer.h"

#include <algorithm>

#include "providers/stream_base.h"
#include "providers/upstream_fault.h"
#include "providers/usage_check.h"

namespace jevons {
namespace {

// What one candidate of one response says. A stream gives many of these, a whole answer one.
struct Piece {
  struct Item {
    enum class Kind : std::uint8_t { text, thought, call } kind = Kind::text;
    std::string_view text;
    ToolCall call;
  };
  std::int64_t index = 0;
  std::vector<Item> items;
  std::string logprobs;
  FinishReason finish = FinishReason::unset;
  std::string_view finish_word;
};

FinishReason finish_of(std::string_view word, bool called) {
  struct Row {
    std::string_view word;
    FinishReason reason;
  };
  static constexpr Row rows[] = {
      {"MAX_TOKENS", FinishReason::length},
      {"SAFETY", FinishReason::content_filter},
      {"RECITATION", FinishReason::content_filter},
      {"BLOCKLIST", FinishReason::content_filter},
      {"PROHIBITED_CONTENT", FinishReason::content_filter},
      {"SPII", FinishReason::content_filter},
      {"IMAGE_SAFETY", FinishReason::content_filter},
      {"MALFORMED_FUNCTION_CALL", FinishReason::error},
      {"UNEXPECTED_TOOL_CALL", FinishReason::error},
      {"TOO_MANY_TOOL_CALLS", FinishReason::error},
      {"OTHER", FinishReason::error},
  };
  if (word.empty() || word == "FINISH_REASON_UNSPECIFIED") return FinishReason::unset;
  for (const Row& row : rows) {
    if (row.word == word) return row.reason;
  }
  return called ? FinishReason::tool_calls : FinishReason::stop;
}

void write_token(JsonWriter& out, JsonView candidate) {
  out.begin_object().key("token").string(candidate["token"].text());
  out.key("logprob").number(candidate["logProbability"].number().value_or(0));
  out.key("bytes").null();
}

// logprobsResult in OpenAI's form; the two lists run in step.
std::string logprobs_of(JsonView result) {
  if (!result["chosenCandidates"].is_array()) return {};
  std::string json;
  JsonWriter out(json);
  out.begin_object().key("content").begin_array();
  const JsonView all = result["topCandidates"];
  auto top = all.begin();
  for (JsonView chosen : result["chosenCandidates"]) {
    write_token(out, chosen);
    out.key("top_logprobs").begin_array();
    if (top != all.end()) {
      for (JsonView candidate : (*top)["candidates"]) {
        write_token(out, candidate);
        out.end_object();
      }
      ++top;
    }
    out.end_array().end_object();
  }
  out.end_array().key("refusal").null().end_object();
  return json;
}

// `calls_before`: calls this candidate has already made, to number the ids that Gemini leaves out.
Piece read_candidate(JsonView value, std::int64_t position, std::string_view answer_id,
                     std::size_t calls_before) {
  Piece piece;
  piece.index = value["index"].integer().value_or(position);
  std::size_t calls = calls_before;
  for (JsonView part : value["content"]["parts"]) {
    if (const JsonView call = part["functionCall"]; call.is_object()) {
      Piece::Item& item = piece.items.emplace_back();
      item.kind = Piece::Item::Kind::call;
      item.call.id = call["id"].text();
      if (item.call.id.empty()) {
        item.call.id = "call_" + std::string(answer_id) + "_" + std::to_string(piece.index) + "_" +
                       std::to_string(calls);
      }
      ++calls;
      item.call.name = call["name"].text();
      item.call.arguments = call["args"].is_object() ? call["args"].json() : "{}";
      item.call.thought_signature = part["thoughtSignature"].text();
    } else if (!part["text"].text().empty()) {
      Piece::Item& item = piece.items.emplace_back();
      if (part["thought"].boolean()) item.kind = Piece::Item::Kind::thought;
      item.text = part["text"].text();
    }
  }
  piece.logprobs = logprobs_of(value["logprobsResult"]);
  piece.finish_word = value["finishReason"].text();
  piece.finish = finish_of(piece.finish_word, calls > 0);
  return piece;
}

// Errors come as an object or in an array of one.
JsonView unwrapped(JsonView root) {
  return root.is_array() && root.size() > 0 ? *root.begin() : root;
}

std::string service_tier_of(JsonView root) {
  // "SERVICE_TIER_FLEX" or "flex"; the standard tier is the absence of one.
  std::string tier(root["usageMetadata"]["serviceTier"].text());
  if (tier.empty()) tier = root["serviceTier"].text();
  std::transform(tier.begin(), tier.end(), tier.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  constexpr std::string_view prefix = "service_tier_";
  if (tier.compare(0, prefix.size(), prefix) == 0) tier.erase(0, prefix.size());
  return tier == "unspecified" ? "" : tier;
}

Choice choice_of(const Piece& piece) {
  Choice choice;
  choice.index = piece.index;
  for (const Piece::Item& item : piece.items) {
    switch (item.kind) {
      case Piece::Item::Kind::text:
        choice.content += item.text;
        choice.has_content = true;
        break;
      case Piece::Item::Kind::thought:
        choice.reasoning += item.text;
        break;
      case Piece::Item::Kind::call:
        choice.tool_calls.push_back(item.call);
        break;
    }
  }
  choice.logprobs = piece.logprobs;
  choice.finish = piece.finish;
  return choice;
}

bool is_blocked(JsonView root) { return root["promptFeedback"]["blockReason"].is_string(); }

}  // namespace

Result<ChatResponse> decode_gemini_answer(std::string_view body, const ChatRequest&, Quirks) {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse_answer(body);
  if (!parsed) return protocol_error("is not what it should be. " + parsed.error().message());
  const JsonView root = unwrapped(*parsed);
  if (const JsonView error = root["error"]; error.is_object()) {
    return upstream_fault_in_answer(error["message"].text(), error["status"].text());
  }
  ChatResponse response;
  response.upstream_id = root["responseId"].text();
  response.model = root["modelVersion"].text();
  response.service_tier = service_tier_of(root);
  if (root["usageMetadata"].is_object()) {
    response.usage = read_gemini_usage(root["usageMetadata"], true);
  }
  std::int64_t position = 0;
  for (JsonView candidate : root["candidates"]) {
    const Piece piece = read_candidate(candidate, position++, response.upstream_id, 0);
    if (piece.finish == FinishReason::error) return upstream_fault_in_answer("", piece.finish_word);
    response.choices.push_back(choice_of(piece));
  }
  if (response.choices.empty()) {
    if (!is_blocked(root)) return protocol_error("has no candidates.");
    response.choices.emplace_back().finish = FinishReason::content_filter;
  }
  return response;
}

namespace {

constexpr std::int64_t candidates_max = 128;

class GeminiStream : public SseDecoder {
 private:
  struct Candidate {
    std::int64_t index = 0;
    std::size_t calls = 0;
    bool finished = false;
  };

  Result<void> use(std::string_view data, std::vector<StreamEvent>& events) override;
  bool complete() const override {
    return !candidates_.empty() && std::all_of(candidates_.begin(), candidates_.end(),
                                               [](const Candidate& c) { return c.finished; });
  }
  Candidate& candidate_of(std::int64_t index);
  void emit(const Piece& piece, Candidate& candidate, std::vector<StreamEvent>& events);

  bool started_ = false;
  std::string id_;
  std::vector<Candidate> candidates_;
  std::shared_ptr<const Usage> usage_;
};

GeminiStream::Candidate& GeminiStream::candidate_of(std::int64_t index) {
  for (Candidate& candidate : candidates_) {
    if (candidate.index == index) return candidate;
  }
  Candidate& candidate = candidates_.emplace_back();
  candidate.index = index;
  return candidate;
}

Result<void> GeminiStream::use(std::string_view data, std::vector<StreamEvent>& events) {
  const Result<JsonView> parsed = parse(data);
  if (!parsed) return parsed.error();
  const JsonView root = unwrapped(*parsed);
  if (const JsonView error = root["error"]; error.is_object()) {
    fail(error["message"].text(), error["status"].text(), events);
    return boost::system::in_place_value;
  }
  if (!started_) {
    started_ = true;
    id_ = root["responseId"].text();
    StreamEvent& start = add(events, StreamEvent::Kind::start, 0);
    start.upstream_id = id_;
    start.model = root["modelVersion"].text();
    start.service_tier = service_tier_of(root);
  }
  std::int64_t position = 0;
  for (JsonView value : root["candidates"]) {
    const std::int64_t index = value["index"].integer().value_or(position++);
    if (index < 0 || index >= candidates_max) {
      return protocol_error("numbers a candidate out of range.");
    }
    Candidate& candidate = candidate_of(index);
    emit(read_candidate(value, index, id_, candidate.calls), candidate, events);
  }
  if (candidates_.empty() && is_blocked(root)) {
    candidate_of(0).finished = true;
    add(events, StreamEvent::Kind::finish, 0).finish = FinishReason::content_filter;
  }
  if (root["usageMetadata"].is_object()) {
    Usage usage = read_gemini_usage(root["usageMetadata"], complete());
    if (usage_) check_usage_progress(*usage_, usage);
    usage_ = std::make_shared<const Usage>(std::move(usage));
    StreamEvent& event = add(events, StreamEvent::Kind::usage, 0);
    event.usage = usage_;
    event.service_tier = service_tier_of(root);
  }
  return boost::system::in_place_value;
}

void GeminiStream::emit(const Piece& piece, Candidate& candidate,
                        std::vector<StreamEvent>& events) {
  using Kind = StreamEvent::Kind;
  if (!piece.logprobs.empty()) add(events, Kind::logprobs, piece.index).text = piece.logprobs;
  for (const Piece::Item& item : piece.items) {
    if (item.kind == Piece::Item::Kind::call) {
      StreamEvent& event = add(events, Kind::tool_call_start, piece.index);
      event.tool_index = static_cast<std::int64_t>(candidate.calls++);
      event.tool = item.call;
    } else {
      const bool thought = item.kind == Piece::Item::Kind::thought;
      add(events, thought ? Kind::reasoning : Kind::text, piece.index).text = item.text;
    }
  }
  if (piece.finish == FinishReason::error) {
    fail("", piece.finish_word, events);
  } else if (piece.finish != FinishReason::unset && !candidate.finished) {
    candidate.finished = true;
    add(events, Kind::finish, piece.index).finish = piece.finish;
  }
}

}  // namespace

std::unique_ptr<StreamDecoder> open_gemini_stream(const ChatRequest&, Quirks) {
  return std::make_unique<GeminiStream>();
}

}  // namespace jevons
