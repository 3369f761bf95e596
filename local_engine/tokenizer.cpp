#include "local_engine/tokenizer.h"

#include <algorithm>
#include <array>
#include <functional>

#include "local_engine/unicode.h"

namespace jevons::engine {

// Finds the longest token of a set at a position: per first byte the lengths that occur, longest
// first, so thousands of <unused123> tokens cost a few hash look-ups.
class Tokenizer::AddedTokens {
 public:
  explicit AddedTokens(const std::unordered_map<std::string_view, TokenId>& tokens)
      : tokens_(&tokens) {
    for (const auto& [text, id] : tokens) {
      auto& lengths = lengths_[static_cast<unsigned char>(text.front())];
      if (std::find(lengths.begin(), lengths.end(), text.size()) == lengths.end()) {
        lengths.push_back(text.size());
      }
    }
    for (auto& lengths : lengths_) std::sort(lengths.begin(), lengths.end(), std::greater<>());
  }

  bool empty() const { return tokens_->empty(); }

  // The token that begins `text`, and its length.
  std::optional<std::pair<TokenId, std::size_t>> at_start(std::string_view text) const {
    for (const std::size_t length : lengths_[static_cast<unsigned char>(text.front())]) {
      if (length > text.size()) continue;
      const auto found = tokens_->find(text.substr(0, length));
      if (found != tokens_->end()) return std::pair(found->second, length);
    }
    return std::nullopt;
  }

 private:
  const std::unordered_map<std::string_view, TokenId>* tokens_;
  std::array<std::vector<std::size_t>, 256> lengths_;
};

struct Tokenizer::Scratch {
  Pretokenizer::Scratch split;
  BpeMerger::Scratch bpe;
  SpmScratch spm;
  std::vector<std::uint32_t> ends;
};

Tokenizer::Tokenizer(Vocabulary vocabulary, TokenizerModel model)
    : vocabulary_(std::make_shared<const Vocabulary>(std::move(vocabulary))), model_(model) {
  specials_ = std::make_shared<const AddedTokens>(vocabulary_->specials());
  added_ = std::make_shared<const AddedTokens>(vocabulary_->added());
}

EngineResult<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  const auto model_name = file.string("tokenizer.ggml.model");
  if (!model_name) return model_name.error();
  auto pre_name = file.string_or("tokenizer.ggml.pre", "default");
  if (!pre_name) return pre_name.error();
  if (*model_name == "gemma4") pre_name = "gemma4";
  const bool spm = *model_name == "llama";
  if (!spm && *model_name != "gpt2" && *model_name != "gemma4") {
    return EngineError(EngineFault::unsupported, file.name() + ": the tokenizer model '" +
                                                     std::string(model_name->substr(0, 64)) +
                                                     "' is not supported");
  }
  std::optional<Pretokenizer> pretokenizer;
  if (!spm) {
    auto made = Pretokenizer::named(*pre_name);
    if (!made) {
      return EngineError(made.error().fault(), file.name() + ": " + made.error().message());
    }
    pretokenizer = std::move(*made);
  }
  const bool raw_characters = spm || pretokenizer->raw_characters();
  const TokenizerModel model = spm ? TokenizerModel::spm : TokenizerModel::bpe;
  auto vocabulary = Vocabulary::from_gguf(file, model, raw_characters);
  if (!vocabulary) return vocabulary.error();
  Tokenizer tokenizer(std::move(*vocabulary), model);
  if (!spm) {
    auto merger = BpeMerger::from_gguf(file, *tokenizer.vocabulary_, raw_characters);
    if (!merger) return merger.error();
    tokenizer.merger_ = std::move(*merger);
  }
  tokenizer.pretokenizer_ = std::move(pretokenizer);
  if (auto loaded = tokenizer.load_flags(file); !loaded) return loaded.error();
  return tokenizer;
}

