#include "providers/anthropic_usage.h"

#include <algorithm>
#include <utility>

namespace jevons {
namespace {

using Count = std::optional<std::int64_t>;

void overwrite(Count& count, const Count& reported) {
  if (reported) count = reported;
}

}  // namespace

void AnthropicUsage::read(JsonView usage, bool output_so_far) {
  if (!usage.is_object()) return;
  UsageCheck check;
  if (!suspicion_.empty()) check.suspect(suspicion_);
  overwrite(input_, check.count(usage["input_tokens"], "input_tokens"));
  overwrite(cache_read_, check.count(usage["cache_read_input_tokens"], "cache_read_input_tokens"));
  overwrite(cache_write_,
            check.count(usage["cache_creation_input_tokens"], "cache_creation_input_tokens"));
  const JsonView creation = usage["cache_creation"];
  overwrite(cache_write_5m_,
            check.count(creation["ephemeral_5m_input_tokens"], "ephemeral_5m_input_tokens"));
  overwrite(cache_write_1h_,
            check.count(creation["ephemeral_1h_input_tokens"], "ephemeral_1h_input_tokens"));
  if (!output_so_far) {
    const Count output = check.count(usage["output_tokens"], "output_tokens");
    if (output && output_ && *output < *output_) check.suspect("output_tokens decreased");
    overwrite(output_, output);
    overwrite(thinking_,
              check.count(usage["output_tokens_details"]["thinking_tokens"], "thinking_tokens"));
  }
  const Count searches =
      check.count(usage["server_tool_use"]["web_search_requests"], "web_search_requests");
  if (searches) web_searches_ = *searches;
  read_iterations(usage["iterations"], check);
  if (usage["service_tier"].is_string()) service_tier_ = usage["service_tier"].text();
  if (usage["speed"].text() == "fast") service_tier_ = "fast";
  suspicion_ = check.take();
}

// Server-side iterations bill one by one; the top-level counts then tell of the last one only,
// unless a fallback model took over.
void AnthropicUsage::read_iterations(JsonView iterations, UsageCheck& check) {
  Count input, read, written, output;
  const auto add = [](Count& sum, const Count& count) {
    if (count) sum = std::min(sum.value_or(0) + *count, usage_count_max);
  };
  for (JsonView iteration : iterations) {
    const std::string_view type = iteration["type"].text();
    if (type == "fallback_message") return;
    if (type == "advisor_message") check.suspect("advisor tokens, billed elsewhere, not counted");
    if (type != "message" && type != "compaction") continue;
    add(input, check.count(iteration["input_tokens"], "input_tokens"));
    add(read, check.count(iteration["cache_read_input_tokens"], "cache_read_input_tokens"));
    add(written,
        check.count(iteration["cache_creation_input_tokens"], "cache_creation_input_tokens"));
    add(output, check.count(iteration["output_tokens"], "output_tokens"));
  }
  overwrite(input_, input);
  overwrite(cache_read_, read);
  overwrite(cache_write_, written);
  overwrite(output_, output);
}

Usage AnthropicUsage::usage() const {
  Usage usage;
  UsageCheck check;
  if (!suspicion_.empty()) check.suspect(suspicion_);
  set_measured(usage, TokenClass::input, input_);
  set_measured(usage, TokenClass::cache_read, cache_read_);
  // The split by lifetime, where given, refines the total; what it leaves out is the default kind.
  const std::int64_t written =
      cache_write_.value_or(cache_write_5m_.value_or(0) + cache_write_1h_.value_or(0));
  const std::int64_t one_hour = check.inside(cache_write_1h_.value_or(0), written,
                                             "cache_creation exceeds cache_creation_input_tokens");
  if (cache_write_1h_) set_measured(usage, TokenClass::cache_write_1h, one_hour);
  if (cache_write_ || cache_write_5m_) {
    set_measured(usage, TokenClass::cache_write_5m, written - one_hour);
  }
  if (output_) {
    const std::int64_t thinking =
        check.inside(thinking_.value_or(0), *output_, "thinking_tokens exceed output_tokens");
    if (thinking_) set_measured(usage, TokenClass::reasoning, thinking);
    set_measured(usage, TokenClass::output, *output_ - thinking);
  }
  usage.web_search_calls = web_searches_;
  usage.suspicion = check.take();
  return usage;
}

FinishReason read_anthropic_stop(std::string_view word) {
  if (word.empty()) return FinishReason::unset;
  if (word == "tool_use") return FinishReason::tool_calls;
  if (word == "max_tokens" || word == "model_context_window_exceeded") return FinishReason::length;
  if (word == "refusal") return FinishReason::content_filter;
  return FinishReason::stop;
}

}  // namespace jevons
