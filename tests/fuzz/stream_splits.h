// Shared by the stream fuzzers: an upstream's bytes decode to the same events however they are cut,
// and every number stays within bounds.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "providers/adapter.h"
#include "router/utf8.h"

namespace jevons {

inline void require(bool sound) {
  if (!sound) std::abort();
}

struct Decoded {
  std::string events;  // enough of each event to tell two runs apart
  std::string error;
};

inline void describe_event(const StreamEvent& event, std::string& out) {
  out += std::to_string(static_cast<int>(event.kind)) + ":" + std::to_string(event.choice) + ":" +
         std::to_string(event.tool_index) + ":" + event.text + event.tool.id + event.tool.name +
         event.tool.arguments + event.upstream_id + event.model + event.error_message;
  require(is_utf8(event.text) && is_utf8(event.tool.arguments) && is_utf8(event.error_message));
  require(event.choice >= 0 && event.tool_index >= 0);
  if (!event.usage) return;
  for (const TokenCount& tokens : event.usage->tokens) {
    require(tokens.count >= 0);
    out += "," + std::to_string(tokens.count);
  }
  require(event.usage->prompt_tokens() >= 0 && event.usage->completion_tokens() >= 0);
  require(event.usage->suspicion.size() < 1'000);
}

// Pieces of `step` bytes; 0 for all at once.
inline Decoded decode(const Adapter& adapter, Quirks quirks, std::string_view bytes,
                      std::size_t step) {
  const ChatRequest request;
  const auto decoder = adapter.open_stream(request, quirks);
  std::vector<StreamEvent> events;
  Decoded decoded;
  while (!bytes.empty() && decoded.error.empty()) {
    const std::string piece(bytes.substr(0, step == 0 ? bytes.size() : step));
    bytes.remove_prefix(piece.size());
    const Result<void> fed = decoder->feed(piece, events);
    if (!fed) decoded.error = fed.error().message();
  }
  if (decoded.error.empty()) {
    const Result<void> finished = decoder->finish(events);
    if (!finished) decoded.error = finished.error().message();
  }
  for (const StreamEvent& event : events) describe_event(event, decoded.events);
  return decoded;
}

// The first byte chooses the split, so that the fuzzer can search for one that matters.
inline void check_splits(const Adapter& adapter, Quirks quirks, std::string_view input) {
  if (input.empty()) return;
  const auto step = static_cast<std::size_t>(static_cast<unsigned char>(input[0]) % 64 + 1);
  const std::string_view bytes = input.substr(1);
  const Decoded whole = decode(adapter, quirks, bytes, 0);
  const Decoded pieces = decode(adapter, quirks, bytes, step);
  require(whole.events == pieces.events && whole.error == pieces.error);
}

}  // namespace jevons
