// Chat templates come with model files: any bytes must compile and render, or be refused, in
// bounded time and memory, and marks must cover the text.
#include <cstdlib>

#include "local_engine/chat_template.h"
#include "local_engine/jinja.h"
#include "local_engine/jinja_json.h"

using namespace jevons::engine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto compiled = JinjaTemplate::compile(source);
  if (!compiled) return 0;
  const auto context = value_from_json(
      R"({"messages":[{"role":"user","content":"<s>"}],"tools":null,"x":[1,2.5,"y",{"k":"v"}]})");
  JinjaOptions options;
  options.steps_max = 5'000;
  options.output_bytes_max = 64 << 10;
  const auto text = compiled->render(*context, options);
  if (!text) return 0;
  std::size_t total = 0;
  for (const TextSegment& segment : segments_of(*text)) total += segment.text.size();
  if (total != text->size()) std::abort();
  return 0;
}
