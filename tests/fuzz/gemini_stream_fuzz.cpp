// Stream bytes of a hostile or broken upstream that claims to be Gemini.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/stream_splits.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jevons;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_splits(gemini_adapter, Quirks::none, input);
  return 0;
}
