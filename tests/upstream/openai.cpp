#include <cstring>
#include <string_view>

#include "tests/upstream/dialect.h"
#include "tests/upstream/text.h"

namespace upstream {
namespace {

std::string number(std::int64_t value) { return std::to_string(value); }

bool whole_tool_arguments(const Behaviour& how) {
  return how.quirk == "ollama" || how.quirk == "mistral";
}

std::string reasoning_key(const Behaviour& how) {
  const bool short_name = how.quirk == "ollama" || how.quirk == "openrouter" || how.quirk == "groq";
  return short_name ? "reasoning" : "reasoning_content";
}

Fields openai_usage(const Behaviour& how, const Tokens& t,
                    std::optional<std::int64_t> nanodollars) {
  const std::string& quirk = how.quirk;
  const std::int64_t written = t.cache_write_5m + t.cache_write_1h;
  const std::int64_t prompt = how.cached_outside ? t.prompt() - t.cached : t.prompt();
  const std::int64_t completion = quirk == "xai" ? t.completion : t.output();
  Fields usage = {{"prompt_tokens", number(prompt)},
                  {"completion_tokens", number(completion)},
                  {"total_tokens", number(t.prompt() + t.output())}};
  if (quirk == "ollama") return usage;
  std::string prompt_details = "{\"cached_tokens\":" + number(t.cached);
  if (written > 0)
    prompt_details +=
        (quirk == "alibaba" ? ",\"cache_creation_input_tokens\":" : ",\"cache_write_tokens\":") +
        number(written);
  prompt_details += ",\"audio_tokens\":0}";
  if (quirk == "mistral") {
    usage.emplace_back("num_cached_tokens", number(t.cached));
    return usage;
  }
  if (quirk == "moonshot") {
    usage.emplace_back("cached_tokens", number(t.cached));
    return usage;
  }
  if (quirk == "vllm") {
    usage.emplace_back("prompt_tokens_details",
                       t.cached > 0 ? "{\"cached_tokens\":" + number(t.cached) + "}" : "null");
    return usage;
  }
  usage.emplace_back("prompt_tokens_details", prompt_details);
  usage.emplace_back("completion_tokens_details",
                     "{\"reasoning_tokens\":" + number(t.reasoning) +
                         ",\"audio_tokens\":0,\"accepted_prediction_tokens\":0,"
                         "\"rejected_prediction_tokens\":0}");
  if (quirk == "deepseek") {
    usage.emplace_back("prompt_cache_hit_tokens", number(t.cached));
    usage.emplace_back("prompt_cache_miss_tokens", number(t.prompt() - t.cached));
  }
  if (quirk == "openrouter" && nanodollars) {
    std::string digits = number(*nanodollars);
    if (digits.size() < 10) digits.insert(0, 10 - digits.size(), '0');
    usage.emplace_back("cost", digits.insert(digits.size() - 9, "."));
  }
  if (quirk == "xai") usage.emplace_back("cost_in_usd_ticks", "0");
  return usage;
}

std::string logprob_entry(const std::string& piece, std::int64_t thousandths) {
  std::string bytes;
  for (const char c : piece)
    bytes += (bytes.empty() ? "" : ",") + number(static_cast<unsigned char>(c));
  return "{\"token\":" + quoted(piece) + ",\"logprob\":" + number(thousandths) + "e-3,\"bytes\":[" +
         bytes + "],\"top_logprobs\":[]}";
}

std::string logprobs_of(const Call& call, const Answer& answer,
                        const std::vector<std::string>& pieces) {
  if (!call.logprobs) return "null";
  std::string content;
  for (const std::string& piece : pieces)
    content += (content.empty() ? "" : ",") + logprob_entry(piece, answer.logprob_thousandths);
  return "{\"content\":[" + content + "],\"refusal\":null}";
}

std::string tool_calls_of(const Answer& answer) {
  std::string out = "[";
  for (const ToolCall& tool : answer.tools) {
    if (out.size() > 1) out += ',';
    out += "{\"id\":" + quoted(tool.id) +
           ",\"type\":\"function\",\"function\":{\"name\":" + quoted(tool.name) +
           ",\"arguments\":" + quoted(tool.arguments) + "}}";
  }
  return out + "]";
}

// What every chunk of one stream begins with.
std::string chunk_head(const Answer& answer, std::string_view object) {
  std::string head = "{\"id\":" + quoted(answer.id) + ",\"object\":\"" + std::string(object) +
                     "\",\"created\":" + number(answer.created) +
                     ",\"model\":" + quoted(answer.model);
  if (!answer.service_tier.empty()) head += ",\"service_tier\":" + quoted(answer.service_tier);
  return head + ",\"system_fingerprint\":null,\"choices\":[";
}

class ChunkWriter {
 public:
  ChunkWriter(const Call& call, const Behaviour& how, const Answer& answer,
              std::optional<std::int64_t> nanodollars)
      : call_(call),
        how_(how),
        answer_(answer),
        head_(chunk_head(answer, "chat.completion.chunk")),
        usages_(usage_texts(how, openai_usage(how, answer.tokens, nanodollars))) {
    in_finish_ = how.quirk == "together" || how.quirk == "groq" || how.quirk == "mistral";
    with_usage_ = (call.include_usage || in_finish_) && !usages_.empty();
    tail_ = call.include_usage && how.quirk != "ollama" ? "],\"usage\":null}" : "]}";
    every_chunk_ = how.usage_mode == "every_chunk" || call.continuous_usage;
  }

