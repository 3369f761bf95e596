// OpenAI's chat completions and embeddings, and every provider that imitates them: their
// differences are rows of a table (wire.md 1.5), selected by `quirks:` in the configuration.
#include <array>
#include <cctype>

#include "providers/adapter.h"
#include "providers/json.h"
#include "providers/openai_answer.h"
#include "providers/openai_messages.h"
#include "providers/openai_tools.h"
#include "providers/parameter_filter.h"
#include "providers/upstream_fault.h"

namespace jevons {
namespace {

struct QuirkRow {
  Quirks quirks = Quirks::none;
  std::string_view output_cap = "max_tokens";
  std::string_view seed = "seed";
  std::string_view required = "required";      // the word of tool_choice
  std::string_view developer_role = "system";  // what role developer becomes; empty: itself
  std::string_view reasoning_field;            // replayed reasoning, empty: not sent
  std::string_view cache_mark;                 // cache breakpoints on parts, empty: not sent
  bool stream_options = true;                  // false: usage comes anyway, the field is refused
  bool service_tier = false;
  bool top_k = false;
  bool base64_embeddings = false;
  std::array<std::string_view, 8> refuses{};  // answers 4xx to these
};

constexpr std::array<QuirkRow, 10> quirk_rows = {{
    {.quirks = Quirks::none,
     .developer_role = "",
     .cache_mark = "prompt_cache_breakpoint",
     .service_tier = true,
     .base64_embeddings = true},
    {.quirks = Quirks::deepseek, .reasoning_field = "reasoning_content"},
    {.quirks = Quirks::mistral,
     .seed = "random_seed",
     .required = "any",
     .stream_options = false,
     .refuses = {"user", "prompt_cache_key", "logit_bias", "logprobs", "top_logprobs", "store",
                 "verbosity", "safety_identifier"}},
    {.quirks = Quirks::xai, .output_cap = "max_completion_tokens"},
    {.quirks = Quirks::groq,
     .output_cap = "max_completion_tokens",
     .service_tier = true,
     .refuses = {"logit_bias", "logprobs", "top_logprobs"}},
    {.quirks = Quirks::together, .top_k = true},
    {.quirks = Quirks::openrouter,
     .reasoning_field = "reasoning",
     .cache_mark = "cache_control",
     .service_tier = true,
     .top_k = true},
    {.quirks = Quirks::moonshot, .reasoning_field = "reasoning_content"},
    {.quirks = Quirks::ollama},
    {.quirks = Quirks::vllm, .top_k = true, .base64_embeddings = true},
}};

const QuirkRow& row_of(Quirks quirks) {
  for (const QuirkRow& row : quirk_rows) {
    if (row.quirks == quirks) return row;
  }
  return quirk_rows[0];
}

// OpenAI's own reasoning families: o1, o3, ... and gpt-5 onwards, not their -chat variants. They
// want max_completion_tokens and role developer and refuse sampling parameters.
struct ReasoningModel {
  bool is = false;
  bool samples_at_effort_none = false;  // gpt-5.1 and later
};

ReasoningModel reasoning_model(std::string_view model) {
  const auto digit = [&](std::size_t at) {
    return at < model.size() && model[at] >= '0' && model[at] <= '9';
  };
  if (model.find("-chat") != std::string_view::npos) return {};
  if (model.substr(0, 1) == "o" && digit(1)) return {.is = true};
  if (model.substr(0, 4) != "gpt-" || !digit(4)) return {};
  const bool two_digits = digit(5);
  if (!two_digits && model[4] < '5') return {};
  const bool minor = model.substr(5, 1) == "." && digit(6) && model[6] != '0';
  return {.is = true, .samples_at_effort_none = minor || two_digits || model[4] > '5'};
}

struct Encoding {
  const ChatRequest& request;
  const Target& target;
  const EncodeOptions& options;
  const QuirkRow& row;
  ReasoningModel reasoning;
  ParameterFilter filter;
  std::string body;
  JsonWriter out{body};

  Encoding(const ChatRequest& r, const Target& t, const EncodeOptions& o)
      : request(r),
        target(t),
        options(o),
        row(row_of(o.quirks)),
        reasoning(o.quirks == Quirks::none ? reasoning_model(t.model) : ReasoningModel{}),
        filter(t, o.strict_params) {}

