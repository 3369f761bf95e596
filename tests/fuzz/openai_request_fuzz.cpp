// A body of any of the OpenAI endpoints: it is refused with a client's error, or it can be written
// for every upstream as well-formed JSON.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "gateway/dialects/dialect.h"
#include "providers/adapter.h"
#include "providers/json.h"

namespace {

void check_encoding(const jevons::ChatRequest& request, jevons::Api api, bool stream) {
  using namespace jevons;
  Target target;
  target.name = "t";
  target.model = api == Api::openai ? "gpt-5.6" : api == Api::gemini ? "gemini-3" : "claude-opus-5";
  target.can = ~Capabilities{0};
  EncodeOptions options;
  options.stream = stream;
  options.output_cap = request.endpoint == Endpoint::embeddings ? 0 : 100;
  const Result<WireRequest> wire = adapter_of(api)->encode(request, target, options);
  if (!wire) {
    if (wire.error().fault() != Fault::unsupported_parameter) std::abort();
    return;
  }
  JsonDocument document;
  if (!document.parse(wire->body)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace jevons;
  if (size == 0) return 0;
  constexpr Endpoint endpoints[] = {Endpoint::chat, Endpoint::completions, Endpoint::embeddings};
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Result<ChatRequest> read = dialect_of(endpoints[data[0] % 3])->read(body);
  if (!read) {
    const Error error = read.error();
    if (error.origin() != Origin::client || !is_utf8(error.message())) std::abort();
    return 0;
  }
  if (read->text_bytes < 0 || read->image_count < 0 || read->n < 1) std::abort();
  for (const Api api : {Api::openai, Api::anthropic, Api::gemini}) {
    check_encoding(*read, api, read->stream);
  }
  return 0;
}
