// The whole face of the local engine: load, submit, stream, cancel, stats. No tensor and no HTTP
// here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "local_engine/status.h"

namespace jevons::engine {

enum class Device : std::uint8_t { automatic, cpu, cuda };

struct EngineOptions {
  std::string model_path;  // a GGUF file, or the first file of a split
  std::string name;        // for messages and stats; the file's own name if empty
  Device device = Device::automatic;
  // Tokens of prompt and answer together per request; 0 is the model's own limit, at most 8192.
  std::uint32_t context = 0;
  std::uint32_t slots = 8;            // requests computed together
  std::uint32_t queue_max = 64;       // accepted but waiting; beyond it submit refuses
  std::uint32_t threads = 0;          // compute threads; 0 is one per core, at most 16
  std::uint64_t kv_bytes_max = 0;     // KV cache; 0 is room for all slots at full context, <= 4 GiB
  std::uint32_t prefill_chunk = 512;  // prompt tokens computed in one step, between decode tokens
  bool prefix_cache = true;
  bool low_priority = false;  // compute threads at nice 10, for a machine shared with other work
};

// Called on the loading thread with the fraction done in 0..1 and what is being done.
using LoadProgress = std::function<void(double fraction, std::string_view stage)>;

enum class Role : std::uint8_t { system, developer, user, assistant, tool };

// `text` of a part is always data: special tokens written in it stay ordinary text.
struct TextPart {
  std::string text;
};

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // JSON text
};

struct Message {
  Role role = Role::user;
  std::vector<TextPart> parts;
  std::string reasoning;             // of an earlier assistant turn, where the client sends it back
  std::vector<ToolCall> tool_calls;  // of an assistant
  std::string tool_call_id;          // of a tool result
  std::string name;                  // of a tool result or participant
};

struct Tool {
  std::string name;
  std::string description;
  std::string parameters;  // JSON schema text; empty for none
};

enum class ToolMode : std::uint8_t { automatic, none, required, named };

struct ToolChoice {
  ToolMode mode = ToolMode::automatic;
  std::string name;  // for named
};

enum class Format : std::uint8_t { text, json_object, json_schema };

struct ResponseFormat {
  Format kind = Format::text;
  std::string schema;  // JSON schema text, for json_schema
};

struct LogitBias {
  std::uint32_t token = 0;
  float bias = 0;  // added to the logit; -100 or less forbids the token
};

struct Sampling {
  float temperature = 1;    // 0 is greedy: the likeliest token, the lower id on a tie
  std::uint32_t top_k = 0;  // 0: no limit
  float top_p = 1;
  float min_p = 0;
  float repetition_penalty = 1;  // over prompt and answer, as in the CTRL paper
  float frequency_penalty = 0;   // over the answer, as OpenAI defines both
  float presence_penalty = 0;
  std::optional<std::uint64_t> seed;  // the same seed and job give the same text
  std::vector<LogitBias> logit_bias;
  bool logprobs = false;
  std::uint32_t top_logprobs = 0;  // at most 20
  std::vector<std::string> stop;   // not part of the answer
  std::uint32_t max_tokens = 0;    // 0: as the context allows
};

enum class ReasoningEffort : std::uint8_t { unset, none, low, medium, high };

struct Job {
  std::vector<Message> messages;
  // Where set, it is the whole prompt, unformatted, and `messages` and `tools` are ignored.
  std::optional<std::string> raw_prompt;
  std::vector<Tool> tools;
  ToolChoice tool_choice;
  ResponseFormat response_format;
  Sampling sampling;
  ReasoningEffort reasoning_effort = ReasoningEffort::unset;
  // Prefix-cache blocks are shared only between jobs of equal salt: one per tenant, so that nobody
  // learns from timing what another tenant has sent.
  std::string cache_salt;
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

struct TokenProbability {
  std::string bytes;  // the token's bytes, perhaps part of a character
  float logprob = 0;  // of the model's own distribution, before temperature and penalties
};

struct TokenLogprobs {
  TokenProbability chosen;
  std::vector<TokenProbability> top;  // likeliest first
};

struct ToolCallDelta {
  std::uint32_t index = 0;
  std::string id;         // with the first delta of a call only
  std::string name;       // likewise
  std::string arguments;  // JSON text to append
};

enum class Finish : std::uint8_t { stop, length, tool_calls, cancelled, deadline, error };

struct TokenUsage {
  std::uint32_t prompt = 0;
  std::uint32_t cached = 0;  // inside prompt: taken from the prefix cache
  std::uint32_t completion = 0;
  std::uint32_t reasoning = 0;  // inside completion
  // Its share of the engine's time: each step's time divided over the tokens computed in it.
  std::uint64_t compute_us = 0;
};

// Why a job was not taken, or not begun.
class Refusal {
 public:
  Refusal() = default;
  Refusal(EngineFault fault, std::string message) : fault_(fault), message_(std::move(message)) {}