  bool takes(std::string_view name, bool is_set) {
    for (const std::string_view refused : row.refuses) {
      if (is_set && !refused.empty() && name == refused) {
        filter.drop(name);
        return false;
      }
    }
    return filter.takes(name, is_set);
  }
};

// The effort for this call: the policy's, else the client's, else what a thinking object asks for;
// as near as the target's list allows. Empty: none to send.
std::string effort_of(Encoding& e) {
  std::string asked = e.options.effort.empty() ? e.request.reasoning_effort : e.options.effort;
  if (asked.empty() && !e.request.thinking.empty()) {
    JsonDocument thinking;
    if (thinking.parse(e.request.thinking)) {
      const JsonView root = thinking.root();
      if (root["type"].text() == "disabled") asked = "none";
      if (const auto budget = root["budget_tokens"].integer()) asked = effort_of_budget(*budget);
    }
    if (asked.empty()) e.filter.drop("thinking");
  }
  if (asked.empty()) return {};
  const bool thinks =
      e.reasoning.is || !e.target.efforts.empty() || has(e.target.can, Capability::thinking);
  if (!thinks) {
    // To a model that cannot reason, "none" asks for what it does anyway.
    if (asked != "none") e.filter.drop("reasoning_effort");
    return {};
  }
  std::string effort = nearest_effort(asked, e.target.efforts);
  if (effort != asked) e.filter.drop("reasoning_effort");
  return e.takes("reasoning_effort", true) ? effort : std::string();
}

void write_number(Encoding& e, std::string_view name, const std::optional<double>& value,
                  bool possible) {
  if (!value) return;
  if (!possible) {
    e.filter.drop(name);
  } else if (e.takes(name, true)) {
    e.out.key(name).number(*value);
  }
}

void write_sampling(Encoding& e, std::string_view effort) {
  const SamplingParameters& sampling = e.request.sampling;
  const bool samples = !e.reasoning.is || (e.reasoning.samples_at_effort_none && effort == "none");
  write_number(e, "temperature", sampling.temperature, samples);
  write_number(e, "top_p", sampling.top_p, samples);
  write_number(e, "frequency_penalty", sampling.frequency_penalty, samples);
  write_number(e, "presence_penalty", sampling.presence_penalty, samples);
  if (sampling.top_k) {
    const bool possible = e.row.top_k || (e.options.quirks == Quirks::none &&
                                          e.request.dialect == Dialect::openai && !e.reasoning.is);
    if (!possible) {
      e.filter.drop("top_k");
    } else if (e.takes("top_k", true)) {
      e.out.key("top_k").integer(*sampling.top_k);
    }
  }
  if (e.takes("seed", sampling.seed.has_value())) e.out.key(e.row.seed).integer(*sampling.seed);
  const bool logprobs = sampling.logprobs.value_or(e.options.logprobs);
  if (!samples) {
    const bool asked = sampling.logprobs.value_or(false);
    e.filter.drop_if("logprobs", asked);
    e.filter.drop_if("top_logprobs", asked && sampling.top_logprobs);
    e.filter.drop_if("logit_bias", !sampling.logit_bias.empty());
    e.filter.drop_if("stop", !sampling.stop.empty());
    return;
  }
  // A pinned target may lack them; a routed request goes to one that has them.
  if (sampling.logprobs.value_or(false) && !has(e.target.can, Capability::logprobs)) {
    e.filter.drop("logprobs");
    e.filter.drop_if("top_logprobs", sampling.top_logprobs.has_value());
  } else if (e.takes("logprobs", logprobs)) {
    e.out.key("logprobs").boolean(true);
    if (e.takes("top_logprobs", sampling.top_logprobs.has_value())) {
      e.out.key("top_logprobs").integer(*sampling.top_logprobs);
    }
  }
  if (e.takes("logit_bias", !sampling.logit_bias.empty())) {
    e.out.key("logit_bias").raw(sampling.logit_bias);
  }
  if (e.takes("stop", !sampling.stop.empty())) {
    e.out.key("stop").begin_array();
    for (const std::string& stop : sampling.stop) e.out.string(stop);
    e.out.end_array();
  }
}

void write_tools(Encoding& e) {
  // A tool that is no function has meaning only in the dialect it came in.
  const bool foreign = e.request.dialect != Dialect::openai;
  std::vector<Tool> tools;
  for (const Tool& tool : e.request.tools) {
    if (foreign && !tool.raw.empty()) {
      e.filter.drop("tools");
    } else {
      tools.push_back(tool);
    }
  }
  if (!e.takes("tools", !tools.empty())) return;
  write_openai_tools(e.out.key("tools"), tools);
  if (e.takes("tool_choice", e.request.tool_choice.mode != ToolChoice::Mode::unset)) {
    write_openai_tool_choice(e.out.key("tool_choice"), e.request.tool_choice, e.row.required);
  }
  if (e.takes("parallel_tool_calls", e.request.parallel_tool_calls.has_value())) {
    e.out.key("parallel_tool_calls").boolean(*e.request.parallel_tool_calls);
  }
}

void write_cap(Encoding& e) {
  if (e.options.output_cap <= 0) return;
  std::string_view name = e.reasoning.is ? "max_completion_tokens" : e.row.output_cap;
  if (e.filter.rejected(name)) {
    name = name == "max_tokens" ? "max_completion_tokens" : "max_tokens";
  }
  e.out.key(name).integer(e.options.output_cap);
}

void write_service_tier(Encoding& e) {
  std::string_view tier =
      e.options.service_tier.empty() ? e.request.service_tier : e.options.service_tier;
  if (e.request.dialect == Dialect::anthropic && tier == "standard_only") tier = "default";
  if (tier.empty()) return;
  if (!e.row.service_tier) {
    // The default tier is what such an upstream gives anyway.
    e.filter.drop_if("service_tier", tier != "auto" && tier != "default");
  } else if (e.takes("service_tier", true)) {
    e.out.key("service_tier").string(tier);
  }
}

bool has_extra(const ChatRequest& request, std::string_view name) {
  return std::any_of(request.extra.begin(), request.extra.end(),
                     [&](const NamedJson& field) { return field.name == name; });
}

// What a chat body says in fields that /v1/completions lacks. There it is an unknown field, and
// passed on it would stand beside, or in place of, the conversation that was judged and priced.
bool is_chat_field(std::string_view name) {
  static constexpr std::array<std::string_view, 9> names = {
      "messages",        "tools",        "tool_choice",      "parallel_tool_calls", "functions",
      "function_call",   "top_logprobs", "reasoning_effort", "response_format"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

void write_extra(Encoding& e) {
  for (const NamedJson& field : e.request.extra) {
    if (e.request.dialect != Dialect::openai || field.name == e.row.seed ||
        is_chat_field(field.name)) {
      e.filter.drop(field.name);
    } else if (e.takes(field.name, true)) {
      e.out.key(field.name).raw(field.json);
    }
  }
}

void write_chat(Encoding& e) {
  const ChatRequest& request = e.request;
  e.out.begin_object().key("model").string(e.target.model);
  OpenAiMessageStyle style;
  style.developer_role = e.row.developer_role;
  if (e.reasoning.is) style.system_role = "developer";
  style.reasoning_field = e.row.reasoning_field;
  if (request.dialect == Dialect::openai) style.cache_mark = e.row.cache_mark;
  write_openai_messages(e.out.key("messages"), request.messages, style);
  write_cap(e);
  const std::string effort = effort_of(e);
  if (!effort.empty()) e.out.key("reasoning_effort").string(effort);
  write_sampling(e, effort);
  write_tools(e);
  if (e.takes("response_format", request.response_format.kind > ResponseFormat::Kind::text)) {
    write_openai_response_format(e.out.key("response_format"), request.response_format);
  }
  if (e.takes("n", request.n > 1)) e.out.key("n").integer(request.n);
  write_service_tier(e);
  if (e.takes("user", !request.user.empty())) e.out.key("user").string(request.user);
  if (e.takes("prompt_cache_key", !request.prompt_cache_key.empty())) {
    e.out.key("prompt_cache_key").string(request.prompt_cache_key);
  }
  write_extra(e);
  if (e.options.stream) {
    e.out.key("stream").boolean(true);
    if (e.row.stream_options) {
      e.out.key("stream_options").begin_object().key("include_usage").boolean(true).end_object();
    }
  }
  if (e.options.quirks == Quirks::openrouter && !has_extra(request, "usage")) {
    e.out.key("usage").begin_object().key("include").boolean(true).end_object();  // its own price
  }
  e.out.end_object();
}

void write_embeddings(Encoding& e) {
  const ChatRequest& request = e.request;
  e.out.begin_object().key("model").string(e.target.model).key("input");
  const bool tokens = !request.token_inputs.empty();
  const std::size_t count = tokens ? request.token_inputs.size() : request.inputs.size();
  const bool array = request.input_was_array || count != 1;
  if (array) e.out.begin_array();
  for (const std::string& ids : request.token_inputs) e.out.raw(ids);
  for (const std::string& text : request.inputs) e.out.string(text);
  if (array) e.out.end_array();
  if (e.row.base64_embeddings) e.out.key("encoding_format").string("base64");
  if (e.takes("dimensions", request.dimensions.has_value())) {
    e.out.key("dimensions").integer(*request.dimensions);
  }
  if (e.takes("user", !request.user.empty())) e.out.key("user").string(request.user);
  write_extra(e);
  e.out.end_object();
}

Result<WireRequest> encode(const ChatRequest& request, const Target& target,
                           const EncodeOptions& options) {
  Encoding e(request, target, options);
  WireRequest wire;
  if (request.endpoint == Endpoint::embeddings) {
    wire.path = "/embeddings";
    write_embeddings(e);
  } else {
    wire.path = "/chat/completions";
    write_chat(e);
  }
  for (const auto& [name, value] : request.dialect_headers) e.filter.drop(name);
  if (e.filter.error()) return *e.filter.error();
  wire.body = std::move(e.body);
  wire.dropped_params = e.filter.take_dropped();
  return wire;
}

}  // namespace

const Adapter openai_adapter = {
    .name = "openai",
    .encode = encode,
    .decode = decode_openai_answer,
    .open_stream = open_openai_stream,
    .fault_of = upstream_fault,
    .key_header = "authorization",
};

}  // namespace jevons
