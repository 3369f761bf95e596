// One pass over a text: counts that say what kind of text it is, and an estimate of its tokens.
// Linear, no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "router/classification.h"

namespace jevons {

enum class Script : std::uint8_t {
  latin,
  han,
  kana,
  hangul,
  cyrillic,
  greek,
  arabic,
  hebrew,
  devanagari,
  thai,
  other
};
inline constexpr std::size_t script_count = 11;

// Languages told apart by their commonest words, within the Latin and Cyrillic scripts.
enum class Tongue : std::uint8_t { en, es, fr, de, pt, it, nl, ru, uk, pl, tr };
inline constexpr std::size_t tongue_count = 11;

struct TextStats {
  std::int64_t bytes = 0;
  std::int64_t characters = 0;
  std::int64_t digits = 0;
  std::int64_t symbols = 0;  // ASCII punctuation
  std::int64_t invalid = 0;  // control bytes and broken UTF-8: binary text
  std::int64_t uppercase = 0;
  std::int64_t words = 0;  // runs of letters; a Han or kana character counts as one
  std::int64_t word_letters = 0;
  std::int64_t long_words = 0;  // nine letters or more
  std::int64_t lines = 0;
  std::int64_t sentences = 0;
  std::int64_t questions = 0;
  std::int64_t numbers = 0;          // runs of digits
  std::int64_t fences = 0;           // ``` marks
  std::int64_t code_marks = 0;       // (){}[];=<>_ and ends of lines with them
  std::int64_t latex_marks = 0;      // $ ^ \ before a letter
  std::int64_t options = 0;          // "A." "B)" "(c)", in the order of the alphabet
  std::int64_t requested_words = 0;  // "in 500 words"
  double tokens = 0;
  std::array<std::int64_t, script_count> scripts{};  // characters
  std::array<std::int32_t, tongue_count> tongues{};  // common words seen
  std::array<float, task_count> cues{};              // evidence for each task
  float hard = 0, easy = 0;                          // evidence for difficulty in words

  double share(std::int64_t count) const {
    return characters > 0 ? static_cast<double>(count) / static_cast<double>(characters) : 0.0;
  }
};

// Adds a text to the counts. Texts are scanned apart, so no word spans two of them.
void scan_text(std::string_view text, TextStats& stats);

// Only the token estimate: for text that counts but is not the question.
double estimate_tokens(std::string_view text);

// "en", "zh", ... by script, then by common words; "unknown" without evidence.
std::string_view language_of(const TextStats& stats);

// What a known word says, in one of several languages. A word may say several things.
struct WordCue {
  enum class Kind : std::uint8_t { task, hard, easy, tongue, unit } kind = Kind::task;
  std::uint8_t index = 0;  // Task or Tongue
  float weight = 1;
};
// The cues of the word with this hash (its bytes, ASCII letters in lower case); mostly none.
std::span<const WordCue> word_cues(std::uint32_t hash);

inline constexpr std::uint32_t word_hash_seed = 2166136261u;
constexpr std::uint32_t word_hash_step(std::uint32_t hash, unsigned char byte) {
  return (hash ^ byte) * 16777619u;
}

}  // namespace jevons
