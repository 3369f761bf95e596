// Any bytes: what is accepted is JSON for RapidJSON too, its canonical text reads back as itself,
// and no number, depth or key breaks the limits.
#include <rapidjson/document.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "providers/json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jevons;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  JsonDocument document;
  const Result<JsonView> parsed = document.parse(text);
  if (!parsed) {
    const Error error = parsed.error();
    const bool known =
        error.fault() == Fault::invalid_json || error.fault() == Fault::duplicate_key;
    if (!known || error.message().empty() || !is_utf8(error.message())) std::abort();
    return 0;
  }
  const std::string canonical = parsed->json();
  if (!is_utf8(canonical) || canonical.size() > 6 * size + 8) std::abort();
  rapidjson::Document other;
  other.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
      canonical.data(), canonical.size());
  if (other.HasParseError()) std::abort();
  JsonDocument again;
  const Result<JsonView> reparsed = again.parse(canonical);
  if (!reparsed || reparsed->json() != canonical) std::abort();
  return 0;
}
