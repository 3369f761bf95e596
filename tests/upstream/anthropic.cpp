#include "tests/upstream/dialect.h"
#include "tests/upstream/text.h"

namespace upstream {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

std::string stop_reason(const Answer& answer) {
  if (answer.finish == "stop") return "end_turn";
  if (answer.finish == "length") return "max_tokens";
  if (answer.finish == "tool_calls") return "tool_use";
  if (answer.finish == "content_filter" || !answer.refusal.empty()) return "refusal";
  return answer.finish;
}

Fields usage_fields(const Answer& answer, std::int64_t output) {
  const Tokens& t = answer.tokens;
  Fields usage = {
      {"input_tokens", number(t.uncached)},
      {"cache_creation_input_tokens", number(t.cache_write_5m + t.cache_write_1h)},
      {"cache_read_input_tokens", number(t.cached)},
      {"cache_creation", "{\"ephemeral_5m_input_tokens\":" + number(t.cache_write_5m) +
                             ",\"ephemeral_1h_input_tokens\":" + number(t.cache_write_1h) + "}"},
      {"output_tokens", number(output)},
      {"service_tier", answer.service_tier.empty() ? "\"standard\"" : quoted(answer.service_tier)}};
  if (t.reasoning > 0 && output >= t.reasoning)
    usage.emplace_back("output_tokens_details",
                       "{\"thinking_tokens\":" + number(t.reasoning) + "}");
  return usage;
}

std::string message_head(const Answer& answer) {
  return "{\"id\":" + quoted("msg_" + answer.id) +
         ",\"type\":\"message\",\"role\":\"assistant\",\"model\":" + quoted(answer.model);
}

std::string tool_block(const ToolCall& tool, const std::string& input) {
  return "{\"type\":\"tool_use\",\"id\":" + quoted("toolu_" + tool.id) +
         ",\"name\":" + quoted(tool.name) + ",\"input\":" + input + "}";
}

class BlockWriter {
 public:
  explicit BlockWriter(std::vector<Event>& events) : events_(events) {}

  void start(const std::string& block) {
    add("content_block_start", ",\"content_block\":" + block + "}", false);
  }
  void delta(const std::string& delta, std::int64_t tokens, bool text = false) {
    tokens_ += tokens;
    add("content_block_delta", ",\"delta\":" + delta + "}", text);
  }
  void stop() {
    add("content_block_stop", "}", false);
    ++index_;
  }

 private:
  void add(const std::string& type, const std::string& rest, bool text) {
    events_.push_back(
        {type, "{\"type\":\"" + type + "\",\"index\":" + number(index_) + rest, tokens_, text});
  }

  std::vector<Event>& events_;
  std::int64_t index_ = 0;
  std::int64_t tokens_ = 0;
};

void write_blocks(std::vector<Event>& events, const Answer& answer) {
  BlockWriter out(events);
  if (!answer.reasoning.empty()) {
    out.start("{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    for (const std::string& piece : answer.reasoning)
      out.delta("{\"type\":\"thinking_delta\",\"thinking\":" + quoted(piece) + "}", 1);
    out.delta("{\"type\":\"signature_delta\",\"signature\":\"c2lnbmVk\"}", 0);
    out.stop();
  }
  if (!answer.pieces.empty() || !answer.refusal.empty()) {
    out.start("{\"type\":\"text\",\"text\":\"\"}");
    if (!answer.refusal.empty())
      out.delta("{\"type\":\"text_delta\",\"text\":" + quoted(answer.refusal) + "}",
                answer.tokens.completion, true);
    for (const std::string& piece : answer.pieces)
      out.delta("{\"type\":\"text_delta\",\"text\":" + quoted(piece) + "}", 1, true);
    out.stop();
  }
  for (const ToolCall& tool : answer.tools) {
    out.start(tool_block(tool, "{}"));
    out.delta("{\"type\":\"input_json_delta\",\"partial_json\":\"\"}", 8);
    for (const std::string& piece : cut_into_pieces(tool.arguments))
      out.delta("{\"type\":\"input_json_delta\",\"partial_json\":" + quoted(piece) + "}", 1);
    out.stop();
  }
}

}  // namespace

std::string anthropic_body(const Behaviour& how, const Answer& answer) {
  std::string content;
  const auto add = [&content](const std::string& block) {
    content += (content.empty() ? "" : ",") + block;
  };
  if (!answer.reasoning.empty())
    add("{\"type\":\"thinking\",\"thinking\":" + quoted(join(answer.reasoning)) +
        ",\"signature\":\"c2lnbmVk\"}");
  if (!answer.refusal.empty()) add("{\"type\":\"text\",\"text\":" + quoted(answer.refusal) + "}");
  if (!answer.pieces.empty())
    add("{\"type\":\"text\",\"text\":" + quoted(join(answer.pieces)) + "}");
  for (const ToolCall& tool : answer.tools) add(tool_block(tool, tool.arguments));
  std::string out = message_head(answer) + ",\"content\":[" + content +
                    "],\"stop_reason\":" + quoted(stop_reason(answer)) + ",\"stop_sequence\":null";
  const auto usages = usage_texts(how, usage_fields(answer, answer.tokens.output()));
  if (!usages.empty()) out += ",\"usage\":" + usages.back();
  return out + "}";
}

std::vector<Event> anthropic_events(const Behaviour& how, const Answer& answer) {
  std::vector<Event> events;
  const auto first = usage_texts(how, usage_fields(answer, 1));
  std::string start = "{\"type\":\"message_start\",\"message\":" + message_head(answer) +
                      ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null";
  if (!first.empty()) start += ",\"usage\":" + first.front();
  events.push_back({"message_start", start + "}}", 0, false});
  events.push_back({"ping", "{\"type\":\"ping\"}", 0, false});
  write_blocks(events, answer);
  const auto usages = usage_texts(how, usage_fields(answer, answer.tokens.output()));
  std::string end =
      "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":" + quoted(stop_reason(answer)) +
      ",\"stop_sequence\":null}";
  if (usages.empty()) {
    events.push_back({"message_delta", end + "}", answer.tokens.output(), false});
  }
  for (const std::string& usage : usages)
    events.push_back(
        {"message_delta", end + ",\"usage\":" + usage + "}", answer.tokens.output(), false});
  events.push_back({"message_stop", "{\"type\":\"message_stop\"}", answer.tokens.output(), false});
  return events;
}

}  // namespace upstream
