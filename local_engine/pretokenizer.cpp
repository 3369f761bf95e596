#include "local_engine/pretokenizer.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <mutex>
#include <span>

#include "local_engine/unicode.h"

namespace jevons::engine {

// Patterns are applied in order, each to the pieces the one before left; matches and what lies
// between them both become pieces. Taken from the tokenizer.json files of the models.
struct PretokenizerFamily {
  std::vector<std::string_view> names;
  std::vector<std::string_view> patterns;
  bool ignore_merges = false;
  bool add_bos = false;
  bool raw_characters = false;
};

namespace {

#define CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define WORD R"([^\r\n\p{L}\p{N}]?\p{L}+)"
#define SYMBOLS R"( ?[^\s\p{L}\p{N}]+[\r\n]*)"
#define SPACES R"(\s*[\r\n]+|\s+(?!\S)|\s+)"
#define CASED_WORDS(tail)                                                                \
  R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)" tail \
  R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)" tail

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 = CONTRACTIONS "|" WORD R"(|\p{N}{1,3}|)" SYMBOLS "|" SPACES;
constexpr std::string_view kQwen2 = CONTRACTIONS "|" WORD R"(|\p{N}|)" SYMBOLS "|" SPACES;
constexpr std::string_view kDeepseekMain =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)"
    R"(| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    CASED_WORDS(CONTRACTIONS "?") R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" SPACES;
constexpr std::string_view kBloom =
    R"( ?[^(\s|.,!?\x{2026}\x{3002}\x{FF0C}\x{3001}\x{964}\x{6D4}\x{60C})]+)";
constexpr std::string_view kCjkOfDeepseek =
    R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)";
// Letters with case, as listed by the DeepSeek LLM tokenizer.
constexpr std::string_view kDeepseekLetters =
    R"(\s?[)"
    R"(A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293})"
    R"(\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-)"
    R"(\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-)"
    R"(\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-)"
    R"(\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15}\x{1F18})"
    R"(-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B}\x{1F5D})"
    R"(\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6})"
    R"(-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4})"
    R"(\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124})"
    R"(\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F}\x{2145}-)"
    R"(\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4}\x{2CEB}-\x{2CEE})"
    R"(\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787})"
    R"(\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-)"
    R"(\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB})"
    R"(\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})"
    R"(]+)";

std::vector<PretokenizerFamily> make_families() {
  return {
      // What files without a name were made with.
      {{"default", ""}, {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
      {{"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0",
        "mellum", "modern-bert", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4",
        "jina-v1-en", "jina-v2-code", "roberta-bpe"},
       {kGpt2}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b",
        "mellum2"},
       {R"(\p{N})", kGpt2}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano"},
       {kLlama3},
       true,
       true},
      {{"dbrx", "smaug-bpe", "chatglm-bpe"}, {kLlama3}},
      {{"glm4", "glm5"}, {kLlama3}, true},
      {{"minicpm5"},
       {R"(\p{N}{1,3})", CONTRACTIONS "|" WORD R"(|\p{N}+|)" SYMBOLS "|" SPACES},
       true},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "hunyuan", "solar-open",
        "megrez", "grok-2"},
       {kQwen2}},
      {{"ufakzeka"}, {WORD R"(|\p{N}|)" SYMBOLS "|" SPACES}},
      {{"laguna"}, {R"([^\n]+|[\n]+)", kQwen2}},
      {{"qwen35"},
       {CONTRACTIONS
        R"(|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" SPACES}},
      {{"bailingmoe", "bailingmoe2", "llada-moe"},
       {"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|" WORD R"(|\p{N}|)" SYMBOLS
        R"(|\s*[\r\n]|\s+(?!\S)|\s+)"}},
      {{"seed-coder"}, {CONTRACTIONS "|" WORD R"(|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|)" SPACES}},
      {{"tekken"}, {CASED_WORDS("") R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)" SPACES}, true, true},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, {kGpt4o}},
      {{"granite-embed-multi-97m"}, {kGpt4o}, true},
      {{"deepseek-llm"},
       {"[\r\n]", kDeepseekLetters,
        R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)",
        R"(\s+$)", kCjkOfDeepseek, R"(\p{N}+)"}},
      {{"deepseek-coder"}, {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjkOfDeepseek, R"(\p{N})"}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
       {R"(\p{N}{1,3})", R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)",
        kDeepseekMain}},
      {{"falcon"}, {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}},
      {{"bloom", "poro-chat", "gpt3-finnish"}, {kBloom}},
      {{"viking"}, {kBloom, R"(\p{N})"}},
      {{"gemma4", "sarvam-moe"}, {R"([^\n]+|[\n]+)"}, false, false, true},
  };
}

