// Tools for models whose chat template does not know them: told in words, in the form that Hermes
// made common and that answer_markup.cpp reads.
#pragma once

#include <span>
#include <vector>

#include "local_engine/engine.h"

namespace jevons::engine {

// The conversation with the tools described in its system text, earlier calls written as
// <tool_call> blocks of the assistant and results as <tool_response> blocks of the user.
std::vector<Message> with_tools_in_words(std::span<const Message> messages,
                                         std::span<const Tool> tools);

}  // namespace jevons::engine
