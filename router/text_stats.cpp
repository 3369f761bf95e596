#include "router/text_stats.h"

#include <algorithm>

namespace jevons {
namespace {

enum class Byte : std::uint8_t { letter, digit, space, newline, symbol, lead2, lead3, lead4, bad };

constexpr std::array<Byte, 256> byte_classes = [] {
  std::array<Byte, 256> table{};
  for (std::size_t c = 0; c < 256; ++c) {
    Byte kind = Byte::bad;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
      kind = Byte::letter;
    else if (c >= '0' && c <= '9')
      kind = Byte::digit;
    else if (c == ' ' || c == '\t' || c == '\r')
      kind = Byte::space;
    else if (c == '\n')
      kind = Byte::newline;
    else if (c > ' ' && c < 127)
      kind = Byte::symbol;
    else if (c >= 0xC2 && c <= 0xDF)
      kind = Byte::lead2;
    else if (c >= 0xE0 && c <= 0xEF)
      kind = Byte::lead3;
    else if (c >= 0xF0 && c <= 0xF4)
      kind = Byte::lead4;
    table[c] = kind;
  }
  return table;
}();

Byte class_of(char c) { return byte_classes[static_cast<unsigned char>(c)]; }

// Words are looked up in so many bytes at the begin and at the end of each text.
constexpr std::size_t cue_bytes = 8'192;

// Tokens of a run, as byte-pair vocabularies of 100,000 and more entries cut it on average.
constexpr std::array<double, 15> tokens_of_letters = {0,    1,    1,    1,    1,   1.12, 1.12, 1.12,
                                                      1.45, 1.45, 1.45, 1.9,  1.9, 1.9,  1.9};
constexpr double tokens_of_word(std::int64_t letters) {
  if (letters < static_cast<std::int64_t>(tokens_of_letters.size())) {
    return tokens_of_letters[static_cast<std::size_t>(letters)];
  }
  return static_cast<double>(letters) / 6.0;
}
constexpr double tokens_per_symbol = 0.9;
constexpr double tokens_per_further_symbol = 0.2;     // vocabularies hold `":{"` and its kind whole
constexpr double tokens_per_accented = 0.45;          // beside the letters of its word
constexpr double tokens_per_letter_elsewhere = 0.27;  // Cyrillic, Arabic, Hebrew
constexpr double tokens_per_greek_letter = 0.42;
constexpr double tokens_per_ideograph = 0.85;
constexpr double tokens_per_wide_letter = 0.62;    // Hangul, kana
constexpr double tokens_per_marked_letter = 0.38;  // Devanagari, Thai: letters and their marks
constexpr double tokens_per_emoji = 2.0;
constexpr double tokens_per_bad_byte = 1.0;

struct Rune {
  std::uint32_t value = 0;
  std::size_t size = 1;  // bytes; value 0 with size 1: broken UTF-8
};

Rune decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const Byte kind = class_of(text[at]);
  const std::size_t size = kind == Byte::lead2 ? 2 : kind == Byte::lead3 ? 3 : 4;
  if (kind < Byte::lead2 || kind == Byte::bad || at + size > text.size()) return {};
  std::uint32_t value = byte(0) & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = value << 6 | (byte(i) & 0x3Fu);
  }
  return {value, size};
}

Script script_of(std::uint32_t rune) {
  if (rune < 0x250 || (rune >= 0x1E00 && rune < 0x1F00)) return Script::latin;
  if (rune >= 0x370 && rune < 0x400) return Script::greek;
  if (rune >= 0x400 && rune < 0x530) return Script::cyrillic;
  if (rune >= 0x590 && rune < 0x600) return Script::hebrew;
  if (rune >= 0x600 && rune < 0x780) return Script::arabic;
  if (rune >= 0x900 && rune < 0x980) return Script::devanagari;
  if (rune >= 0xE00 && rune < 0xE80) return Script::thai;
  if (rune >= 0x3040 && rune < 0x3100) return Script::kana;
  if ((rune >= 0x1100 && rune < 0x1200) || (rune >= 0xAC00 && rune < 0xD7B0)) return Script::hangul;
  if ((rune >= 0x3400 && rune < 0x4DC0) || (rune >= 0x4E00 && rune < 0xA000)) return Script::han;
  return Script::other;
}

double tokens_of_rune(Script script) {
  switch (script) {
    case Script::latin:
      return tokens_per_accented;
    case Script::han:
      return tokens_per_ideograph;
    case Script::greek:
      return tokens_per_greek_letter;
    case Script::devanagari:
    case Script::thai:
      return tokens_per_marked_letter;
    case Script::cyrillic:
    case Script::arabic:
    case Script::hebrew:
      return tokens_per_letter_elsewhere;
    default:
      return tokens_per_wide_letter;
  }
}

