// A POST read into what all three wire formats have in common, and the answer to it.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/upstream/behaviour.h"
#include "tests/upstream/bill.h"
#include "tests/upstream/http.h"

namespace upstream {

enum class Endpoint { chat, completions, embeddings, messages, generate, count_tokens, unknown };
enum class Dialect { openai, anthropic, gemini };

struct Call {
  Endpoint endpoint = Endpoint::unknown;
  Dialect dialect = Dialect::openai;
  std::string model;
  std::string credential;
  bool stream = false;
  bool include_usage = false;     // OpenAI: stream_options.include_usage
  bool continuous_usage = false;  // vLLM: stream_options.continuous_usage_stats
  std::int64_t n = 1;
  std::optional<std::int64_t> max_tokens;
  bool logprobs = false;
  bool tools_required = false;
  std::string forced_tool;
  std::string first_tool;
  std::string last_user_text;
  std::int64_t text_bytes = 0;  // of all messages
  std::int64_t messages = 0;
  std::string service_tier;
  rapidjson::Document body;                           // as parsed
  const rapidjson::Value* schema = nullptr;           // json_schema asked for, inside body
  const rapidjson::Value* tool_parameters = nullptr;  // of forced_tool or first_tool
};

Endpoint endpoint_of(std::string_view path, Dialect& dialect);

// Empty on success, else what is wrong with the request.
std::string read_call(const HttpRequest& request, Call& call);

struct Answer {
  std::string id;
  std::int64_t created = 0;  // unix seconds
  std::string model;
  std::vector<std::string> pieces;     // visible text, one piece a token
  std::vector<std::string> reasoning;  // likewise; empty when hidden
  std::vector<ToolCall> tools;
  std::string finish;  // stop, length, tool_calls, content_filter, or what the script says
  std::string refusal;
  std::string service_tier;
  std::int64_t logprob_thousandths = 0;
  Tokens tokens;
};

// `wanted` is the recorded length of this prompt, if the script has one.
Answer make_answer(const Call& call, const Behaviour& how, std::int64_t number,
                   std::optional<std::int64_t> wanted_prompt,
                   std::optional<std::int64_t> wanted_completion);

// A small value that satisfies the schema (objects, arrays, enums, anyOf, scalars, local $ref).
std::string instance_of(const rapidjson::Value& schema, const rapidjson::Value& root, int depth);

}  // namespace upstream
