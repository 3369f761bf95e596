// What the router believes about a request before any target has seen it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace jevons {

enum class Task : std::uint8_t {
  chat,
  code,
  math,
  reasoning,
  knowledge,
  extraction,
  translation,
  summarise,
  classify,
  tool_use,
  agent_step
};
inline constexpr std::size_t task_count = 11;
std::string_view task_name(Task task);  // "tool-use", "agent-step" with a hyphen
std::optional<Task> task_of(std::string_view name);

// What prompt_tokens_upper holds for each image; a target's own bound replaces it when known.
inline constexpr std::int64_t image_tokens_upper_default = 1600;

// The inputs of the trained weights, standardised and in 42nds: what a target's head is learned on.
// All zero where the weights cannot judge.
inline constexpr std::size_t trunk_size = 138;
inline constexpr int trunk_scale = 42;
using Trunk = std::array<std::int8_t, trunk_size>;

struct Classification {
  Task task = Task::chat;
  double difficulty = 0.5;               // 0 easy .. 1 hard
  double uncertainty = 1.0;              // 0 sure .. 1 no evidence
  std::int64_t prompt_tokens = 0;        // best linear-time estimate
  std::int64_t prompt_tokens_upper = 0;  // bound: text bytes + 16 per message and tool + images
  std::int64_t completion_tokens_p50 = 0;
  std::int64_t completion_tokens_p90 = 0;
  // The same without the request's own cap, which is what real answers are compared with; 0 in
  // recorded decisions and for embeddings.
  std::int64_t uncapped_p50 = 0, uncapped_p90 = 0;
  std::int64_t images = 0;
  std::uint32_t needs = 0;   // Capabilities the answer needs
  bool marks_cache = false;  // the client asked for prompt caching: uncached tokens are written
  bool in_tool_loop = false;
  std::int64_t failed_tool_calls = 0;  // in a row, at the end of the conversation
  bool signed_thinking = false;        // thinking blocks in it that only their provider can check
  std::int64_t turns = 0;
  std::string_view language =
      "unknown";  // dominant script or language code: en, zh, ru, ...; static text
  Trunk trunk{};  // for heads that outcomes have taught
};

}  // namespace jevons