  void delta(std::int64_t index, const std::string& delta, const std::string& logprobs = "null",
             bool text = false) {
    std::string data = head_ + "{\"index\":" + number(index) + ",\"delta\":" + delta +
                       ",\"logprobs\":" + logprobs + ",\"finish_reason\":null}";
    data += every_chunk_ ? "],\"usage\":" + running_usage() + "}" : tail_;
    events.push_back({"", std::move(data), tokens_, text});
  }
  void produced(std::int64_t count) { tokens_ += count; }

  void finish(std::int64_t index) {
    std::string data =
        head_ + "{\"index\":" + number(index) +
        ",\"delta\":{},\"logprobs\":null,\"finish_reason\":" + quoted(answer_.finish) + "}";
    const bool last = index + 1 == call_.n;
    if (last && in_finish_ && with_usage_ && how_.quirk == "groq")
      data += "],\"x_groq\":{\"id\":\"req_1\",\"usage\":" + usages_.back() + "}}";
    else if (last && in_finish_ && with_usage_)
      data += "],\"usage\":" + usages_.back() + "}";
    else
      data += tail_;
    events.push_back({"", std::move(data), answer_.tokens.output(), false});
  }

  void usage() {
    if (!with_usage_ || in_finish_) return;
    for (const std::string& text : usages_)
      events.push_back({"", head_ + "],\"usage\":" + text + "}", answer_.tokens.output(), false});
  }

  std::vector<Event> events;

 private:
  std::string running_usage() const {
    Tokens t = answer_.tokens;
    t.completion = tokens_;
    t.reasoning = 0;
    return object_text(openai_usage(how_, t, std::nullopt));
  }

