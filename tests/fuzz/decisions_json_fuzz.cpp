// The gateway's list of recorded decisions, as `jevons replay` reads it from an admin URL: whatever
// answers there, it is refused or it is a page that is written and read back the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/admin/decisions_report.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto page = jevons::read_decisions_json(json);
  if (!page) {
    if (page.error().message().empty()) std::abort();
    return 0;
  }
  const std::string written = jevons::decisions_json(*page);
  const auto again = jevons::read_decisions_json(written);
  if (!again || jevons::decisions_json(*again) != written) std::abort();
  return 0;
}
