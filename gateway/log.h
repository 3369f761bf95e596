// The one place that logs: a line is an event and fields in fixed order, key=value on a terminal,
// one JSON object elsewhere, on stderr. No prompt text and no secret is ever passed in.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace jevons {

enum class LogLevel { debug, info, warning, error };

struct LogField {
  std::string_view name;
  std::string value;
};

// Once at start, before any thread: `json` for machines, levels below `least` are dropped.
void configure_log(LogLevel least, bool json);
void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);
// A line as it is written, for tests: "level=info event=start data=127.0.0.1:8080".
std::string log_line(LogLevel level, std::string_view event, std::initializer_list<LogField> fields,
                     bool json);

}  // namespace jevons