class Scanner {
 public:
  Scanner(std::string_view text, TextStats& stats) : text_(text), stats_(stats) {}

  void run() {
    stats_.bytes += static_cast<std::int64_t>(text_.size());
    if (!text_.empty()) ++stats_.lines;
    while (at_ < text_.size()) {
      switch (class_of(text_[at_])) {
        case Byte::letter:
          words();
          break;
        case Byte::digit:
          number();
          break;
        case Byte::space:
          spaces();
          break;
        case Byte::newline:
          newlines();
          break;
        case Byte::symbol:
          symbol();
          break;
        case Byte::bad:
          bad();
          break;
        default:
          rune();
          break;
      }
    }
  }

 private:
  // The letter at this byte stands alone. "A." "B)" "(c)" in their order, on lines of their own or
  // in one, are the options of a question.
  void check_option(std::size_t at) {
    const std::size_t mark = at + 1;
    if (mark >= text_.size() || text_.substr(mark, 1).find_first_of(".):") != 0) return;
    if (mark + 1 < text_.size() && !is_blank(text_[mark + 1])) return;
    if (at > 0 && text_[at - 1] != '(' && !is_blank(text_[at - 1])) return;
    const char letter = static_cast<char>(text_[at] | 0x20);
    if (letter != next_option_ && letter != 'a') return;
    ++stats_.options;
    next_option_ = static_cast<char>(letter + 1);
  }

  static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

  // Whether the word at this byte is looked up: what a long text asks for stands at its begin or
  // its end, and what it is about says little more after so many words.
  bool learns(std::size_t from) const {
    return from < cue_bytes || text_.size() - from <= cue_bytes;
  }

  // Words of ASCII letters with one space between them: most of most texts, so in one tight loop.
  // Stops at a byte that is neither, without having passed it.
  void words() {
    const char* const begin = text_.data();
    const char* const end = begin + text_.size();
    const char* at = begin + at_;
    for (;;) {
      const char* const from = at;
      std::int64_t uppercase = 0;
      std::uint32_t hash = word_hash_seed;
      const bool learning = learns(static_cast<std::size_t>(from - begin));
      for (; at != end && class_of(*at) == Byte::letter; ++at) {
        uppercase += (*at & 0x20) == 0 ? 1 : 0;
        if (learning) hash = word_hash_step(hash, static_cast<unsigned char>(*at | 0x20));
      }
      if (at != end && (class_of(*at) == Byte::lead2 || class_of(*at) == Byte::lead3)) {
        at_ = static_cast<std::size_t>(from - begin);
        return word();
      }
      at_ = static_cast<std::size_t>(at - begin);
      const auto letters = static_cast<std::int64_t>(at - from);
      stats_.scripts[static_cast<std::size_t>(Script::latin)] += letters;
      count_word(letters, letters, uppercase);
      if (letters == 1) check_option(static_cast<std::size_t>(from - begin));
      if (learning) learn(hash);
      if (end - at < 2 || *at != ' ' || class_of(at[1]) != Byte::letter) return;
      ++stats_.characters;
      ++at;
    }
  }

  void count_word(std::int64_t letters, std::int64_t ascii, std::int64_t uppercase) {
    stats_.characters += letters;
    stats_.uppercase += uppercase;
    ++stats_.words;
    stats_.word_letters += letters;
    if (letters >= 9) ++stats_.long_words;
    if (ascii > 0) stats_.tokens += tokens_of_word(ascii);
  }

  // A run of letters of alphabets that put spaces between words; hashes it on the way.
  void word() {
    const std::size_t from = at_;
    std::uint32_t hash = word_hash_seed, prefix_hash = 0;
    std::int64_t letters = 0, ascii = 0, uppercase = 0, hangul = 0;
    while (at_ < text_.size()) {
      const Byte kind = class_of(text_[at_]);
      std::size_t size = 1;
      if (kind == Byte::letter) {
        uppercase += text_[at_] <= 'Z' ? 1 : 0;
        hash = word_hash_step(hash, static_cast<unsigned char>(text_[at_] | 0x20));
        ++ascii;
      } else {
        if (kind != Byte::lead2 && kind != Byte::lead3) break;
        const Rune rune = decode(text_, at_);
        const Script script = script_of(rune.value);
        if (rune.value == 0 || script == Script::han || script == Script::other) break;
        if (kind == Byte::lead2 && rune.value < 0xC0) break;  // « ° and their kind
        size = rune.size;
        hash = hash_rune(hash, rune);
        ++stats_.scripts[static_cast<std::size_t>(script)];
        stats_.tokens += tokens_of_rune(script);
        if (script == Script::hangul && ++hangul == 2) prefix_hash = hash;
      }
      at_ += size;
      ++letters;
    }
    if (letters == 0) return single(from);
    stats_.scripts[static_cast<std::size_t>(Script::latin)] += ascii;
    count_word(letters, ascii, uppercase);
    if (!learns(from)) return;
    learn(hash);
    // Korean particles are glued to the word, so its first two syllables count as well.
    if (hangul > 2) learn(prefix_hash);
  }

