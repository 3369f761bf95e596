#include "local_engine/bpe.h"

#include <algorithm>

#include "local_engine/unicode.h"

namespace jevons::engine {
namespace {

constexpr std::uint32_t kNoToken = UINT32_MAX;

std::uint64_t pair_key(std::uint32_t left, std::uint32_t right) {
  return (std::uint64_t{left} << 32) | right;
}

// A heap keeps its greatest on top, so "less" means later: higher rank, then further right.
bool comes_later(const BpeMerger::Scratch::Candidate& a, const BpeMerger::Scratch::Candidate& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
}

}  // namespace

EngineResult<BpeMerger> BpeMerger::from_gguf(const GgufFile& file, const Vocabulary& vocabulary,
                                             bool raw_characters) {
  const auto merges = file.array("tokenizer.ggml.merges");
  if (!merges) return merges.error();
  if ((*merges)->kind != GgufKind::string) {
    return EngineError(EngineFault::invalid_model,
                       file.name() + ": tokenizer.ggml.merges must be strings");
  }
  BpeMerger merger;
  merger.raw_characters_ = raw_characters;
  merger.vocabulary_size_ = static_cast<std::uint32_t>(vocabulary.size());
  const auto id_of = [&](const std::string& bytes) {
    if (const auto id = vocabulary.find_text(bytes)) return *id;
    const auto next = static_cast<std::uint32_t>(vocabulary.size() + merger.intermediates_.size());
    return merger.intermediates_.try_emplace(bytes, next).first->second;
  };
  const auto decoded = [&](std::string_view text) {
    if (!raw_characters) return decode_byte_alphabet(text);
    std::string out(text);
    for (std::size_t at; (at = out.find("\xe2\x96\x81")) != std::string::npos;) {
      out.replace(at, 3, " ");
    }
    return out;
  };
  merger.merges_.reserve((*merges)->count);
  for (std::size_t rank = 0; rank < (*merges)->count; ++rank) {
    const std::string_view text = (*merges)->strings[rank];
    // The separator is the first space that is not the first character of the left part.
    const std::size_t space = text.find(' ', 1);
    if (space == std::string_view::npos || space + 1 >= text.size()) {
      return EngineError(
          EngineFault::invalid_model,
          file.name() + ": merge " + std::to_string(rank) + " is not a pair of parts");
    }
    const std::string left = decoded(text.substr(0, space));
    const std::string right = decoded(text.substr(space + 1));
    const Merge merge{static_cast<std::uint32_t>(rank), id_of(left + right)};
    merger.merges_.emplace(pair_key(id_of(left), id_of(right)), merge);
  }
  return merger;
}

void BpeMerger::start_symbols(const Vocabulary& vocabulary, std::string_view piece,
                              Scratch& scratch) const {
  scratch.symbols.clear();
  for (std::size_t at = 0; at < piece.size();) {
    const std::uint32_t size = raw_characters_ ? next_utf8(piece.substr(at)).bytes : 1;
    const std::string_view part = piece.substr(at, size);
    std::uint32_t id = kNoToken;
    if (raw_characters_) {
      if (const auto found = vocabulary.find_text(part)) {
        id = *found;
      } else if (const auto known = intermediates_.find(std::string(part));
                 known != intermediates_.end()) {
        id = known->second;
      }
    } else if (const auto byte = vocabulary.byte_token(static_cast<std::uint8_t>(part[0]))) {
      id = *byte;
    }
    const auto index = static_cast<std::int32_t>(scratch.symbols.size());
    scratch.symbols.push_back({id, index - 1, index + 1, static_cast<std::uint32_t>(at), size});
    at += size;
  }
  if (!scratch.symbols.empty()) scratch.symbols.back().next = -1;
}

void BpeMerger::consider(Scratch& scratch, std::int32_t left) const {
  if (left < 0) return;
  const Scratch::Symbol& symbol = scratch.symbols[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const std::uint32_t right_id = scratch.symbols[static_cast<std::size_t>(symbol.next)].id;
  const auto found = merges_.find(pair_key(symbol.id, right_id));
  if (found == merges_.end()) return;
  scratch.heap.push_back({found->second.rank, static_cast<std::uint32_t>(left), symbol.id, right_id,
                          found->second.merged});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), comes_later);
}

void BpeMerger::emit(const Vocabulary& vocabulary, std::string_view piece,
                     const Scratch::Symbol& symbol, std::vector<TokenId>& out) const {
  if (symbol.id < vocabulary_size_) return out.push_back(symbol.id);
  for (const char c : piece.substr(symbol.begin, symbol.size)) {
    if (const auto byte = vocabulary.byte_token(static_cast<std::uint8_t>(c))) {
      out.push_back(*byte);
    } else if (vocabulary.unknown()) {
      out.push_back(*vocabulary.unknown());
    }
  }
}

void BpeMerger::merge(const Vocabulary& vocabulary, std::string_view piece, Scratch& scratch,
                      std::vector<TokenId>& out) const {
  start_symbols(vocabulary, piece, scratch);
  scratch.heap.clear();
  const auto count = static_cast<std::int32_t>(scratch.symbols.size());
  for (std::int32_t i = 0; i + 1 < count; ++i) consider(scratch, i);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), comes_later);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Scratch::Symbol& left = scratch.symbols[best.left];
    if (left.size == 0 || left.id != best.left_id || left.next < 0) continue;
    Scratch::Symbol& right = scratch.symbols[static_cast<std::size_t>(left.next)];
    if (right.id != best.right_id) continue;
    left.id = best.merged;
    left.size += right.size;
    right.size = 0;
    left.next = right.next;
    if (left.next >= 0) {
      scratch.symbols[static_cast<std::size_t>(left.next)].previous =
          static_cast<std::int32_t>(best.left);
    }
    consider(scratch, left.previous);
    consider(scratch, static_cast<std::int32_t>(best.left));
  }
  for (std::int32_t i = count > 0 ? 0 : -1; i >= 0;) {
    const Scratch::Symbol& symbol = scratch.symbols[static_cast<std::size_t>(i)];
    emit(vocabulary, piece, symbol, out);
    i = symbol.next;
  }
}

}  // namespace jevons::engine