EngineResult<void> Tokenizer::load_flags(const GgufFile& file) {
  const bool spm = model_ == TokenizerModel::spm;
  const auto add_bos =
      file.boolean_or("tokenizer.ggml.add_bos_token", spm || pretokenizer_->add_bos());
  if (!add_bos) return add_bos.error();
  const auto add_eos = file.boolean_or("tokenizer.ggml.add_eos_token", false);
  if (!add_eos) return add_eos.error();
  const auto space_prefix = file.boolean_or("tokenizer.ggml.add_space_prefix", true);
  if (!space_prefix) return space_prefix.error();
  add_bos_ = *add_bos && vocabulary_->bos().has_value();
  add_eos_ = *add_eos && vocabulary_->eos().has_value();
  add_space_prefix_ = spm && *space_prefix;
  return {};
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool trusted) const {
  const TextSegment segment{std::string(text), trusted};
  return encode(std::span(&segment, 1));
}

std::vector<TokenId> Tokenizer::encode(std::span<const TextSegment> segments) const {
  std::string text;
  // For each byte's segment: where the trusted stretch around it ends, 0 if it is not trusted.
  std::vector<std::pair<std::size_t, std::size_t>> stretches;  // end of segment, end of stretch
  for (const TextSegment& segment : segments) {
    text += segment.text;
    stretches.emplace_back(text.size(), segment.trusted ? text.size() : 0);
  }
  for (std::size_t i = stretches.size(); i-- > 1;) {
    const bool joined = stretches[i - 1].second != 0 && stretches[i].second != 0;
    if (joined) stretches[i - 1].second = stretches[i].second;
  }
  std::vector<TokenId> out;
  Scratch scratch;
  const std::string_view all(text);
  std::size_t plain = 0, stretch = 0;
  for (std::size_t at = 0; at < all.size();) {
    while (stretches[stretch].first <= at) ++stretch;
    const std::size_t trusted_end = stretches[stretch].second;
    auto found =
        trusted_end > at ? specials_->at_start(all.substr(at, trusted_end - at)) : std::nullopt;
    if (!found) found = added_->at_start(all.substr(at));
    if (!found) {
      ++at;
      continue;
    }
    encode_plain(all.substr(plain, at - plain), scratch, out);
    out.push_back(found->first);
    plain = at += found->second;
  }
  encode_plain(all.substr(plain), scratch, out);
  return out;
}

std::vector<TokenId> Tokenizer::encode_prompt(std::span<const TextSegment> segments) const {
  std::vector<TokenId> out = encode(segments);
  const bool has_bos = !out.empty() && out.front() == vocabulary_->bos();
  if (add_bos_ && !has_bos) out.insert(out.begin(), *vocabulary_->bos());
  return out;
}

// `text` lies between special tokens, so SPM puts its space before each.
void Tokenizer::encode_plain(std::string_view text, Scratch& scratch,
                             std::vector<TokenId>& out) const {
  if (text.empty()) return;
  if (model_ == TokenizerModel::spm) {
    if (!add_space_prefix_) return spm_merge(*vocabulary_, text, scratch.spm, out);
    return spm_merge(*vocabulary_, " " + std::string(text), scratch.spm, out);
  }
  scratch.ends.clear();
  pretokenizer_->split(text, scratch.split, scratch.ends);
  std::uint32_t begin = 0;
  for (const std::uint32_t end : scratch.ends) {
    const std::string_view piece = text.substr(begin, end - begin);
    begin = end;
    if (pretokenizer_->ignore_merges()) {
      if (const auto whole = vocabulary_->find_text(piece)) {
        out.push_back(*whole);
        continue;
      }
    }
    merger_->merge(*vocabulary_, piece, scratch.bpe, out);
  }
}

std::string Tokenizer::decode(std::span<const TokenId> tokens, bool with_control) const {
  std::string out;
  for (const TokenId token : tokens) {
    if (token >= vocabulary_->size()) continue;
    if (with_control || !vocabulary_->is_control(token)) out += vocabulary_->bytes(token);
  }
  if (add_space_prefix_ && out.starts_with(' ')) out.erase(0, 1);
  return out;
}

std::string Detokenizer::push(TokenId token) {
  if (token >= vocabulary_->size() || vocabulary_->is_control(token)) return {};
  held_ += vocabulary_->bytes(token);
  const std::size_t tail = incomplete_utf8_tail(held_);
  std::string whole = held_.substr(0, held_.size() - tail);
  held_.erase(0, whole.size());
  return replace_invalid_utf8(whole);
}

std::string Detokenizer::finish() {
  const bool unfinished = !held_.empty();
  held_.clear();
  return unfinished ? "\xef\xbf\xbd" : "";
}

}  // namespace jevons::engine
