// What classify looks at: counts over the question itself, and sizes of everything around it.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "router/chat.h"
#include "router/text_stats.h"

namespace jevons {

struct Features {
  TextStats question;     // the last user turn; with a very short one, the turn before it as well
  TextStats instruction;  // the head of the system text, which must not drown the question
  // The texts of `question`, in order; views into the request.
  std::array<std::string_view, 4> question_texts{};
  std::size_t question_text_count = 0;

  double prompt_tokens = 0;           // of everything the model reads, images not included
  std::int64_t text_bytes = 0;        // of the same
  std::int64_t attachment_bytes = 0;  // audio and files inline
  std::int64_t images = 0;
  std::int64_t pieces = 0;  // messages and tools
  std::int64_t turns = 0;   // user messages
  std::int64_t tools = 0;
  std::int64_t schema_bytes = 0;     // of tools and of the answer's schema
  std::int64_t tool_messages = 0;    // results of tools anywhere in the conversation
  std::int64_t tool_calls = 0;       // calls the assistant made so far
  std::int64_t errors_in_a_row = 0;  // failed tool results at the end of the conversation
  bool in_tool_loop = false;
  bool has_audio = false, has_file = false;
  bool marks_cache = false;  // cache_control somewhere
};

// Linear in the size of the request; no allocation.
Features features_of(const ChatRequest& request);

}  // namespace jevons
