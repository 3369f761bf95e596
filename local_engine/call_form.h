// How a model writes its tool calls. Its chat template tells which of these forms it was taught;
// they are data, so that a further family is a further row.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local_engine/engine.h"

namespace jevons::engine {

struct CallForm {
  enum class Shape : std::uint8_t {
    object,  // {"name": NAME, ARGUMENTS: {...}}
    list,    // [{"name": NAME, ARGUMENTS: {...}}, ...]
    named    // NAME, `before_arguments`, {...}
  };
  std::string_view told_by;  // stands in the templates that teach it
  std::string_view begin;    // before a call in an answer; empty: the answer is nothing but calls
  std::string_view end;      // after it; empty: the answer's end, or the next call
  std::string_view opening;  // how an answer begins that must be a call
  Shape shape = Shape::object;
  std::string_view arguments = "arguments";  // key of the arguments, of forms in JSON
  std::string_view before_arguments;
};

// Null: the template teaches none that we know.
const CallForm* call_form_of(std::string_view template_source);
// The form in which models are told of tools that their template does not know (prompt_tools.h).
const CallForm& common_call_form();

struct NamedCall {
  std::string name;
  std::string arguments;  // JSON
};
// `text` between begin and end as calls; empty if it is not what the form says.
std::vector<NamedCall> calls_in(const CallForm& form, std::string_view text);
// Nothing that follows can make this beginning of an answer a call of a form without `begin`.
bool cannot_be_call(std::string_view text);

// JSON schema of what is forced behind `opening`, for forms in JSON. `tools` is not empty.
std::string forced_calls_schema(const CallForm& form, const std::vector<const Tool*>& tools);

// Nine letters and digits for an id: what Mistral's templates insist on.
std::string short_call_id(std::string_view id);

}  // namespace jevons::engine
