// The three wire formats. Each turns an Answer into one body or into the events of a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/upstream/call.h"

namespace upstream {

// One server-sent event before framing.
struct Event {
  std::string name;  // `event:` line, empty for none
  std::string data;
  std::int64_t tokens_so_far = 0;  // output tokens generated once this event is sent
  bool text = false;               // carries visible text: faults pick among these
};

using Fields = std::vector<std::pair<std::string, std::string>>;  // key -> JSON text

// The usage objects to send, in order, after the script's lies: usually one, none when absent.
std::vector<std::string> usage_texts(const Behaviour& how, const Fields& truth);
std::string object_text(const Fields& fields);

std::string openai_body(const Call& call, const Behaviour& how, const Answer& answer,
                        std::optional<std::int64_t> nanodollars);
std::vector<Event> openai_events(const Call& call, const Behaviour& how, const Answer& answer,
                                 std::optional<std::int64_t> nanodollars);
std::string completions_body(const Call& call, const Behaviour& how, const Answer& answer);
std::vector<Event> completions_events(const Call& call, const Behaviour& how, const Answer& answer);
std::string embeddings_body(const Call& call, const Behaviour& how, const Answer& answer);
std::string models_body(const std::vector<std::string>& models);

std::string anthropic_body(const Behaviour& how, const Answer& answer);
std::vector<Event> anthropic_events(const Behaviour& how, const Answer& answer);

std::string gemini_body(const Behaviour& how, const Answer& answer);
std::vector<Event> gemini_events(const Behaviour& how, const Answer& answer);

// The dialect's error body for a status; type and code from the script or the usual ones.
std::string error_body(Dialect dialect, int status, const Behaviour& how,
                       const std::string& message);

}  // namespace upstream