  // Capital letters of the Latin and Cyrillic blocks hash as their small ones, which stand 32
  // places behind; both forms take two bytes.
  std::uint32_t hash_rune(std::uint32_t hash, const Rune& rune) const {
    std::uint32_t small = rune.value;
    const bool latin = small >= 0xC0 && small <= 0xDE && small != 0xD7;
    if (latin || (small >= 0x410 && small <= 0x42F)) small += 32;
    if (small != rune.value) {
      hash = word_hash_step(hash, static_cast<unsigned char>(0xC0 | (small >> 6)));
      return word_hash_step(hash, static_cast<unsigned char>(0x80 | (small & 0x3F)));
    }
    for (std::size_t i = 0; i < rune.size; ++i) {
      hash = word_hash_step(hash, static_cast<unsigned char>(text_[at_ + i]));
    }
    return hash;
  }

  // One character that is no part of a word: an ideograph, foreign punctuation, an emoji.
  void single(std::size_t from) {
    const Rune rune = decode(text_, from);
    if (rune.value == 0) return bad();
    at_ = from + rune.size;
    ++stats_.characters;
    if (rune.value == 0x3002) ++stats_.sentences;  // 。
    if (rune.value == 0xFF1F || rune.value == 0x61F) ++stats_.questions;
    const Script script = script_of(rune.value);
    if (script == Script::han) return ideograph(from, rune.size);
    ++stats_.scripts[static_cast<std::size_t>(Script::other)];
    stats_.tokens += rune.size == 4 ? tokens_per_emoji : tokens_per_wide_letter;
  }

  // Chinese puts no spaces between words: each pair of ideographs is looked up, and each alone.
  void ideograph(std::size_t from, std::size_t size) {
    ++stats_.scripts[static_cast<std::size_t>(Script::han)];
    ++stats_.words;
    stats_.tokens += tokens_per_ideograph;
    std::uint32_t alone = word_hash_seed, pair = previous_;
    for (std::size_t i = 0; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(text_[from + i]);
      alone = word_hash_step(alone, byte);
      pair = word_hash_step(pair, byte);
    }
    learn(alone);
    if (previous_ != 0 && previous_end_ == from) learn(pair);
    previous_ = alone;
    previous_end_ = at_;
  }

  void rune() {
    const Byte kind = class_of(text_[at_]);
    if (kind == Byte::lead4) {
      return single(at_);
    }
    word();
  }

  void number() {
    const std::size_t from = at_;
    number_ = 0;
    while (at_ < text_.size() && class_of(text_[at_]) == Byte::digit) {
      number_ = std::min<std::int64_t>(number_ * 10 + (text_[at_] - '0'), 1'000'000);
      ++at_;
    }
    const auto length = static_cast<std::int64_t>(at_ - from);
    stats_.characters += length;
    stats_.digits += length;
    ++stats_.numbers;
    stats_.tokens += static_cast<double>((length + 2) / 3);
    number_end_ = at_;
  }

  void spaces() {
    const std::size_t from = at_;
    while (at_ < text_.size() && class_of(text_[at_]) == Byte::space) ++at_;
    const auto length = static_cast<std::int64_t>(at_ - from);
    stats_.characters += length;
    // One space belongs to the word behind it; longer runs are tokens of their own.
    if (length > 1) stats_.tokens += 1.0 + static_cast<double>(length) / 32.0;
  }

  void newlines() {
    const std::size_t from = at_;
    while (at_ < text_.size() && class_of(text_[at_]) == Byte::newline) ++at_;
    const auto length = static_cast<std::int64_t>(at_ - from);
    stats_.characters += length;
    stats_.lines += length;
    stats_.tokens += 1.0 + static_cast<double>(length - 1) / 8.0;
  }

