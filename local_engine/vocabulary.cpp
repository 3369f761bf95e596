#include "local_engine/vocabulary.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "local_engine/unicode.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kTokensMax = 1U << 22;
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";  // U+2581, SentencePiece's visible space

// Names that end an answer whatever the file says of them. <|end|> is not among them where the
// vocabulary speaks Harmony, whose messages end with it while the answer goes on.
constexpr std::string_view kEndNames[] = {"<|eot_id|>",
                                          "<|im_end|>",
                                          "<|end|>",
                                          "<|return|>",
                                          "<|call|>",
                                          "<end_of_turn>",
                                          "<|endoftext|>",
                                          "<|eom_id|>",
                                          "<EOT>",
                                          "_<EOT>",
                                          "[EOT]",
                                          "<|end_of_text|>",
                                          "<end_of_utterance>",
                                          "<turn|>",
                                          "<\xef\xbd\x9c"
                                          "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"};
// These only where the file marks them as control tokens: in text they are ordinary.
constexpr std::string_view kEndControlNames[] = {"</s>", "<eos>", "[EOS]"};

// GPT-2's alphabet: printable Latin-1 stands for itself, the other 68 bytes for U+0100 onwards.
struct ByteAlphabet {
  ByteAlphabet() {
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
      to_char[byte] = printable ? static_cast<char32_t>(byte) : next++;
      to_byte[to_char[byte]] = static_cast<int>(byte);
    }
  }
  std::array<char32_t, 256> to_char{};
  std::array<int, 0x144> to_byte = [] {
    std::array<int, 0x144> none{};
    none.fill(-1);
    return none;
  }();
};

const ByteAlphabet& alphabet() {
  static const ByteAlphabet made;
  return made;
}

std::string replace_space_marks(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const bool mark = text.substr(at).starts_with(kSpaceMark);
    out += mark ? ' ' : text[at];
    at += mark ? kSpaceMark.size() : 1;
  }
  return out;
}

// <0xAB>, the byte tokens of SPM.
std::optional<std::uint8_t> byte_of_name(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return std::nullopt;
  std::uint8_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  if (error != std::errc() || end != text.data() + 5) return std::nullopt;
  return value;
}

// Whether a user-defined token is markup of the template and not text: <think>, [INST], <|x|>.
bool is_markup(std::string_view name) {
  if (name.size() < 3) return false;
  const bool angle = name.front() == '<' && name.back() == '>';
  const bool square = name.front() == '[' && name.back() == ']';
  return angle || square;
}

EngineError bad(const GgufFile& file, const std::string& what) {
  return {EngineFault::invalid_model, file.name() + ": " + what};
}

std::string token_bytes(std::string_view text, TokenKind kind, bool raw_characters) {
  const bool literal = kind == TokenKind::control || kind == TokenKind::unknown;
  if (kind == TokenKind::byte) {
    if (const auto byte = byte_of_name(text)) return std::string(1, static_cast<char>(*byte));
  }
  if (raw_characters) return literal ? std::string(text) : replace_space_marks(text);
  if (literal || kind == TokenKind::user_defined) return std::string(text);
  return decode_byte_alphabet(text);
}

}  // namespace

std::string decode_byte_alphabet(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = next_utf8(text.substr(at));
    const auto& to_byte = alphabet().to_byte;
    const int byte = c.valid && c.code_point < to_byte.size() ? to_byte[c.code_point] : -1;
    if (byte >= 0)
      out += static_cast<char>(byte);
    else
      out += text.substr(at, c.bytes);
    at += c.bytes;
  }
  return out;
}

std::string encode_byte_alphabet(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) append_utf8(out, alphabet().to_char[static_cast<unsigned char>(c)]);
  return out;
}

EngineResult<Vocabulary> Vocabulary::from_gguf(const GgufFile& file, TokenizerModel model,
                                               bool raw_characters) {
  Vocabulary vocabulary;
  if (auto loaded = vocabulary.load_tokens(file, model, raw_characters); !loaded) {
    return loaded.error();
  }
  if (auto loaded = vocabulary.load_ids(file); !loaded) return loaded.error();
  vocabulary.mark_ends();
  vocabulary.index(raw_characters);
  return vocabulary;
}

