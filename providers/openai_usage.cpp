#include "providers/openai_usage.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "providers/usage_check.h"

namespace jevons {
namespace {

using Count = std::optional<std::int64_t>;

struct OpenAiCounts {
  Count prompt, completion, total;
  Count cached, cache_write, audio_input, image_input;  // inside prompt
  Count reasoning, audio_output;                        // inside completion
};

JsonView first_present(std::initializer_list<JsonView> views) {
  for (const JsonView& view : views) {
    if (view.present()) return view;
  }
  return {};
}

OpenAiCounts read_counts(JsonView usage, UsageCheck& check) {
  const JsonView input = first_present(
      {usage["prompt_tokens_details"], usage["prompt_token_details"]});  // the latter: Mistral
  const JsonView output = usage["completion_tokens_details"];
  OpenAiCounts counts;
  counts.prompt = check.count(usage["prompt_tokens"], "prompt_tokens");
  counts.completion = check.count(usage["completion_tokens"], "completion_tokens");
  counts.total = check.count(usage["total_tokens"], "total_tokens");
  counts.cached = check.count(
      first_present({input["cached_tokens"], usage["prompt_cache_hit_tokens"],  // DeepSeek
                     usage["num_cached_tokens"],                                // Mistral
                     usage["cached_tokens"]}),                                  // Moonshot
      "cached_tokens");
  counts.cache_write =
      check.count(first_present({input["cache_write_tokens"],
                                 input["cache_creation_input_tokens"]}),  // Alibaba
                  "cache_write_tokens");
  counts.audio_input = check.count(input["audio_tokens"], "prompt audio_tokens");
  counts.image_input = check.count(input["image_tokens"], "image_tokens");
  counts.reasoning = check.count(
      first_present({output["reasoning_tokens"], usage["reasoning_tokens"]}),  // Perplexity
      "reasoning_tokens");
  counts.audio_output = check.count(output["audio_tokens"], "completion audio_tokens");
  return counts;
}

// Whether the reasoning stands beside the completion instead of inside it. xAI does that; the total
// says so for others.
bool reasoning_is_extra(const OpenAiCounts& counts, Quirks quirks) {
  const std::int64_t prompt = counts.prompt.value_or(0);
  const std::int64_t completion = counts.completion.value_or(0);
  const std::int64_t reasoning = counts.reasoning.value_or(0);
  if (reasoning == 0) return false;
  if (!counts.total) return quirks == Quirks::xai;
  if (*counts.total == prompt + completion + reasoning) return true;
  return quirks == Quirks::xai && *counts.total != prompt + completion;
}

void check_total(const OpenAiCounts& counts, std::int64_t prompt, std::int64_t completion,
                 UsageCheck& check) {
  if (!counts.total || !counts.prompt || !counts.completion) return;
  if (*counts.total == prompt + completion) return;
  // What was added because it stands beside the stated counts may be missing from the total too.
  if (*counts.total == *counts.prompt + *counts.completion) return;
  check.suspect("total_tokens is " + std::to_string(*counts.total) + ", its parts make " +
                std::to_string(prompt + completion));
}

// What the provider itself charges, informative: OpenRouter in dollars, xAI in 1e-10 dollars.
std::optional<Nanodollars> reported_cost(JsonView usage) {
  const std::optional<double> dollars = usage["cost"].number();
  if (dollars && *dollars >= 0 && *dollars < 1e6) return Nanodollars{std::llround(*dollars * 1e9)};
  const std::optional<std::int64_t> ticks = usage["cost_in_usd_ticks"].integer();
  if (ticks && *ticks >= 0) return Nanodollars{*ticks / 10};
  return std::nullopt;
}

void set_prompt_classes(Usage& usage, const OpenAiCounts& counts, std::int64_t prompt,
                        UsageCheck& check) {
  const std::int64_t cached =
      check.inside(counts.cached.value_or(0), prompt, "cached_tokens exceed prompt_tokens");
  const std::int64_t written = check.inside(counts.cache_write.value_or(0), prompt - cached,
                                            "cached and cache_write_tokens exceed prompt_tokens");
  // Audio and images may themselves come from the cache, so what does not fit is no contradiction.
  std::int64_t rest = prompt - cached - written;
  const std::int64_t audio = std::min(counts.audio_input.value_or(0), rest);
  rest -= audio;
  const std::int64_t image = std::min(counts.image_input.value_or(0), rest);
  rest -= image;
  const auto if_reported = [](const Count& reported, std::int64_t count) {
    return reported ? Count(count) : Count();
  };
  set_measured(usage, TokenClass::cache_read, if_reported(counts.cached, cached));
  set_measured(usage, TokenClass::cache_write_5m, if_reported(counts.cache_write, written));
  set_measured(usage, TokenClass::audio_input, if_reported(counts.audio_input, audio));
  set_measured(usage, TokenClass::image_input, if_reported(counts.image_input, image));
  set_measured(usage, TokenClass::input, rest);
}

void set_completion_classes(Usage& usage, const OpenAiCounts& counts, std::int64_t completion,
                            UsageCheck& check) {
  const std::int64_t reasoning = check.inside(counts.reasoning.value_or(0), completion,
                                              "reasoning_tokens exceed completion_tokens");
  const std::int64_t audio = check.inside(counts.audio_output.value_or(0), completion - reasoning,
                                          "reasoning and audio_tokens exceed completion_tokens");
  if (counts.reasoning) set_measured(usage, TokenClass::reasoning, reasoning);
  if (counts.audio_output) set_measured(usage, TokenClass::audio_output, audio);
  set_measured(usage, TokenClass::output, completion - reasoning - audio);
}

}  // namespace

Usage read_openai_usage(JsonView value, Quirks quirks) {
  Usage usage;
  UsageCheck check;
  const OpenAiCounts counts = read_counts(value, check);
  std::int64_t prompt = counts.prompt.value_or(0);
  // xAI's cached count can stand beside the prompt count.
  if (quirks == Quirks::xai && counts.cached.value_or(0) > prompt) prompt += *counts.cached;
  std::int64_t completion = counts.completion.value_or(0);
  if (reasoning_is_extra(counts, quirks)) completion += *counts.reasoning;
  if (counts.prompt) set_prompt_classes(usage, counts, prompt, check);
  if (counts.completion) set_completion_classes(usage, counts, completion, check);
  check_total(counts, prompt, completion, check);
  usage.reported_cost = reported_cost(value);
  usage.suspicion = check.take();
  return usage;
}

void write_openai_usage(JsonWriter& out, const Usage& usage) {
  const std::int64_t prompt = usage.prompt_tokens();
  const std::int64_t completion = usage.completion_tokens();
  std::int64_t total = 0;
  if (__builtin_add_overflow(prompt, completion, &total)) total = INT64_MAX;
  out.begin_object().key("prompt_tokens").integer(prompt);
  out.key("completion_tokens").integer(completion).key("total_tokens").integer(total);
  out.key("prompt_tokens_details").begin_object();
  out.key("cached_tokens").integer(usage.cached_tokens());
  out.key("cache_write_tokens").integer(usage.cache_write_tokens());
  out.key("audio_tokens").integer(usage[TokenClass::audio_input].count).end_object();
  out.key("completion_tokens_details").begin_object();
  out.key("reasoning_tokens").integer(usage.reasoning_tokens());
  out.key("audio_tokens").integer(usage[TokenClass::audio_output].count);
  out.end_object().end_object();
}

FinishReason read_openai_finish(std::string_view word) {
  struct Row {
    std::string_view word;
    FinishReason reason;
  };
  static constexpr Row rows[] = {
      {"stop", FinishReason::stop},
      {"length", FinishReason::length},
      {"tool_calls", FinishReason::tool_calls},
      {"content_filter", FinishReason::content_filter},
      {"function_call", FinishReason::tool_calls},
      {"model_length", FinishReason::length},                 // Mistral
      {"error", FinishReason::error},                         // Mistral, OpenRouter
      {"insufficient_system_resource", FinishReason::error},  // DeepSeek
      {"max_tokens", FinishReason::length},
      {"tool_use", FinishReason::tool_calls},
  };
  for (const Row& row : rows) {
    if (word == row.word) return row.reason;
  }
  return word.empty() ? FinishReason::unset : FinishReason::stop;
}

}  // namespace jevons
