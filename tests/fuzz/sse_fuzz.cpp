// Any bytes, cut anywhere: the same events come out.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "providers/sse.h"

namespace {

std::string events_of(std::string_view bytes, std::size_t step) {
  jevons::SseReader reader;
  jevons::SseEvent event;
  std::string seen;
  const auto note = [&] { seen.append(event.name).append("|").append(event.data).append(";"); };
  while (!bytes.empty()) {
    const std::string piece(bytes.substr(0, step));
    bytes.remove_prefix(piece.size());
    reader.feed(piece);
    for (;;) {
      const jevons::Result<bool> next = reader.next(event);
      if (!next) return seen + next.error().message();
      if (!*next) break;
      note();
    }
  }
  const jevons::Result<bool> last = reader.finish(event);
  if (last && *last) note();
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (events_of(bytes, bytes.size()) != events_of(bytes, data[0] % 32 + 1)) std::abort();
  return 0;
}
