#include "local_engine/harmony.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kHeaderBytesMax = 1024;
constexpr std::string_view kFunctions = "functions.";

// The word behind "to=", in the role or the channel part of a header.
std::string_view recipient_of(std::string_view header) {
  const std::size_t at = header.find("to=");
  if (at == std::string_view::npos) return {};
  const std::string_view rest = header.substr(at + 3);
  return rest.substr(0, rest.find_first_of(" \t\n"));
}

// The first word behind <|channel|>.
std::string_view channel_of(std::string_view header) {
  const std::size_t at = header.find('\n');
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + 1);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return rest.substr(0, rest.find_first_of(" \t\n"));
}

}  // namespace

HarmonyParser::HarmonyParser(const Vocabulary& vocabulary)
    : start_(vocabulary.find_special("<|start|>")),
      channel_(vocabulary.find_special("<|channel|>")),
      message_(vocabulary.find_special("<|message|>")),
      constrain_(vocabulary.find_special("<|constrain|>")),
      end_(vocabulary.find_special("<|end|>")),
      call_(vocabulary.find_special("<|call|>")),
      return_(vocabulary.find_special("<|return|>")) {}

bool HarmonyParser::recognises(const Vocabulary& vocabulary) {
  const HarmonyParser parser(vocabulary);
  return parser.start_ && parser.channel_ && parser.message_ && parser.end_ && parser.return_;
}

void HarmonyParser::open_body(HarmonyDelta& delta) {
  const std::string_view channel = channel_of(header_);
  std::string_view recipient = recipient_of(header_);
  state_ = State::body;
  if (recipient.starts_with(kFunctions)) {
    kind_ = Kind::call;
    delta.call_name = recipient.substr(kFunctions.size());
  } else {
    kind_ = channel == "analysis" ? Kind::reasoning : Kind::answer;
  }
  header_.clear();
}

HarmonyDelta HarmonyParser::push(TokenId token, std::string_view text) {
  HarmonyDelta delta;
  if (token == message_) {
    if (state_ == State::header) open_body(delta);
  } else if (token == start_) {
    state_ = State::header;
    header_.clear();
  } else if (token == channel_) {
    state_ = State::header;
    header_ += '\n';
  } else if (token == constrain_) {
    header_ += ' ';
  } else if (token == end_ || token == call_ || token == return_) {
    delta.call_ended = state_ == State::body && kind_ == Kind::call;
    delta.answer_ended = token != end_;
    state_ = State::between;
  } else if (state_ == State::header && header_.size() < kHeaderBytesMax) {
    header_ += text;
  } else if (state_ == State::body && kind_ == Kind::reasoning) {
    delta.reasoning = text;
  } else if (state_ == State::body && kind_ == Kind::call) {
    delta.arguments = text;
  } else {
    delta.text = text;  // the answer; also what stands between messages, or in an endless header
  }
  return delta;
}

}  // namespace jevons::engine
