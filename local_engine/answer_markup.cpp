// <think> and <tool_call> blocks of a text stream, whatever the token borders.
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <utility>

#include "local_engine/answer.h"

namespace jevons::engine {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kCall = "<tool_call>";
constexpr std::string_view kCallEnd = "</tool_call>";

// Bytes at the end of `text` that may be the beginning of `mark`.
std::size_t partial(std::string_view text, std::string_view mark) {
  for (std::size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == mark.substr(0, n)) return n;
  }
  return 0;
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

class MarkupParser final : public AnswerParser {
 public:
  explicit MarkupParser(const MarkupOptions& options)
      : options_(options), state_(options.begins_thinking ? State::reasoning : State::text) {}

  void push(TokenId, std::string_view text, Parts& out) override {
    held_ += text;
    while (step(out)) {
    }
  }
  void finish(Parts& out) override {
    if (state_ == State::call && !add_call(out)) out.text += std::string(kCall) + held_;
    if (state_ == State::text) emit_text(held_, out);
    if (state_ == State::reasoning) out.reasoning += held_;
    held_.clear();
  }
  bool reasoning() const override { return state_ == State::reasoning; }

 private:
  enum class State : std::uint8_t { text, reasoning, call };

  // Consumes up to the next mark; false when more text is needed.
  bool step(Parts& out) {
    switch (state_) {
      case State::text:
        return step_text(out);
      case State::reasoning:
        return step_reasoning(out);
      case State::call:
        return step_call(out);
    }
    return false;
  }

  bool step_text(Parts& out) {
    const std::size_t think = options_.thinks ? held_.find(kThink) : std::string::npos;
    const std::size_t call = options_.calls_tools ? held_.find(kCall) : std::string::npos;
    const std::size_t first = std::min(think, call);
    if (first != std::string::npos) {
      emit_text(std::string_view(held_).substr(0, first), out);
      state_ = think < call ? State::reasoning : State::call;
      held_.erase(0, first + (think < call ? kThink : kCall).size());
      skip_newline_ = think < call;
      return true;
    }
    std::size_t keep = 0;
    if (options_.thinks) keep = partial(held_, kThink);
    if (options_.calls_tools) keep = std::max(keep, partial(held_, kCall));
    emit_text(std::string_view(held_).substr(0, held_.size() - keep), out);
    held_.erase(0, held_.size() - keep);
    return false;
  }

  bool step_reasoning(Parts& out) {
    drop_newlines();
    const std::size_t end = held_.find(kThinkEnd);
    if (end == std::string::npos) {
      const std::size_t keep = partial(held_, kThinkEnd);
      out.reasoning += held_.substr(0, held_.size() - keep);
      held_.erase(0, held_.size() - keep);
      return false;
    }
    out.reasoning += held_.substr(0, end);
    held_.erase(0, end + kThinkEnd.size());
    state_ = State::text;
    skip_newline_ = true;
    return true;
  }

  bool step_call(Parts& out) {
    const std::size_t end = held_.find(kCallEnd);
    if (end == std::string::npos) return false;
    std::string rest = held_.substr(end + kCallEnd.size());
    held_.resize(end);
    if (!add_call(out)) out.text += std::string(kCall) + held_ + std::string(kCallEnd);
    held_ = std::move(rest);
    state_ = State::text;
    skip_newline_ = true;
    return true;
  }

  // The line break between a block and what follows belongs to the markup.
  void drop_newlines() {
    if (!skip_newline_) return;
    held_.erase(0, std::min(held_.find_first_not_of('\n'), held_.size()));
    if (!held_.empty()) skip_newline_ = false;
  }

  void emit_text(std::string_view text, Parts& out) {
    if (skip_newline_) {
      text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
      if (text.empty()) return;
      skip_newline_ = false;
    }
    out.text += text;
  }

  // held_ as a call; false if it is not one, and then the text is shown as it is.
  bool add_call(Parts& out) {
    const std::string_view json = trim(held_);
    rapidjson::Document call;
    call.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    if (call.HasParseError() || !call.IsObject() || !call.HasMember("name") ||
        !call["name"].IsString()) {
      return false;
    }
    ToolCallDelta delta;
    delta.index = calls_;
    delta.id = options_.call_id_prefix + std::to_string(calls_);
    delta.name = call["name"].GetString();
    const char* key = call.HasMember("arguments") ? "arguments" : "parameters";
    delta.arguments = "{}";
    if (call.HasMember(key) && call[key].IsString()) delta.arguments = call[key].GetString();
    if (call.HasMember(key) && call[key].IsObject()) {
      rapidjson::StringBuffer buffer;
      rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
      call[key].Accept(writer);
      delta.arguments.assign(buffer.GetString(), buffer.GetSize());
    }
    out.tool_calls.push_back(std::move(delta));
    ++calls_;
    return true;
  }

  MarkupOptions options_;
  State state_;
  std::string held_;
  bool skip_newline_ = false;
  std::uint32_t calls_ = 0;
};

}  // namespace

std::unique_ptr<AnswerParser> make_markup_parser(const MarkupOptions& options) {
  return std::make_unique<MarkupParser>(options);
}

}  // namespace jevons::engine
