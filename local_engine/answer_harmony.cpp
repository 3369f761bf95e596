#include <optional>
#include <utility>

#include "local_engine/answer.h"
#include "local_engine/harmony.h"

namespace jevons::engine {
namespace {

class HarmonyAnswer final : public AnswerParser {
 public:
  HarmonyAnswer(const Vocabulary& vocabulary, std::string call_id_prefix)
      : parser_(vocabulary),
        call_(vocabulary.find_special("<|call|>")),
        return_(vocabulary.find_special("<|return|>")),
        end_(vocabulary.find_special("<|end|>")),
        call_id_prefix_(std::move(call_id_prefix)) {}

  void push(TokenId token, std::string_view text, Parts& out) override {
    HarmonyDelta delta = parser_.push(token, text);
    out.text += delta.text;
    out.reasoning += delta.reasoning;
    if (!delta.call_name.empty()) {
      begun_ = std::move(delta.call_name);
    } else if (!begun_.empty()) {
      add_call(std::move(delta.arguments), out);
    } else if (!delta.arguments.empty() && calls_ > 0) {
      ToolCallDelta more;
      more.index = calls_ - 1;
      more.arguments = std::move(delta.arguments);
      out.tool_calls.push_back(std::move(more));
    }
  }
  void finish(Parts& out) override {
    if (!begun_.empty()) add_call({}, out);
  }
  bool reasoning() const override { return parser_.in_reasoning(); }
  // <|end|> closes one message of several, whatever the file lists it as.
  bool ends(TokenId token, bool listed) const override {
    if (token == call_ || token == return_) return true;
    return listed && token != end_;
  }

 private:
  void add_call(std::string arguments, Parts& out) {
    ToolCallDelta call;
    call.index = calls_;
    call.id = call_id_prefix_ + std::to_string(calls_);
    call.name = std::move(begun_);
    call.arguments = std::move(arguments);
    out.tool_calls.push_back(std::move(call));
    ++calls_;
    begun_.clear();
  }

  HarmonyParser parser_;
  // A call's name waits for the token behind it: that of a forced call is in the prompt, whose
  // parts nobody sees.
  std::string begun_;
  std::optional<TokenId> call_;
  std::optional<TokenId> return_;
  std::optional<TokenId> end_;
  std::string call_id_prefix_;
  std::uint32_t calls_ = 0;
};

}  // namespace

std::unique_ptr<AnswerParser> make_harmony_parser(const Vocabulary& vocabulary,
                                                  std::string call_id_prefix) {
  return std::make_unique<HarmonyAnswer>(vocabulary, std::move(call_id_prefix));
}

}  // namespace jevons::engine
