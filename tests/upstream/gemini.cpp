#include "tests/upstream/dialect.h"
#include "tests/upstream/text.h"

namespace upstream {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

std::string finish_reason(const Answer& answer) {
  if (answer.finish == "stop" || answer.finish == "tool_calls") return "STOP";
  if (answer.finish == "length") return "MAX_TOKENS";
  if (answer.finish == "content_filter" || !answer.refusal.empty()) return "SAFETY";
  return answer.finish;
}

Fields usage_fields(const Answer& answer, std::int64_t visible, bool last) {
  const Tokens& t = answer.tokens;
  Fields usage = {{"promptTokenCount", number(t.prompt())}};
  if (visible > 0) usage.emplace_back("candidatesTokenCount", number(visible));
  if (t.cached > 0) usage.emplace_back("cachedContentTokenCount", number(t.cached));
  if (t.reasoning > 0) usage.emplace_back("thoughtsTokenCount", number(t.reasoning));
  usage.emplace_back("totalTokenCount", number(t.prompt() + visible + t.reasoning));
  usage.emplace_back("promptTokensDetails",
                     "[{\"modality\":\"TEXT\",\"tokenCount\":" + number(t.prompt()) + "}]");
  if (last && !answer.service_tier.empty())
    usage.emplace_back("serviceTier", quoted(answer.service_tier));
  return usage;
}

std::string text_part(const std::string& text) { return "{\"text\":" + quoted(text) + "}"; }

std::string thought_part(const std::string& text) {
  return "{\"text\":" + quoted(text) + ",\"thought\":true}";
}

std::string tool_part(const ToolCall& tool) {
  return "{\"functionCall\":{\"name\":" + quoted(tool.name) + ",\"args\":" + tool.arguments +
         "},\"thoughtSignature\":\"c2lnbmVk\"}";
}

std::string chunk(const Answer& answer, const std::string& parts, const std::string& finish,
                  const std::string& usage) {
  std::string out = "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" + parts + "]}";
  if (!finish.empty()) out += ",\"finishReason\":" + quoted(finish);
  out += ",\"index\":0}]";
  if (!usage.empty()) out += ",\"usageMetadata\":" + usage;
  return out + ",\"modelVersion\":" + quoted(answer.model) +
         ",\"responseId\":" + quoted(answer.id) + "}";
}

}  // namespace

std::string gemini_body(const Behaviour& how, const Answer& answer) {
  std::string parts;
  const auto add = [&parts](const std::string& part) {
    parts += (parts.empty() ? "" : ",") + part;
  };
  if (!answer.reasoning.empty()) add(thought_part(join(answer.reasoning)));
  if (!answer.pieces.empty()) add(text_part(join(answer.pieces)));
  for (const ToolCall& tool : answer.tools) add(tool_part(tool));
  const auto usages = usage_texts(how, usage_fields(answer, answer.tokens.completion, true));
  return chunk(answer, parts, finish_reason(answer), usages.empty() ? "" : usages.back());
}

std::vector<Event> gemini_events(const Behaviour& how, const Answer& answer) {
  std::vector<Event> events;
  std::int64_t tokens = 0;
  const auto usage = [&](std::int64_t visible) {
    const auto texts = usage_texts(how, usage_fields(answer, visible, false));
    return texts.empty() ? std::string() : texts.front();
  };
  for (const std::string& piece : answer.reasoning)
    events.push_back({"", chunk(answer, thought_part(piece), "", usage(0)), ++tokens, false});
  std::int64_t visible = 0;
  for (const std::string& piece : answer.pieces)
    events.push_back({"", chunk(answer, text_part(piece), "", usage(++visible)), ++tokens, true});
  for (const ToolCall& tool : answer.tools)
    events.push_back(
        {"", chunk(answer, tool_part(tool), "", usage(0)), answer.tokens.output(), false});
  const auto usages = usage_texts(how, usage_fields(answer, answer.tokens.completion, true));
  const std::string finish = finish_reason(answer);
  if (usages.empty())
    events.push_back({"", chunk(answer, text_part(""), finish, ""), answer.tokens.output(), false});
  for (const std::string& text : usages)
    events.push_back(
        {"", chunk(answer, text_part(""), finish, text), answer.tokens.output(), false});
  return events;
}

}  // namespace upstream