  const Call& call_;
  const Behaviour& how_;
  const Answer& answer_;
  std::string head_;
  std::string tail_;
  std::vector<std::string> usages_;
  bool in_finish_ = false;
  bool with_usage_ = false;
  bool every_chunk_ = false;
  std::int64_t tokens_ = 0;
};

void write_tools(ChunkWriter& out, std::int64_t index, const Behaviour& how, const Answer& answer) {
  for (std::size_t i = 0; i < answer.tools.size(); ++i) {
    const ToolCall& tool = answer.tools[i];
    const bool whole = whole_tool_arguments(how);
    const std::string position = number(static_cast<std::int64_t>(i));
    out.produced(8);
    out.delta(index, "{\"tool_calls\":[{\"index\":" + position + ",\"id\":" + quoted(tool.id) +
                         ",\"type\":\"function\",\"function\":{\"name\":" + quoted(tool.name) +
                         ",\"arguments\":" + (whole ? quoted(tool.arguments) : "\"\"") + "}}]}");
    if (whole) continue;
    for (const std::string& piece : cut_into_pieces(tool.arguments)) {
      out.produced(1);
      out.delta(index, "{\"tool_calls\":[{\"index\":" + position +
                           ",\"function\":{\"arguments\":" + quoted(piece) + "}}]}");
    }
  }
}

}  // namespace

std::string openai_body(const Call& call, const Behaviour& how, const Answer& answer,
                        std::optional<std::int64_t> nanodollars) {
  std::string out = chunk_head(answer, "chat.completion");
  std::string message = "{\"role\":\"assistant\",\"content\":";
  message += answer.tools.empty() && answer.refusal.empty() ? quoted(join(answer.pieces)) : "null";
  message += ",\"refusal\":" + (answer.refusal.empty() ? "null" : quoted(answer.refusal));
  if (!answer.reasoning.empty())
    message += ",\"" + reasoning_key(how) + "\":" + quoted(join(answer.reasoning));
  if (!answer.tools.empty()) message += ",\"tool_calls\":" + tool_calls_of(answer);
  message += "}";
  for (std::int64_t index = 0; index < call.n; ++index) {
    if (index > 0) out += ',';
    out += "{\"index\":" + number(index) + ",\"message\":" + message +
           ",\"logprobs\":" + logprobs_of(call, answer, answer.pieces) +
           ",\"finish_reason\":" + quoted(answer.finish) + "}";
  }
  out += "]";
  const auto usages = usage_texts(how, openai_usage(how, answer.tokens, nanodollars));
  if (!usages.empty()) out += ",\"usage\":" + usages.back();
  return out + "}";
}

std::vector<Event> openai_events(const Call& call, const Behaviour& how, const Answer& answer,
                                 std::optional<std::int64_t> nanodollars) {
  ChunkWriter out(call, how, answer, nanodollars);
  out.events.reserve(answer.pieces.size() + 8);
  const std::string key = reasoning_key(how);
  for (std::int64_t index = 0; index < call.n; ++index) {
    out.delta(index, "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}");
    for (const std::string& piece : answer.reasoning) {
      out.produced(1);
      out.delta(index, "{\"content\":null,\"" + key + "\":" + quoted(piece) + "}");
    }
    if (!answer.refusal.empty()) {
      out.produced(answer.tokens.completion);
      out.delta(index, "{\"refusal\":" + quoted(answer.refusal) + "}");
    }
    for (const std::string& piece : answer.pieces) {
      out.produced(1);
      out.delta(index, "{\"content\":" + quoted(piece) + "}", logprobs_of(call, answer, {piece}),
                true);
    }
    write_tools(out, index, how, answer);
  }
  for (std::int64_t index = 0; index < call.n; ++index) out.finish(index);
  out.usage();
  return std::move(out.events);
}

std::string completions_body(const Call& call, const Behaviour& how, const Answer& answer) {
  std::string out = chunk_head(answer, "text_completion");
  for (std::int64_t index = 0; index < call.n; ++index) {
    if (index > 0) out += ',';
    out += "{\"index\":" + number(index) + ",\"text\":" + quoted(join(answer.pieces)) +
           ",\"logprobs\":null,\"finish_reason\":" + quoted(answer.finish) + "}";
  }
  out += "]";
  const auto usages = usage_texts(how, openai_usage(how, answer.tokens, std::nullopt));
  if (!usages.empty()) out += ",\"usage\":" + usages.back();
  return out + "}";
}

std::vector<Event> completions_events(const Call& call, const Behaviour& how,
                                      const Answer& answer) {
  std::vector<Event> events;
  const std::string head = chunk_head(answer, "text_completion");
  const std::string tail = call.include_usage ? "],\"usage\":null}" : "]}";
  std::int64_t tokens = 0;
  for (const std::string& piece : answer.pieces)
    events.push_back({"",
                      head + "{\"index\":0,\"text\":" + quoted(piece) +
                          ",\"logprobs\":null,\"finish_reason\":null}" + tail,
                      ++tokens, true});
  events.push_back({"",
                    head + "{\"index\":0,\"text\":\"\",\"logprobs\":null,\"finish_reason\":" +
                        quoted(answer.finish) + "}" + tail,
                    answer.tokens.output(), false});
  if (call.include_usage)
    for (const std::string& usage :
         usage_texts(how, openai_usage(how, answer.tokens, std::nullopt)))
      events.push_back({"", head + "],\"usage\":" + usage + "}", answer.tokens.output(), false});
  return events;
}

std::string embeddings_body(const Call& call, const Behaviour& how, const Answer& answer) {
  const auto input = call.body.FindMember("input");
  const bool many = input != call.body.MemberEnd() && input->value.IsArray() &&
                    !input->value.Empty() && !input->value[0].IsInt();
  const std::size_t count = many ? input->value.Size() : 1;
  std::size_t dimensions = 8;
  if (const auto asked = call.body.FindMember("dimensions");
      asked != call.body.MemberEnd() && asked->value.IsUint())
    dimensions = asked->value.GetUint();
  const auto format = call.body.FindMember("encoding_format");
  const bool binary = format != call.body.MemberEnd() && format->value.IsString() &&
                      std::string_view(format->value.GetString()) == "base64";
  std::string out = "{\"object\":\"list\",\"data\":[";
  for (std::size_t i = 0; i < count; ++i) {
    std::string bytes;
    std::string numbers;
    for (std::size_t d = 0; d < dimensions; ++d) {  // exact in float32 and in decimal
      const float value = static_cast<float>((i * 7 + d * 3) % 16) / 16.0F - 0.5F;
      bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
      numbers += (d == 0 ? "" : ",") + std::to_string(value);
    }
    if (i > 0) out += ',';
    out += "{\"object\":\"embedding\",\"index\":" + std::to_string(i) + ",\"embedding\":";
    out += binary ? quoted(base64(bytes)) : "[" + numbers + "]";
    out += "}";
  }
  out += "],\"model\":" + quoted(answer.model);
  const std::string prompt = number(answer.tokens.prompt());
  const auto usages = usage_texts(how, {{"prompt_tokens", prompt}, {"total_tokens", prompt}});
  if (!usages.empty()) out += ",\"usage\":" + usages.back();
  return out + "}";
}

std::string models_body(const std::vector<std::string>& models) {
  std::string out = "{\"object\":\"list\",\"data\":[";
  for (const std::string& model : models) {
    if (out.back() != '[') out += ',';
    out += "{\"id\":" + quoted(model) +
           ",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"scripted\"}";
  }
  return out + "]}";
}

}  // namespace upstream
