// The one internal form of a request and of an answer. Every inbound dialect is parsed into it and
// every outbound wire format is written from it; raw bytes are never forwarded. JSON that Jevons
// does not interpret travels as canonical JSON text (strictly parsed, then re-serialised).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "router/usage.h"

namespace jevons {

enum class Endpoint : std::uint8_t {
  chat,
  completions,
  embeddings,
  responses,
  messages,
  count_tokens,
  route,
  feedback,
  models
};
std::string_view endpoint_name(Endpoint endpoint);

// The wire language the client speaks.
enum class Dialect : std::uint8_t { openai, anthropic };

enum class Role : std::uint8_t { system, developer, user, assistant, tool };
std::string_view role_name(Role role);

struct Part {
  enum class Kind : std::uint8_t { text, image, audio, file, refusal, thinking, redacted_thinking };
  Kind kind = Kind::text;
  std::string text;        // text, refusal, thinking; for redacted_thinking the opaque data
  std::string url;         // image or file by reference (https)
  std::string data;        // image, audio or file inline, base64
  std::string media_type;  // "image/png", "audio/wav", ...
  std::string detail;      // OpenAI's image detail
  std::string file_id;     // an upstream's own file
  std::string filename;
  std::string signature;      // of a thinking part; the provider checks it
  std::string cache_control;  // JSON text, Anthropic and OpenAI prompt_cache_breakpoint; empty none
};

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;          // JSON text as the model wrote it, may be invalid
  std::string thought_signature;  // Gemini's, must be replayed to it
  bool custom = false;            // OpenAI custom tool: arguments is free text
};

struct Message {
  Role role = Role::user;
  std::vector<Part> parts;
  std::vector<ToolCall> tool_calls;  // assistant only
  std::string tool_call_id;          // tool only
  std::string name;
  bool tool_error = false;  // Anthropic is_error
};

struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  // JSON Schema text, empty when none was given
  std::optional<bool> strict;
  std::string raw;  // a tool that is not a function, as canonical JSON; passes within its dialect
  std::string cache_control;
};

struct ToolChoice {
  enum class Mode : std::uint8_t { unset, none, automatic, required, named, raw };
  Mode mode = Mode::unset;
  std::string name;  // of the named function
  std::string raw;   // allowed_tools and other forms, canonical JSON
};

struct ResponseFormat {
  enum class Kind : std::uint8_t { unset, text, json_object, json_schema };
  Kind kind = Kind::unset;
  std::string name;
  std::string description;
  std::string schema;  // JSON Schema text
  std::optional<bool> strict;
};

struct NamedJson {
  std::string name;
  std::string json;  // canonical JSON text
};

struct SamplingParameters {
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<std::int64_t> top_k;
  std::optional<double> frequency_penalty;
  std::optional<double> presence_penalty;
  std::optional<std::int64_t> seed;
  std::optional<bool> logprobs;
  std::optional<std::int64_t> top_logprobs;
  std::string logit_bias;  // JSON object text
  std::vector<std::string> stop;
};

struct ChatRequest {
  Endpoint endpoint = Endpoint::chat;
  Dialect dialect = Dialect::openai;
  std::string requested_model;
  std::vector<Message> messages;
  std::vector<Tool> tools;
  bool legacy_functions = false;  // asked with `functions`: the answer says function_call
  ToolChoice tool_choice;
  std::optional<bool> parallel_tool_calls;
  ResponseFormat response_format;
  SamplingParameters sampling;
  std::optional<std::int64_t> max_completion_tokens;  // max_tokens of either dialect too
  std::int64_t n = 1;
  std::string reasoning_effort;  // empty: unset
  std::string thinking;          // Anthropic's thinking object, canonical JSON; empty: unset
  bool stream = false;
  bool include_usage = false;
  std::string service_tier;
  std::string user;  // user or safety_identifier
  std::string prompt_cache_key;
  // Body fields of the dialect that Jevons does not interpret; they pass within the dialect, else
  // they are dropped and named in x-jevons-dropped-params.
  std::vector<NamedJson> extra;
  // `anthropic-*` request headers, passed within the dialect.
  std::vector<std::pair<std::string, std::string>> dialect_headers;

  // Embeddings: the texts, or token ids as canonical JSON arrays in `token_inputs`.
  std::vector<std::string> inputs;
  std::vector<std::string> token_inputs;
  bool input_was_array = false;
  bool base64_embeddings = false;
  std::optional<std::int64_t> dimensions;

  // Bytes of all text the model will read (messages, tools, schema, inputs), counted at parsing.
  std::int64_t text_bytes = 0;
  std::int64_t image_count = 0;
};

enum class FinishReason : std::uint8_t { unset, stop, length, tool_calls, content_filter, error };
std::string_view finish_reason_name(FinishReason reason);  // OpenAI's words

struct Choice {
  std::int64_t index = 0;
  std::string content;
  bool has_content = false;  // distinguishes "" from null
  std::string reasoning;     // reasoning_content or thinking text
  std::string reasoning_signature;
  std::string refusal;
  std::vector<ToolCall> tool_calls;
  FinishReason finish = FinishReason::unset;
  std::string stop_sequence;  // the match, where the upstream names it
  std::string logprobs;       // canonical JSON object, empty: none
  std::string annotations;    // canonical JSON array, empty: none
};

struct ChatResponse {
  std::string upstream_id;   // the upstream's own id of the answer
  std::int64_t created = 0;  // unix seconds, 0 if the upstream gave none
  std::string model;         // as the upstream named it
  std::vector<Choice> choices;
  std::string service_tier;  // the tier actually served; priced from this
  std::string system_fingerprint;
  std::optional<Usage> usage;
  std::vector<std::string> embeddings;  // each little-endian float32 bytes
};

// One step of a streamed answer, independent of the wire it came from.
struct StreamEvent {
  enum class Kind : std::uint8_t {
    start,                // upstream_id, model, created are set
    text,                 // text
    reasoning,            // text
    signature,            // text: signature of the reasoning so far
    refusal,              // text
    tool_call_start,      // tool_index, tool.id, tool.name (and arguments, if whole)
    tool_call_arguments,  // tool_index, text
    logprobs,             // text: canonical JSON object for the content of the same chunk
    finish,               // finish
    usage,                // usage so far; the last one wins
    error,                // the upstream reported a failure mid-stream: error_message, error_code
  };
  Kind kind = Kind::text;
  std::int64_t choice = 0;
  std::int64_t tool_index = 0;
  std::string text;
  ToolCall tool;
  FinishReason finish = FinishReason::unset;
  std::string stop_sequence;
  std::shared_ptr<const Usage> usage;
  std::string upstream_id, model, service_tier, system_fingerprint;
  std::int64_t created = 0;
  std::string error_message, error_code;
};

}  // namespace jevons
