// Anthropic's Messages API (wire.md 1.3, 1.6).
#include <algorithm>

#include "providers/adapter.h"
#include "providers/anthropic_answer.h"
#include "providers/anthropic_messages.h"
#include "providers/claude_model.h"
#include "providers/json.h"
#include "providers/parameter_filter.h"
#include "providers/upstream_fault.h"

namespace jevons {
namespace {

constexpr std::int64_t thinking_budget_min = 1'024;

struct Encoding {
  const ChatRequest& request;
  const Target& target;
  const EncodeOptions& options;
  ClaudeModel model;
  ParameterFilter filter;
  bool own_dialect;
  std::string body;
  JsonWriter out{body};

  Encoding(const ChatRequest& r, const Target& t, const EncodeOptions& o)
      : request(r),
        target(t),
        options(o),
        model(claude_model(t.model)),
        filter(t, o.strict_params),
        own_dialect(r.dialect == Dialect::anthropic) {}
};

struct Thinking {
  std::string json;    // the `thinking` object, empty: not sent
  std::string effort;  // for output_config, empty: not sent
  bool on() const { return !json.empty() && json.find("\"disabled\"") == std::string::npos; }
};

std::string budget_json(std::int64_t tokens) {
  return R"({"type":"enabled","budget_tokens":)" + std::to_string(tokens) + "}";
}

// Tokens to think for an effort, on models that want a number; 0 for none.
std::int64_t budget_of(std::string_view effort) {
  if (effort == "none") return 0;
  if (effort == "minimal" || effort == "low") return 2'048;
  if (effort == "medium") return 8'192;
  return effort == "high" ? 16'384 : 32'768;
}

// The budget must leave room for the answer below the cap; 0 if it cannot.
std::int64_t fitting_budget(std::int64_t wanted, std::int64_t cap) {
  const std::int64_t budget = std::min(wanted, cap - thinking_budget_min);
  return budget >= thinking_budget_min ? budget : 0;
}

// The client's own thinking object, its budget fitted below the cap.
Thinking own_thinking(Encoding& e) {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse(e.request.thinking);
  if (!parsed) return {};
  const std::optional<std::int64_t> wanted = (*parsed)["budget_tokens"].integer();
  if (!wanted || *wanted < e.options.output_cap) return {parsed->json(), ""};
  const std::int64_t budget = fitting_budget(*wanted, e.options.output_cap);
  if (budget > 0) return {budget_json(budget), ""};
  e.filter.drop("thinking");
  return {};
}

bool forces_a_tool(const ChatRequest& request) {
  return !request.tools.empty() && (request.tool_choice.mode == ToolChoice::Mode::required ||
                                    request.tool_choice.mode == ToolChoice::Mode::named);
}

Thinking effort_thinking(Encoding& e, const std::string& asked) {
  const bool thinks = !e.target.efforts.empty() || has(e.target.can, Capability::thinking);
  if (asked == "none") return {};
  // Thinking and a forced tool exclude each other.
  if (!thinks || forces_a_tool(e.request) || e.filter.rejected("reasoning_effort")) {
    e.filter.drop("reasoning_effort");
    return {};
  }
  std::string effort = nearest_effort(asked, e.target.efforts);
  if (effort != asked) e.filter.drop("reasoning_effort");
  if (effort == "none") return {};
  if (e.model.adaptive_thinking || (e.model.major == 0 && !e.target.efforts.empty())) {
    if (effort == "minimal") effort = "low";
    if (effort == "xhigh" && !e.model.effort_xhigh) {
      e.filter.drop("reasoning_effort");
      effort = "high";
    }
    return {R"({"type":"adaptive"})", effort};
  }
  const std::int64_t budget = fitting_budget(budget_of(effort), e.options.output_cap);
  if (budget > 0) return {budget_json(budget), ""};
  e.filter.drop("reasoning_effort");
  return {};
}

// The policy's effort holds over what the client asked for in either form.
Thinking thinking_of(Encoding& e) {
  if (!e.options.effort.empty()) return effort_thinking(e, e.options.effort);
  if (!e.request.thinking.empty()) return own_thinking(e);
  if (!e.request.reasoning_effort.empty()) return effort_thinking(e, e.request.reasoning_effort);
  return {};
}

void write_sampling(Encoding& e, bool thinking) {
  const SamplingParameters& sampling = e.request.sampling;
  if (e.model.refuses_sampling || thinking) {
    e.filter.drop_if("temperature", sampling.temperature.has_value());
    e.filter.drop_if("top_p", sampling.top_p.has_value());
    e.filter.drop_if("top_k", sampling.top_k.has_value());
  } else {
    const bool temperature = e.filter.takes("temperature", sampling.temperature.has_value());
    if (temperature) {
      e.out.key("temperature").number(std::clamp(*sampling.temperature, 0.0, 1.0));
    }
    if (temperature) {
      e.filter.drop_if("top_p", sampling.top_p.has_value());  // one of the two
    } else if (e.filter.takes("top_p", sampling.top_p.has_value())) {
      e.out.key("top_p").number(*sampling.top_p);
    }
    const bool top_k = sampling.top_k.value_or(-1) >= 0;  // vLLM's -1 means off
    if (e.filter.takes("top_k", top_k)) e.out.key("top_k").integer(*sampling.top_k);
  }
  e.filter.drop_if("frequency_penalty", sampling.frequency_penalty.value_or(0) != 0);
  e.filter.drop_if("presence_penalty", sampling.presence_penalty.value_or(0) != 0);
  e.filter.drop_if("seed", sampling.seed.has_value());
  e.filter.drop_if("logprobs", sampling.logprobs.value_or(false));
  e.filter.drop_if("logit_bias", !sampling.logit_bias.empty());
  std::vector<std::string> stops;
  for (const std::string& stop : sampling.stop) {
    // Blank sequences are refused.
    if (stop.find_first_not_of(" \t\r\n") != std::string::npos) stops.push_back(stop);
  }
  if (stops.size() < sampling.stop.size()) e.filter.drop("stop");
  if (!e.filter.takes("stop", !stops.empty())) return;
  e.out.key("stop_sequences").begin_array();
  for (const std::string& stop : stops) e.out.string(stop);
  e.out.end_array();
}

void write_tool(JsonWriter& out, const Tool& tool) {
  out.begin_object().key("name").string(tool.name);
  if (!tool.description.empty()) out.key("description").string(tool.description);
  out.key("input_schema");
  out.raw(tool.parameters.empty() ? R"({"type":"object","properties":{}})" : tool.parameters);
  if (tool.strict.value_or(false)) out.key("strict").boolean(true);
  if (!tool.cache_control.empty()) out.key("cache_control").raw(tool.cache_control);
  out.end_object();
}

void write_tool_choice(Encoding& e) {
  using Mode = ToolChoice::Mode;
  const ToolChoice& choice = e.request.tool_choice;
  const bool one_at_a_time = e.request.parallel_tool_calls == false;
  if (choice.mode == Mode::raw && e.own_dialect) {
    e.out.key("tool_choice").raw(choice.raw);
    return;
  }
  e.filter.drop_if("tool_choice", choice.mode == Mode::raw);
  const bool unset = choice.mode == Mode::unset || choice.mode == Mode::raw;
  if (unset && !one_at_a_time) return;
  if (!e.filter.takes("tool_choice", true)) return;
  e.out.key("tool_choice").begin_object().key("type");
  switch (choice.mode) {
    case Mode::none:
      e.out.string("none");
      break;
    case Mode::required:
      e.out.string("any");
      break;
    case Mode::named:
      e.out.string("tool").key("name").string(choice.name);
      break;
    case Mode::unset:
    case Mode::automatic:
    case Mode::raw:
      e.out.string("auto");
  }
  if (one_at_a_time && choice.mode != Mode::none) {
    e.out.key("disable_parallel_tool_use").boolean(true);
  }
  e.out.end_object();
}

void write_tools(Encoding& e) {
  const auto passes = [&](const Tool& tool) { return tool.raw.empty() || e.own_dialect; };
  const bool any = std::any_of(e.request.tools.begin(), e.request.tools.end(), passes);
  const bool all = std::all_of(e.request.tools.begin(), e.request.tools.end(), passes);
  if (!all) e.filter.drop("tools");  // another dialect's built-in tools
  if (!e.filter.takes("tools", any)) return;
  e.out.key("tools").begin_array();
  for (const Tool& tool : e.request.tools) {
    if (tool.raw.empty()) {
      write_tool(e.out, tool);
    } else if (e.own_dialect) {
      e.out.raw(tool.raw);
    }
  }
  e.out.end_array();
  write_tool_choice(e);
}

void write_output_config(Encoding& e, const std::string& effort) {
  const ResponseFormat& format = e.request.response_format;
  const bool schema = format.kind == ResponseFormat::Kind::json_schema && !format.schema.empty() &&
                      e.filter.takes("response_format", true);
  // There is no bare JSON mode.
  e.filter.drop_if("response_format", format.kind == ResponseFormat::Kind::json_object);
  if (!schema && effort.empty()) return;
  e.out.key("output_config").begin_object();
  if (!effort.empty()) e.out.key("effort").string(effort);
  if (schema) {
    e.out.key("format").begin_object().key("type").string("json_schema");
    e.out.key("schema").raw(format.schema).end_object();
  }
  e.out.end_object();
}

void write_service_tier(Encoding& e) {
  std::string tier =
      e.options.service_tier.empty() ? e.request.service_tier : e.options.service_tier;
  if (!e.own_dialect || !e.options.service_tier.empty()) {
    if (tier == "default" || tier == "standard") tier = "standard_only";
    if (tier == "priority") tier = "auto";
    if (tier != "auto" && tier != "standard_only" && !tier.empty()) {
      e.filter.drop("service_tier");
      return;
    }
  }
  if (e.filter.takes("service_tier", !tier.empty())) e.out.key("service_tier").string(tier);
}

bool has_extra(const ChatRequest& request, std::string_view name) {
  return std::any_of(request.extra.begin(), request.extra.end(),
                     [&](const NamedJson& field) { return field.name == name; });
}

void write_rest(Encoding& e) {
  const ChatRequest& request = e.request;
  const bool own_metadata = e.own_dialect && has_extra(request, "metadata");
  // Which of the client's users it is: OpenAI has two names for that, Anthropic one place.
  const auto safety =
      std::find_if(request.extra.begin(), request.extra.end(), [&](const NamedJson& field) {
        return !e.own_dialect && field.name == "safety_identifier" &&
               !e.filter.rejected(field.name);
      });
  if (safety != request.extra.end()) {
    e.out.key("metadata").begin_object().key("user_id").raw(safety->json).end_object();
  } else if (e.filter.takes("user", !request.user.empty() && !own_metadata)) {
    e.out.key("metadata").begin_object().key("user_id").string(request.user).end_object();
  }
  e.filter.drop_if("prompt_cache_key", !request.prompt_cache_key.empty());
  for (const NamedJson& field : request.extra) {
    if (safety != request.extra.end() && &field == &*safety) continue;
    if (!e.own_dialect) {
      e.filter.drop(field.name);
    } else if (e.filter.takes(field.name, true)) {
      e.out.key(field.name).raw(field.json);
    }
  }
  if (e.options.stream) e.out.key("stream").boolean(true);
}

// With no JSON mode, the model is asked in words.
std::string with_json_instruction(std::string system) {
  std::string block;
  JsonWriter(block)
      .begin_object()
      .key("type")
      .string("text")
      .key("text")
      .string("Answer with one JSON object and nothing else.")
      .end_object();
  if (system.empty()) return "[" + block + "]";
  system.back() = ',';
  return system + block + "]";
}

Result<WireRequest> encode(const ChatRequest& request, const Target& target,
                           const EncodeOptions& options) {
  if (request.endpoint == Endpoint::embeddings) {
    return Error(Fault::unsupported_parameter, Origin::client,
                 "The target '" + target.name + "' makes no embeddings.");
  }
  if (request.n > 1) {
    return Error(Fault::unsupported_parameter, Origin::client,
                 "The target '" + target.name + "' gives one answer a request. Leave 'n' out.")
        .with_param("n");
  }
  const Result<AnthropicConversation> conversation = write_anthropic_conversation(request);
  if (!conversation) return conversation.error();
  std::string system = conversation->system;
  if (request.response_format.kind == ResponseFormat::Kind::json_object) {
    system = with_json_instruction(std::move(system));
  }
  Encoding e(request, target, options);
  e.out.begin_object().key("model").string(target.model);
  e.out.key("max_tokens").integer(options.output_cap);
  if (!system.empty()) e.out.key("system").raw(system);
  e.out.key("messages").raw(conversation->messages);
  const Thinking thinking = thinking_of(e);
  if (!thinking.json.empty()) e.out.key("thinking").raw(thinking.json);
  write_output_config(e, thinking.effort);
  write_sampling(e, thinking.on());
  write_tools(e);
  write_service_tier(e);
  write_rest(e);
  e.out.end_object();
  WireRequest wire;
  wire.path = "/v1/messages";
  bool versioned = false;
  for (const auto& [name, value] : request.dialect_headers) {
    versioned = versioned || name == "anthropic-version";
    if (e.own_dialect) {
      wire.headers.push_back({name, value});
    } else {
      e.filter.drop(name);
    }
  }
  if (!versioned) wire.headers.push_back({"anthropic-version", "2023-06-01"});
  if (e.filter.error()) return *e.filter.error();
  wire.body = std::move(e.body);
  wire.dropped_params = e.filter.take_dropped();
  return wire;
}

}  // namespace

const Adapter anthropic_adapter = {
    .name = "anthropic",
    .encode = encode,
    .decode = decode_anthropic_answer,
    .open_stream = open_anthropic_stream,
    .fault_of = upstream_fault,
    .key_header = "x-api-key",
};

}  // namespace jevons
