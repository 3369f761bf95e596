// JSON text as template values: tool schemas and arguments that a client sent.
#pragma once

#include <string_view>

#include "local_engine/jinja_value.h"
#include "local_engine/status.h"

namespace jevons::engine {

// Every string and key is marked as a user's. invalid_input where the text is not JSON or is nested
// more than 100 deep. Objects keep their order; of a repeated key the last value counts.
EngineResult<Value> value_from_json(std::string_view json);

}  // namespace jevons::engine