EngineResult<void> Vocabulary::load_tokens(const GgufFile& file, TokenizerModel model,
                                           bool raw_characters) {
  const auto tokens = file.array("tokenizer.ggml.tokens");
  if (!tokens) return tokens.error();
  const std::size_t count = (*tokens)->count;
  if ((*tokens)->kind != GgufKind::string || count == 0 || count > kTokensMax) {
    return bad(file,
               "tokenizer.ggml.tokens must be 1 to " + std::to_string(kTokensMax) + " strings");
  }
  const auto numbers_of = [&](const char* key) -> EngineResult<const GgufArray*> {
    if (file.find(key) == nullptr) return nullptr;
    const auto array = file.array(key);
    if (!array) return array.error();
    if ((*array)->kind == GgufKind::string || (*array)->count != count) {
      return bad(file, std::string(key) + " must hold one number for each of the " +
                           std::to_string(count) + " tokens");
    }
    return array;
  };
  const auto kinds = numbers_of("tokenizer.ggml.token_type");
  if (!kinds) return kinds.error();
  const auto scores = numbers_of("tokenizer.ggml.scores");
  if (!scores) return scores.error();
  if (model == TokenizerModel::spm && *scores == nullptr) {
    return bad(file, "tokenizer.ggml.scores is missing");
  }
  begins_.push_back(0);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t raw_kind = *kinds != nullptr ? (*kinds)->integer(i) : 1;
    const auto kind =
        raw_kind >= 1 && raw_kind <= 6 ? static_cast<TokenKind>(raw_kind) : TokenKind::normal;
    const std::string bytes = token_bytes((*tokens)->strings[i], kind, raw_characters);
    arena_.insert(arena_.end(), bytes.begin(), bytes.end());
    if (arena_.size() > UINT32_MAX) return bad(file, "the token texts exceed 4 GiB");
    begins_.push_back(static_cast<std::uint32_t>(arena_.size()));
    kinds_.push_back(kind);
    unreachable_.push_back(kind == TokenKind::normal && !raw_characters &&
                           encode_byte_alphabet(bytes) != (*tokens)->strings[i]);
    if (*scores != nullptr) scores_.push_back(static_cast<float>((*scores)->real(i)));
  }
  return {};
}

EngineResult<void> Vocabulary::load_ids(const GgufFile& file) {
  special_.assign(size(), false);
  ends_.assign(size(), false);
  const auto read = [&](const char* key, std::optional<TokenId>& id) -> EngineResult<void> {
    if (file.find(key) == nullptr) return {};
    const auto value = file.i64(key);
    if (!value) return value.error();
    if (*value == -1 || *value == UINT32_MAX) return {};  // how converters write "none"
    if (*value < 0 || static_cast<std::uint64_t>(*value) >= size()) {
      return bad(file, std::string(key) + " is " + std::to_string(*value) + ", but there are " +
                           std::to_string(size()) + " tokens");
    }
    id = static_cast<TokenId>(*value);
    return {};
  };
  std::optional<TokenId> end_of_turn, end_of_message;
  const std::pair<const char*, std::optional<TokenId>*> ids[] = {
      {"tokenizer.ggml.bos_token_id", &bos_},
      {"tokenizer.ggml.eos_token_id", &eos_},
      {"tokenizer.ggml.unknown_token_id", &unknown_},
      {"tokenizer.ggml.eot_token_id", &end_of_turn},
      {"tokenizer.ggml.eom_token_id", &end_of_message}};
  for (const auto& [key, id] : ids) {
    if (auto done = read(key, *id); !done) return done.error();
  }
  for (const auto& id : {eos_, end_of_turn, end_of_message}) {
    if (id) ends_[*id] = true;
  }
  return {};
}

void Vocabulary::mark_ends() {
  std::optional<TokenId> end;
  bool harmony_return = false, harmony_call = false;
  for (TokenId id = 0; id < size(); ++id) {
    const std::string_view name = bytes(id);
    const bool control = kinds_[id] == TokenKind::control;
    const bool known =
        std::find(std::begin(kEndNames), std::end(kEndNames), name) != std::end(kEndNames);
    const bool control_known =
        control && std::find(std::begin(kEndControlNames), std::end(kEndControlNames), name) !=
                       std::end(kEndControlNames);
    if (known || control_known) ends_[id] = true;
    special_[id] = control || known || kinds_[id] == TokenKind::unknown ||
                   (kinds_[id] == TokenKind::user_defined && is_markup(name));
    if (name == "<|end|>") end = id;
    harmony_return |= name == "<|return|>";
    harmony_call |= name == "<|call|>";
  }
  if (end && harmony_return && harmony_call) ends_[*end] = false;
}

void Vocabulary::index(bool raw_characters) {
  byte_tokens_.assign(256, std::nullopt);
  for (TokenId id = 0; id < size(); ++id) {
    const std::string_view text = bytes(id);
    if (text.empty()) continue;
    if (special_[id]) {
      specials_.emplace(text, id);
    } else if (kinds_[id] == TokenKind::byte) {
      byte_tokens_[static_cast<unsigned char>(text[0])] = id;
    } else if (!unreachable_[id]) {
      text_.emplace(text, id);
      if (kinds_[id] == TokenKind::user_defined) added_.emplace(text, id);
      if (!raw_characters && text.size() == 1 && kinds_[id] == TokenKind::normal) {
        byte_tokens_[static_cast<unsigned char>(text[0])] = id;
      }
    }
  }
}

std::optional<TokenId> Vocabulary::find_text(std::string_view bytes) const {
  const auto found = text_.find(bytes);
  if (found == text_.end()) return std::nullopt;
  return found->second;
}

std::optional<TokenId> Vocabulary::find_special(std::string_view name) const {
  const auto found = specials_.find(name);
  if (found == specials_.end()) return std::nullopt;
  return found->second;
}

}  // namespace jevons::engine
