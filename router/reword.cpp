#include "router/reword.h"

#include <array>

namespace jevons {
namespace {

std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

struct Frame {
  std::string_view before, after;
};
constexpr std::array<Frame, 8> frames = {{
    {"Please answer this: ", ""},
    {"I need some help with the following.\n\n", ""},
    {"Hi! ", " Thanks in advance."},
    {"Question: ", "\nAnswer:"},
    {"", "\n\nExplain briefly."},
    {"Could you help me here? ", ""},
    {"Here is what I would like to know. ", " Please be precise."},
    {"", " Let me know what you think."},
}};

struct Phrase {
  std::string_view from, to;
};
constexpr std::array<Phrase, 28> phrases = {{
    {"which of the following", "which one of these"},
    {"Which of the following", "Which one of these"},
    {"What is", "Tell me what is"},
    {"what is", "tell me what is"},
    {"How many", "What number of"},
    {"how many", "what number of"},
    {"Find ", "Determine "},
    {"find ", "determine "},
    {"Calculate", "Work out"},
    {"calculate", "work out"},
    {"Write ", "Create "},
    {"write ", "create "},
    {"Explain", "Describe"},
    {"explain", "describe"},
    {"function", "routine"},
    {"because", "since"},
    {"However", "But"},
    {"however", "but"},
    {"number of", "count of"},
    {"is called", "is known as"},
    {"in order to", "to"},
    {"a lot of", "many"},
    {"large", "big"},
    {"begin", "start"},
    {"total", "overall"},
    {"each ", "every "},
    {"show that", "demonstrate that"},
    {"give ", "provide "},
}};

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

std::string replaced(std::string_view text) {
  std::string out(text);
  for (const Phrase& phrase : phrases) {
    for (std::size_t at = out.find(phrase.from); at != std::string::npos;
         at = out.find(phrase.from, at + phrase.to.size())) {
      out.replace(at, phrase.from.size(), phrase.to);
    }
  }
  return out;
}

std::string flattened(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (!space) out += c;
    if (space && !out.empty() && out.back() != ' ') out += ' ';
  }
  return out;
}

std::string thinned(std::string_view text, std::uint64_t seed) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.size(), text.find_first_of(" \n", at));
    const std::string_view word = text.substr(at, end - at + (end < text.size() ? 1 : 0));
    // One word in ten goes; what holds digits or marks stays.
    const bool plain = word.find_first_of("0123456789\\{}[]()=") == std::string_view::npos;
    if (!plain || mixed(seed + at) % 10 != 0) out += word;
    at += word.size();
  }
  return out;
}

}  // namespace

std::string reword(std::string_view text, Rewording how, std::uint64_t seed) {
  switch (how) {
    case Rewording::lower:
      return lowered(text);
    case Rewording::dressed: {
      const Frame& frame = frames[mixed(seed) % frames.size()];
      return std::string(frame.before) + std::string(text) + std::string(frame.after);
    }
    case Rewording::replaced:
      return replaced(text);
    case Rewording::flattened:
      return flattened(text);
    case Rewording::thinned:
      return thinned(text, seed);
  }
  return std::string(text);
}

}  // namespace jevons
