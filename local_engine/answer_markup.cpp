// <think> blocks and tool calls of a text stream, whatever the token borders.
#include <algorithm>
#include <utility>

#include "local_engine/answer.h"

namespace jevons::engine {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kThinkEnd = "</think>";

// Bytes at the end of `text` that may be the beginning of `mark`.
std::size_t partial(std::string_view text, std::string_view mark) {
  for (std::size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == mark.substr(0, n)) return n;
  }
  return 0;
}

class MarkupParser final : public AnswerParser {
 public:
  explicit MarkupParser(const MarkupOptions& options)
      : options_(options), state_(options.begins_thinking ? State::reasoning : begin_state()) {}

  void push(TokenId token, std::string_view text, Parts& out) override {
    held_ += text;
    const auto mark = options_.marks.find(token);
    if (mark != options_.marks.end()) held_ += mark->second;
    while (step(out)) {
    }
  }
  void finish(Parts& out) override {
    if (state_ == State::call || state_ == State::perhaps_call) end_call({}, out);
    if (state_ == State::text) emit_text(held_, out);
    if (state_ == State::reasoning) out.reasoning += held_;
    held_.clear();
  }
  bool reasoning() const override { return state_ == State::reasoning; }

 private:
  // perhaps_call: an answer that is a call from its first character, if it is one at all.
  enum class State : std::uint8_t { text, reasoning, call, perhaps_call };

  State begin_state() const {
    return options_.calls && options_.calls->begin.empty() ? State::perhaps_call : State::text;
  }
  // Where calls have a mark: it; else nothing is ever found.
  std::string_view call_mark() const {
    return options_.calls ? options_.calls->begin : std::string_view();
  }

  // Consumes up to the next mark; false when more text is needed.
  bool step(Parts& out) {
    switch (state_) {
      case State::text:
        return step_text(out);
      case State::reasoning:
        return step_reasoning(out);
      case State::call:
        return step_call(out);
      case State::perhaps_call:
        if (!cannot_be_call(held_)) return false;
        state_ = State::text;
        return true;
    }
    return false;
  }

  bool step_text(Parts& out) {
    const std::size_t think = options_.thinks ? held_.find(kThink) : std::string::npos;
    const std::string_view mark = call_mark();
    const std::size_t call = mark.empty() ? std::string::npos : held_.find(mark);
    const std::size_t first = std::min(think, call);
    if (first != std::string::npos) {
      emit_text(std::string_view(held_).substr(0, first), out);
      state_ = think < call ? State::reasoning : State::call;
      held_.erase(0, first + (think < call ? kThink : mark).size());
      skip_newline_ = think < call;
      return true;
    }
    std::size_t keep = 0;
    if (options_.thinks) keep = partial(held_, kThink);
    if (!mark.empty()) keep = std::max(keep, partial(held_, mark));
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
    state_ = begin_state();
    skip_newline_ = true;
    return true;
  }

  // A form without an end mark ends where the next call begins, if its calls stand alone.
  bool step_call(Parts& out) {
    const CallForm& form = *options_.calls;
    const bool alone = form.end.empty() && form.shape == CallForm::Shape::named;
    const std::string_view mark = alone ? form.begin : form.end;
    const std::size_t end = mark.empty() ? std::string::npos : held_.find(mark);
    if (end == std::string::npos) return false;
    std::string rest = held_.substr(end + mark.size());
    held_.resize(end);
    end_call(form.end, out);
    held_ = std::move(rest);
    state_ = alone ? State::call : State::text;
    skip_newline_ = !alone;
    return true;
  }

  // held_ as calls; what is none is shown as it was written.
  void end_call(std::string_view end_mark, Parts& out) {
    const auto calls = calls_in(*options_.calls, held_);
    if (calls.empty()) out.text += std::string(call_mark()) + held_ + std::string(end_mark);
    for (const NamedCall& call : calls) {
      ToolCallDelta delta;
      delta.index = calls_;
      delta.id = options_.call_id_prefix + std::to_string(calls_);
      delta.name = call.name;
      delta.arguments = call.arguments;
      out.tool_calls.push_back(std::move(delta));
      ++calls_;
    }
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