  void symbol() {
    const std::size_t from = at_;
    const char c = text_[at_++];
    const char next = at_ < text_.size() ? text_[at_] : '\n';
    ++stats_.characters;
    ++stats_.symbols;
    stats_.tokens += symbol_end_ == from ? tokens_per_further_symbol : tokens_per_symbol;
    symbol_end_ = at_;
    switch (c) {
      case '?':
        ++stats_.questions;
        break;
      case '.':
      case '!':
        stats_.sentences += next == ' ' || next == '\n' ? 1 : 0;
        break;
      case '$':
      case '^':
        ++stats_.latex_marks;
        break;
      case '\\':
        stats_.latex_marks += class_of(next) == Byte::letter ? 1 : 0;
        break;
      case '`':
        count_fence(from);
        break;
      case '(':
      case ')':
        stats_.code_marks += next == ')' || next == ';' || next == ':' ? 1 : 0;
        break;
      case '{':
      case '}':
      case '[':
      case ']':
      case ';':
      case '=':
      case '<':
      case '>':
      case '_':
        ++stats_.code_marks;
        break;
      default:
        break;
    }
  }

  void count_fence(std::size_t from) {
    if (text_.substr(from, 3) != "```") return;
    ++stats_.fences;
    stats_.characters += 2;
    at_ = from + 3;
  }

  void bad() {
    ++at_;
    ++stats_.characters;
    ++stats_.invalid;
    stats_.tokens += tokens_per_bad_byte;
  }

  void learn(std::uint32_t hash) {
    for (const WordCue& cue : word_cues(hash)) {
      switch (cue.kind) {
        case WordCue::Kind::task:
          stats_.cues[cue.index] += cue.weight;
          break;
        case WordCue::Kind::hard:
          stats_.hard += cue.weight;
          break;
        case WordCue::Kind::easy:
          stats_.easy += cue.weight;
          break;
        case WordCue::Kind::tongue:
          ++stats_.tongues[cue.index];
          break;
        case WordCue::Kind::unit:
          request_words();
          break;
      }
    }
  }

  // "500 words", "500-word", "500字": the length that is asked for.
  void request_words() {
    if (number_ < 5 || number_ > 50'000 || at_ - number_end_ > 16) return;
    stats_.requested_words = std::max(stats_.requested_words, number_);
  }

  std::string_view text_;
  TextStats& stats_;
  std::size_t at_ = 0;
  char next_option_ = 'a';  // letter that the next one has
  std::int64_t number_ = 0;
  std::size_t number_end_ = 0;
  std::size_t symbol_end_ = static_cast<std::size_t>(-1);
  std::uint32_t previous_ = 0;  // hash of the ideograph before
  std::size_t previous_end_ = 0;
};

constexpr std::array<std::string_view, tongue_count> tongue_names = {
    "en", "es", "fr", "de", "pt", "it", "nl", "ru", "uk", "pl", "tr"};

std::string_view commonest_tongue(const TextStats& stats, bool cyrillic) {
  std::size_t best = tongue_count;
  std::int32_t most = 0;
  for (std::size_t i = 0; i < tongue_count; ++i) {
    const auto tongue = static_cast<Tongue>(i);
    const bool is_cyrillic = tongue == Tongue::ru || tongue == Tongue::uk;
    if (is_cyrillic == cyrillic && stats.tongues[i] > most) {
      most = stats.tongues[i];
      best = i;
    }
  }
  if (best == tongue_count) return cyrillic ? "ru" : "unknown";
  return tongue_names[best];
}

}  // namespace

void scan_text(std::string_view text, TextStats& stats) { Scanner(text, stats).run(); }

double estimate_tokens(std::string_view text) {
  TextStats stats;
  scan_text(text, stats);
  return stats.tokens;
}

std::string_view language_of(const TextStats& stats) {
  const auto count = [&stats](Script s) { return stats.scripts[static_cast<std::size_t>(s)]; };
  // Kana beside ideographs is Japanese, however many ideographs there are.
  const std::int64_t han = count(Script::han), kana = count(Script::kana);
  std::size_t most = 0;
  for (std::size_t i = 1; i < script_count; ++i) {
    // An ideograph says as much as several letters.
    const auto weigh = [&stats](std::size_t s) {
      return stats.scripts[s] * (static_cast<Script>(s) == Script::han ? 3 : 1);
    };
    if (weigh(i) > weigh(most)) most = i;
  }
  if (stats.scripts[most] == 0) return "unknown";
  switch (static_cast<Script>(most)) {
    case Script::latin:
      return commonest_tongue(stats, false);
    case Script::cyrillic:
      return commonest_tongue(stats, true);
    case Script::han:
      return kana * 10 > han ? "ja" : "zh";
    case Script::kana:
      return "ja";
    case Script::hangul:
      return "ko";
    case Script::greek:
      return "el";
    case Script::arabic:
      return "ar";
    case Script::hebrew:
      return "he";
    case Script::devanagari:
      return "hi";
    case Script::thai:
      return "th";
    case Script::other:
      return "unknown";
  }
  return "unknown";
}

}  // namespace jevons
