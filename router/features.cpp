#include "router/features.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace jevons {
namespace {

// An answer like "yes, go on" says nothing by itself: the turn before it is read as well.
constexpr std::size_t short_turn_bytes = 80;
constexpr std::size_t instruction_bytes = 1024;

bool is_text(const Part& part) {
  return part.kind == Part::Kind::text || part.kind == Part::Kind::refusal ||
         part.kind == Part::Kind::thinking;
}

std::int64_t size_of(const std::string& text) { return static_cast<std::int64_t>(text.size()); }

std::size_t text_bytes_of(const Message& message) {
  std::size_t bytes = 0;
  for (const Part& part : message.parts) {
    if (part.kind == Part::Kind::text) bytes += part.text.size();
  }
  return bytes;
}

// OpenAI's tool results have no flag for failure: their text tells it by how it begins, as programs
// and agents write errors. Spaces and case do not count; only the beginning is read.
bool begins_as_failure(std::string_view text) {
  constexpr std::size_t longest = 64;
  constexpr std::array<std::string_view, 12> failures = {"error:",
                                                         "error[",
                                                         "[error]",
                                                         "fatal:",
                                                         "exception:",
                                                         "exceptionin",
                                                         "traceback(mostrecentcalllast)",
                                                         "{\"error\":",
                                                         "{\"errors\":",
                                                         "<error",
                                                         "<tool_use_error",
                                                         "{\"is_error\":true"};
  // How some tools say that all went well.
  constexpr std::array<std::string_view, 5> successes = {
      "{\"error\":null",  "{\"error\":\"\"", "{\"error\":false",
      "{\"errors\":null", "{\"errors\":[]",
  };
  std::string begin;
  for (const char c : text.substr(0, longest)) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    begin.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c);
  }
  const auto starts = [&begin](std::string_view word) { return begin.starts_with(word); };
  return std::any_of(failures.begin(), failures.end(), starts) &&
         std::none_of(successes.begin(), successes.end(), starts);
}

bool tells_failure(const Message& message) {
  if (message.tool_error) return true;
  const auto text = std::find_if(message.parts.begin(), message.parts.end(),
                                 [](const Part& part) { return part.kind == Part::Kind::text; });
  return text != message.parts.end() && begins_as_failure(text->text);
}

class Collector {
 public:
  explicit Collector(const ChatRequest& request) : request_(request) {}

  Features run() {
    find_question();
    for (std::size_t i = 0; i < request_.messages.size(); ++i) add_message(i);
    for (const Tool& tool : request_.tools) add_tool(tool);
    for (const std::string& input : request_.inputs) add_text(input);
    for (const std::string& input : request_.token_inputs) add_text(input);
    add_text(request_.response_format.schema);
    features_.schema_bytes += size_of(request_.response_format.schema);
    features_.pieces += static_cast<std::int64_t>(request_.messages.size() + request_.tools.size());
    features_.tools = static_cast<std::int64_t>(request_.tools.size());
    features_.images = std::max(features_.images, request_.image_count);
    features_.text_bytes = std::max(features_.text_bytes, request_.text_bytes);
    features_.prompt_tokens += features_.question.tokens;
    find_loop();
    return features_;
  }

 private:
  // The last user message with text; the system text only when there is no user at all.
  void find_question() {
    const auto& messages = request_.messages;
    for (std::size_t i = messages.size(); i-- > 0;) {
      if (messages[i].role != Role::user) continue;
      const std::size_t bytes = text_bytes_of(messages[i]);
      if (bytes == 0) continue;
      if (last_ == none) {
        last_ = i;
        if (bytes >= short_turn_bytes) break;
      } else {
        before_ = i;
        break;
      }
    }
    if (last_ != none || messages.empty()) return;
    for (std::size_t i = messages.size(); i-- > 0 && last_ == none;) {
      if (messages[i].role != Role::tool && text_bytes_of(messages[i]) > 0) last_ = i;
    }
  }

  void add_message(std::size_t index) {
    const Message& message = request_.messages[index];
    const bool question = index == last_ || index == before_;
    if (message.role == Role::user) ++features_.turns;
    if (message.role == Role::tool) ++features_.tool_messages;
    features_.tool_calls += static_cast<std::int64_t>(message.tool_calls.size());
    for (const Part& part : message.parts) {
      features_.marks_cache = features_.marks_cache || !part.cache_control.empty();
      if (question && part.kind == Part::Kind::text) {
        add_question(part.text);
      } else if (is_text(part)) {
        add_text(part.text);
        if (message.role == Role::system || message.role == Role::developer) instruct(part.text);
      }
      add_attachment(part);
    }
    for (const ToolCall& call : message.tool_calls) {
      add_text(call.name);
      add_text(call.arguments);
    }
  }

  void add_question(std::string_view text) {
    scan_text(text, features_.question);
    features_.text_bytes += static_cast<std::int64_t>(text.size());
    auto& count = features_.question_text_count;
    // A user turn of many parts (Claude Code sends reminders beside the question) keeps its last.
    if (count == features_.question_texts.size()) {
      std::rotate(features_.question_texts.begin(), features_.question_texts.begin() + 1,
                  features_.question_texts.end());
      --count;
    }
    features_.question_texts[count++] = text;
  }

  void add_text(std::string_view text) {
    features_.prompt_tokens += estimate_tokens(text);
    features_.text_bytes += static_cast<std::int64_t>(text.size());
  }

  void instruct(std::string_view text) {
    const auto used = static_cast<std::size_t>(features_.instruction.bytes);
    if (used < instruction_bytes) {
      scan_text(text.substr(0, instruction_bytes - used), features_.instruction);
    }
  }

  void add_attachment(const Part& part) {
    if (part.kind == Part::Kind::image) ++features_.images;
    if (part.kind == Part::Kind::audio) features_.has_audio = true;
    if (part.kind == Part::Kind::file) features_.has_file = true;
    if (part.kind == Part::Kind::audio || part.kind == Part::Kind::file) {
      features_.attachment_bytes += size_of(part.data);
    }
  }

  void add_tool(const Tool& tool) {
    for (const std::string* text : {&tool.name, &tool.description, &tool.parameters, &tool.raw}) {
      add_text(*text);
    }
    features_.schema_bytes += size_of(tool.parameters);
    features_.marks_cache = features_.marks_cache || !tool.cache_control.empty();
  }

  // A tool's result after the last assistant message is waiting to be answered: the loop runs,
  // even where a client puts a reminder text behind the result.
  void find_loop() {
    const auto& messages = request_.messages;
    for (std::size_t i = messages.size(); i-- > 0;) {
      if (messages[i].role == Role::assistant) break;
      features_.in_tool_loop = features_.in_tool_loop || messages[i].role == Role::tool;
    }
    for (std::size_t i = messages.size(); i-- > 0;) {
      if (messages[i].role != Role::tool) continue;
      if (!tells_failure(messages[i])) break;
      ++features_.errors_in_a_row;
    }
  }

  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  const ChatRequest& request_;
  Features features_;
  std::size_t last_ = none, before_ = none;
};

}  // namespace

Features features_of(const ChatRequest& request) { return Collector(request).run(); }

}  // namespace jevons
