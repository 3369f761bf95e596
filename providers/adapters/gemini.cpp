// Gemini's generateContent (wire.md 1.4, 1.6).
#include <algorithm>
#include <cctype>

#include "providers/adapter.h"
#include "providers/gemini_answer.h"
#include "providers/gemini_contents.h"
#include "providers/json.h"
#include "providers/parameter_filter.h"
#include "providers/upstream_fault.h"

namespace jevons {
namespace {

constexpr std::size_t stops_max = 5;

// 3 of "gemini-3-pro-preview"; 0 if the name tells none.
int generation_of(std::string_view model) {
  constexpr std::string_view prefix = "gemini-";
  const std::size_t at = model.find(prefix);
  if (at == std::string_view::npos || at + prefix.size() >= model.size()) return 0;
  const char digit = model[at + prefix.size()];
  return digit >= '0' && digit <= '9' ? digit - '0' : 0;
}

struct Encoding {
  const ChatRequest& request;
  const Target& target;
  const EncodeOptions& options;
  ParameterFilter filter;
  std::string body;
  JsonWriter out{body};

  Encoding(const ChatRequest& r, const Target& t, const EncodeOptions& o)
      : request(r), target(t), options(o), filter(t, o.strict_params) {}
};

void write_number(Encoding& e, std::string_view parameter, std::string_view wire_name,
                  const std::optional<double>& value) {
  if (e.filter.takes(parameter, value.has_value())) e.out.key(wire_name).number(*value);
}

void write_integer(Encoding& e, std::string_view parameter, std::string_view wire_name,
                   const std::optional<std::int64_t>& value) {
  if (e.filter.takes(parameter, value.has_value())) e.out.key(wire_name).integer(*value);
}

std::int64_t budget_of(std::string_view effort) {
  if (effort == "none") return 0;
  if (effort == "minimal") return 512;
  if (effort == "low") return 1'024;
  return effort == "medium" ? 8'192 : 24'576;
}

std::string_view level_of(std::string_view effort) {
  if (effort == "none" || effort == "minimal") return "MINIMAL";
  if (effort == "low") return "LOW";
  return effort == "medium" ? "MEDIUM" : "HIGH";
}

// What the policy or the client asks for, as an effort; empty for nothing.
std::string asked_effort(Encoding& e) {
  if (!e.options.effort.empty()) return e.options.effort;
  if (!e.request.reasoning_effort.empty() || e.request.thinking.empty()) {
    return e.request.reasoning_effort;
  }
  JsonDocument thinking;
  if (!thinking.parse(e.request.thinking)) return {};
  if (thinking.root()["type"].text() == "disabled") return "none";
  const std::optional<std::int64_t> budget = thinking.root()["budget_tokens"].integer();
  if (!budget) e.filter.drop("thinking");
  return budget ? std::string(effort_of_budget(*budget)) : "";
}

void write_thinking(Encoding& e) {
  const std::string asked = asked_effort(e);
  if (asked.empty()) return;
  if (e.target.efforts.empty() && !has(e.target.can, Capability::thinking)) {
    e.filter.drop_if("reasoning_effort", asked != "none");
    return;
  }
  const std::string effort = nearest_effort(asked, e.target.efforts);
  if (effort != asked) e.filter.drop("reasoning_effort");
  if (!e.filter.takes("reasoning_effort", true)) return;
  e.out.key("thinkingConfig").begin_object();
  if (generation_of(e.target.model) >= 3) {
    e.out.key("thinkingLevel").string(level_of(effort));
  } else {
    // Thoughts count against the output cap: half of it is left for the answer. 2.5 Pro cannot
    // be told not to think at all.
    const bool always = e.target.model.find("2.5-pro") != std::string::npos;
    const std::int64_t budget = std::min(budget_of(effort), e.options.output_cap / 2);
    e.out.key("thinkingBudget").integer(std::max<std::int64_t>(budget, always ? 128 : 0));
  }
  if (effort != "none") e.out.key("includeThoughts").boolean(true);
  e.out.end_object();
}

void write_stops(Encoding& e) {
  const std::vector<std::string>& stops = e.request.sampling.stop;
  if (!e.filter.takes("stop", !stops.empty())) return;
  e.filter.drop_if("stop", stops.size() > stops_max);
  e.out.key("stopSequences").begin_array();
  for (std::size_t i = 0; i < std::min(stops.size(), stops_max); ++i) e.out.string(stops[i]);
  e.out.end_array();
}

void write_format(Encoding& e) {
  const ResponseFormat& format = e.request.response_format;
  if (!e.filter.takes("response_format", format.kind > ResponseFormat::Kind::text)) return;
  e.out.key("responseMimeType").string("application/json");
  if (!format.schema.empty()) e.out.key("responseJsonSchema").raw(format.schema);
}

void write_generation(Encoding& e) {
  const SamplingParameters& sampling = e.request.sampling;
  e.out.key("generationConfig").begin_object();
  if (e.options.output_cap > 0) e.out.key("maxOutputTokens").integer(e.options.output_cap);
  write_number(e, "temperature", "temperature", sampling.temperature);
  write_number(e, "top_p", "topP", sampling.top_p);
  if (sampling.top_k.value_or(-1) >= 0) write_integer(e, "top_k", "topK", sampling.top_k);
  write_integer(e, "seed", "seed", sampling.seed);
  write_number(e, "presence_penalty", "presencePenalty", sampling.presence_penalty);
  write_number(e, "frequency_penalty", "frequencyPenalty", sampling.frequency_penalty);
  if (e.filter.takes("n", e.request.n > 1)) e.out.key("candidateCount").integer(e.request.n);
  const bool logprobs = sampling.logprobs.value_or(false);
  if (logprobs && !has(e.target.can, Capability::logprobs)) {
    e.filter.drop("logprobs");  // of a pinned target
    e.filter.drop_if("top_logprobs", sampling.top_logprobs.has_value());
  } else if (e.filter.takes("logprobs", logprobs)) {
    e.out.key("responseLogprobs").boolean(true);
    write_integer(e, "top_logprobs", "logprobs", sampling.top_logprobs);
  }
  write_stops(e);
  write_format(e);
  write_thinking(e);
  e.out.end_object();
}

void write_tool_config(Encoding& e) {
  using Mode = ToolChoice::Mode;
  const ToolChoice& choice = e.request.tool_choice;
  e.filter.drop_if("tool_choice", choice.mode == Mode::raw);
  if (choice.mode == Mode::unset || choice.mode == Mode::raw) return;
  if (!e.filter.takes("tool_choice", true)) return;
  e.out.key("toolConfig").begin_object().key("functionCallingConfig").begin_object().key("mode");
  if (choice.mode == Mode::none) {
    e.out.string("NONE");
  } else if (choice.mode == Mode::automatic) {
    e.out.string("AUTO");
  } else {
    e.out.string("ANY");
  }
  if (choice.mode == Mode::named) {
    e.out.key("allowedFunctionNames").begin_array().string(choice.name).end_array();
  }
  e.out.end_object().end_object();
}

void write_tools(Encoding& e) {
  const auto is_function = [](const Tool& tool) { return tool.raw.empty(); };
  const std::vector<Tool>& tools = e.request.tools;
  const bool any = std::any_of(tools.begin(), tools.end(), is_function);
  const bool all = std::all_of(tools.begin(), tools.end(), is_function);
  if (!all) e.filter.drop("tools");
  if (!e.filter.takes("tools", any)) return;
  e.out.key("tools").begin_array().begin_object().key("functionDeclarations").begin_array();
  for (const Tool& tool : tools) {
    if (!is_function(tool)) continue;
    e.out.begin_object().key("name").string(tool.name);
    if (!tool.description.empty()) e.out.key("description").string(tool.description);
    if (!tool.parameters.empty()) e.out.key("parametersJsonSchema").raw(tool.parameters);
    e.out.end_object();
  }
  e.out.end_array().end_object().end_array();
  write_tool_config(e);
  e.filter.drop_if("parallel_tool_calls", e.request.parallel_tool_calls == false);
}

void write_service_tier(Encoding& e) {
  std::string_view tier =
      e.options.service_tier.empty() ? e.request.service_tier : e.options.service_tier;
  if (tier == "default" || tier == "standard_only") tier = "standard";
  if (tier.empty() || tier == "auto") return;
  const bool known = tier == "standard" || tier == "flex" || tier == "priority";
  if (!known) {
    e.filter.drop("service_tier");
  } else if (e.filter.takes("service_tier", true)) {
    e.out.key("serviceTier").string(tier);
  }
}

void drop_the_rest(Encoding& e) {
  const ChatRequest& request = e.request;
  e.filter.drop_if("logit_bias", !request.sampling.logit_bias.empty());
  e.filter.drop_if("user", !request.user.empty());
  e.filter.drop_if("prompt_cache_key", !request.prompt_cache_key.empty());
  for (const NamedJson& field : request.extra) e.filter.drop(field.name);
  for (const auto& [name, value] : request.dialect_headers) e.filter.drop(name);
}

std::string path_of(std::string_view model, bool stream) {
  constexpr std::string_view prefix = "models/";
  if (model.substr(0, prefix.size()) == prefix) model.remove_prefix(prefix.size());
  std::string path = "/v1beta/models/";
  for (const char c : model) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_';
    if (plain) {
      path += c;
    } else {
      constexpr std::string_view hex = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      path += {'%', hex[byte >> 4], hex[byte & 15]};
    }
  }
  return path + (stream ? ":streamGenerateContent?alt=sse" : ":generateContent");
}

Result<WireRequest> encode(const ChatRequest& request, const Target& target,
                           const EncodeOptions& options) {
  if (request.endpoint == Endpoint::embeddings) {
    return Error(Fault::unsupported_parameter, Origin::client,
                 "The target '" + target.name +
                     "' makes no embeddings by this API. Use its OpenAI-compatible endpoint.");
  }
  const Result<GeminiConversation> conversation =
      write_gemini_conversation(request, generation_of(target.model) >= 3);
  if (!conversation) return conversation.error();
  Encoding e(request, target, options);
  e.out.begin_object().key("contents").raw(conversation->contents);
  if (!conversation->system.empty()) {
    e.out.key("systemInstruction").begin_object().key("parts").raw(conversation->system);
    e.out.end_object();
  }
  write_tools(e);
  write_generation(e);
  write_service_tier(e);
  e.out.end_object();
  drop_the_rest(e);
  if (e.filter.error()) return *e.filter.error();
  WireRequest wire;
  wire.path = path_of(target.model, options.stream);
  wire.body = std::move(e.body);
  wire.dropped_params = e.filter.take_dropped();
  return wire;
}

}  // namespace

const Adapter gemini_adapter = {
    .name = "gemini",
    .encode = encode,
    .decode = decode_gemini_answer,
    .open_stream = open_gemini_stream,
    .fault_of = upstream_fault,
    .key_header = "x-goog-api-key",
};

}  // namespace jevons