#undef CONTRACTIONS
#undef WORD
#undef SYMBOLS
#undef SPACES
#undef CASED_WORDS

const std::vector<PretokenizerFamily>& families() {
  static const std::vector<PretokenizerFamily> all = make_families();
  return all;
}

// Compiled once a process and shared: models of one family have the same splitter.
std::shared_ptr<const std::vector<Pattern>> compiled(const PretokenizerFamily& family) {
  static std::mutex mutex;
  static std::map<const PretokenizerFamily*, std::shared_ptr<const std::vector<Pattern>>> cache;
  const std::lock_guard lock(mutex);
  auto& entry = cache[&family];
  if (entry == nullptr) {
    entry = std::make_shared<const std::vector<Pattern>>(family.patterns.begin(),
                                                         family.patterns.end());
  }
  return entry;
}

// Appends the ends of the pieces that `pattern` cuts text[begin, end) into.
void cut(const Pattern& pattern, std::span<const char32_t> text, std::uint32_t begin,
         std::vector<Pattern::Choice>& stack, std::vector<std::uint32_t>& cuts) {
  const std::uint32_t offset = begin;
  std::uint32_t gap = 0;  // where the unmatched stretch began
  for (std::uint32_t at = 0; at < text.size();) {
    const std::ptrdiff_t end = pattern.match(text, at, stack);
    if (end < 0) {
      ++at;
      continue;
    }
    if (at > gap) cuts.push_back(offset + at);
    gap = at = static_cast<std::uint32_t>(end);
    cuts.push_back(offset + at);
  }
  if (gap < text.size()) cuts.push_back(offset + static_cast<std::uint32_t>(text.size()));
}

}  // namespace

EngineResult<Pretokenizer> Pretokenizer::named(std::string_view name) {
  for (const PretokenizerFamily& family : families()) {
    if (std::find(family.names.begin(), family.names.end(), name) == family.names.end()) continue;
    Pretokenizer made;
    made.patterns_ = compiled(family);
    made.ignore_merges_ = family.ignore_merges;
    made.add_bos_ = family.add_bos;
    made.raw_characters_ = family.raw_characters;
    return made;
  }
  return EngineError(
      EngineFault::unsupported,
      "the pre-tokenizer '" + std::string(name.substr(0, 64)) + "' is not supported");
}

std::vector<std::string_view> Pretokenizer::names() {
  std::vector<std::string_view> all;
  for (const PretokenizerFamily& family : families()) {
    all.insert(all.end(), family.names.begin(), family.names.end());
  }
  return all;
}

void Pretokenizer::split(std::string_view text, Scratch& scratch,
                         std::vector<std::uint32_t>& ends) const {
  scratch.code_points.clear();
  scratch.offsets.clear();
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char c = next_utf8(text.substr(at));
    scratch.offsets.push_back(static_cast<std::uint32_t>(at));
    scratch.code_points.push_back(c.valid ? c.code_point : U'\uFFFD');
    at += c.bytes;
  }
  scratch.offsets.push_back(static_cast<std::uint32_t>(text.size()));
  const std::span<const char32_t> all(scratch.code_points);
  scratch.cuts.assign(all.empty() ? 0 : 1, static_cast<std::uint32_t>(all.size()));
  for (const Pattern& pattern : *patterns_) {
    scratch.next_cuts.clear();
    std::uint32_t begin = 0;
    for (const std::uint32_t end : scratch.cuts) {
      cut(pattern, all.subspan(begin, end - begin), begin, scratch.stack, scratch.next_cuts);
      begin = end;
    }
    std::swap(scratch.cuts, scratch.next_cuts);
  }
  for (const std::uint32_t end : scratch.cuts) ends.push_back(scratch.offsets[end]);
}

}  // namespace jevons::engine
