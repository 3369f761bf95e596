#include "gateway/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "providers/json.h"

namespace jevons {
namespace {

bool json_lines = false;

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      return "error";
  }
  return "error";
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// A value with spaces, quotes or control bytes is quoted, so that a line stays one line.
void append_plain(std::string& out, std::string_view text) {
  bool quote = text.empty();
  for (const char c : text) quote = quote || c <= ' ' || c == '"' || c == '=';
  if (quote)
    append_json_string(out, text);
  else
    out += text;
}

}  // namespace

void configure_log(LogLevel least, bool json) {
  json_lines = json;
  auto logger = spdlog::get("jevons");
  if (!logger) logger = spdlog::stderr_logger_mt("jevons");
  logger->set_pattern("%v");
  logger->set_level(spdlog_level(least));
  logger->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(logger);
}

std::string log_line(LogLevel level, std::string_view event, std::initializer_list<LogField> fields,
                     bool json) {
  std::string line = json ? "{\"level\":" : "level=";
  const auto value = [&](std::string_view text) {
    if (json)
      append_json_string(line, text);
    else
      append_plain(line, text);
  };
  value(level_name(level));
  line += json ? ",\"event\":" : " event=";
  value(event);
  for (const LogField& field : fields) {
    line += json ? ",\"" : " ";
    line += field.name;
    line += json ? "\":" : "=";
    value(field.value);
  }
  if (json) line.push_back('}');
  return line;
}

void log_event(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!spdlog::should_log(spdlog_level(level))) return;
  spdlog::log(spdlog_level(level), "{}", log_line(level, event, fields, json_lines));
}

}  // namespace jevons