  // invalid_input: the job's own fault. overloaded: retry_after_ms says when. unsupported.
  EngineFault fault() const { return fault_; }
  const std::string& message() const { return message_; }
  // True where the prompt and the wanted answer exceed the context: the counts are then set.
  bool context_exceeded() const { return context_ != 0; }
  std::uint32_t prompt_tokens() const { return prompt_tokens_; }
  std::uint32_t context() const { return context_; }
  std::int64_t retry_after_ms() const { return retry_after_ms_; }

  Refusal& with_context(std::uint32_t prompt_tokens, std::uint32_t context) {
    prompt_tokens_ = prompt_tokens;
    context_ = context;
    return *this;
  }
  Refusal& with_retry_after_ms(std::int64_t ms) {
    retry_after_ms_ = ms;
    return *this;
  }

 private:
  EngineFault fault_ = EngineFault::internal;
  std::string message_;
  std::uint32_t prompt_tokens_ = 0;
  std::uint32_t context_ = 0;
  std::int64_t retry_after_ms_ = 0;
};

// What one step added to an answer. The last one has `finish` or `refusal` set; none follows it.
struct Update {
  std::string text;       // whole UTF-8 characters
  std::string reasoning;  // likewise
  std::vector<ToolCallDelta> tool_calls;
  std::vector<TokenLogprobs> logprobs;  // of the tokens whose text is in this update
  std::uint32_t tokens = 0;             // sampled since the last update
  std::optional<Finish> finish;
  TokenUsage usage;  // so far; final with `finish`
  // Nothing was generated: the prompt does not fit, a schema cannot be satisfied, a template
  // failed.
  std::optional<Refusal> refusal;
  std::string error;  // with Finish::error: what broke
};

// Called on the engine's thread, so it must only hand over (post to an executor) and return. Called
// until finish or refusal, never after, also not after cancel() was answered by Finish::cancelled.
using OnUpdate = std::function<void(Update&&)>;

using JobId = std::uint64_t;

struct ModelInfo {
  std::string name;
  std::string architecture;
  std::string quantisation;  // the type that holds most of the weights
  std::uint64_t parameters = 0;
  std::uint64_t active_parameters = 0;  // touched for one token; below `parameters` in an MoE
  std::uint32_t layers = 0;
  std::uint32_t embedding = 0;
  std::uint32_t experts = 0;  // 0 for a dense model
  std::uint32_t experts_used = 0;
  std::uint32_t context_trained = 0;
  std::uint32_t context = 0;  // in use
  std::uint32_t vocabulary = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t kv_bytes_per_token = 0;
  std::string device;  // "cpu (avx512-vnni, 2 threads)"
  bool has_chat_template = false;
};

struct Stats {
  std::uint32_t running = 0;
  std::uint32_t waiting = 0;
  double kv_usage = 0;  // 0..1: blocks held by running jobs over all blocks
  std::uint64_t prefix_queries_tokens = 0;
  std::uint64_t prefix_hits_tokens = 0;
  std::uint64_t preemptions = 0;
  std::uint64_t prompt_tokens = 0;     // since start, computed (not cached)
  std::uint64_t generated_tokens = 0;  // since start
  std::uint64_t jobs_done = 0;
  std::uint64_t jobs_refused = 0;
  double tokens_per_second = 0;  // generated, over the last ten seconds of work
  double step_ms = 0;            // moving average of a step
};

class Engine {
 public:
  virtual ~Engine() = default;  // stops it
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  static EngineResult<std::unique_ptr<Engine>> load(const EngineOptions& options,
                                                    const LoadProgress& progress = {});

  // Takes the job or refuses at once (overloaded). Cheap and callable from any thread: template,
  // tokenizer and grammar run on the engine's own thread, and what they refuse comes as an Update.
  virtual boost::system::result<JobId, Refusal> submit(Job job, OnUpdate on_update) = 0;
  // Its KV blocks are free after the step in flight; ends with Finish::cancelled unless it ended
  // before. Unknown ids are ignored. Any thread.
  virtual void cancel(JobId id) = 0;
  // Cancels everything, calls back, joins the threads: afterwards nobody is called back any more,
  // and submit() refuses. Not beside a submit(); once or more often.
  virtual void stop() = 0;
  virtual Stats stats() const = 0;
  virtual const ModelInfo& info() const = 0;
  // Tokens of the rendered prompt. Costs what rendering and tokenizing cost: about 1 ms per 10 KB.
  virtual EngineResult<std::uint32_t> count_tokens(const Job& job) const = 0;
};

// The metadata of a model file without loading its weights.
EngineResult<ModelInfo> read_model_info(const std::string& model_path);

}  // namespace jevons::engine
