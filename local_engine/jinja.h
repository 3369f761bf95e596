// A subset of Jinja, large enough for the chat templates of language models, that keeps track of
// what a user wrote. Semantics follow jinja2 3.1 with trim_blocks and lstrip_blocks, as Hugging
// Face's transformers run it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "local_engine/jinja_ast.h"
#include "local_engine/jinja_value.h"
#include "local_engine/status.h"

namespace jevons::engine {

struct JinjaOptions {
  std::int64_t now_seconds = 0;             // for strftime_now; seconds since 1970, shown in UTC
  std::uint64_t steps_max = 20'000'000;     // statements and expressions evaluated
  std::size_t output_bytes_max = 16 << 20;  // of the result and of any string on the way
};

// A template comes with the model file, so its size, nesting and running time are limited.
// Immutable and safe to render from several threads at once.
class JinjaTemplate {
 public:
  static constexpr std::size_t kSourceBytesMax = 1 << 20;

  // unsupported, with the line, for what we do not understand.
  static EngineResult<JinjaTemplate> compile(std::string_view source);

  // `context` is a dict of the variables; lists in it that the template changes are emptied in the
  // end. invalid_input with the template's own message where it
  // calls raise_exception, or with ours where it trips over a value.
  EngineResult<MarkedText> render(const Value& context, const JinjaOptions& options) const;

 private:
  std::shared_ptr<const Block> block_;
};

}  // namespace jevons::engine
