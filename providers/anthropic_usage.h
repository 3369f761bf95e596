// Usage and stop reasons in Anthropic's words.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "providers/json.h"
#include "providers/usage_check.h"
#include "router/chat.h"
#include "router/usage.h"

namespace jevons {

// Counts of one answer. A stream reports them several times, each time in total: what is there
// overwrites, what is null or missing stays (wire.md 1.3).
class AnthropicUsage {
 public:
  // `output_so_far`: the counts of message_start, whose output is a placeholder and stays absent.
  void read(JsonView usage, bool output_so_far = false);
  // In disjoint classes: input_tokens excludes the cache, output_tokens includes the thinking.
  Usage usage() const;
  // The tier served: "standard", "priority", "batch", or "fast" for the beta speed.
  const std::string& service_tier() const { return service_tier_; }

 private:
  void read_iterations(JsonView iterations, UsageCheck& check);

  std::optional<std::int64_t> input_, cache_read_, cache_write_, cache_write_5m_, cache_write_1h_,
      output_, thinking_;
  std::int64_t web_searches_ = 0;
  std::string service_tier_;
  std::string suspicion_;
};

// Unset for an empty word; pause_turn counts as stop, unknown words too.
FinishReason read_anthropic_stop(std::string_view word);

}  // namespace jevons
