#include "local_engine/spm.h"

#include <algorithm>

#include "local_engine/unicode.h"

namespace jevons::engine {
namespace {

bool comes_later(const SpmScratch::Candidate& a, const SpmScratch::Candidate& b) {
  return a.score != b.score ? a.score < b.score : a.left > b.left;
}

void consider(const Vocabulary& vocabulary, std::string_view text, SpmScratch& scratch,
              std::int32_t left) {
  if (left < 0) return;
  const SpmScratch::Symbol& symbol = scratch.symbols[static_cast<std::size_t>(left)];
  if (symbol.next < 0) return;
  const std::uint32_t size =
      symbol.size + scratch.symbols[static_cast<std::size_t>(symbol.next)].size;
  const auto joined = vocabulary.find_text(text.substr(symbol.begin, size));
  if (!joined) return;
  scratch.heap.push_back({vocabulary.score(*joined), static_cast<std::uint32_t>(left), size});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), comes_later);
}

void emit(const Vocabulary& vocabulary, std::string_view part, std::vector<TokenId>& out) {
  if (const auto token = vocabulary.find_text(part)) return out.push_back(*token);
  for (const char c : part) {
    if (const auto byte = vocabulary.byte_token(static_cast<std::uint8_t>(c))) {
      out.push_back(*byte);
    } else if (vocabulary.unknown()) {
      return out.push_back(*vocabulary.unknown());  // once a character, not once a byte
    }
  }
}

}  // namespace

void spm_merge(const Vocabulary& vocabulary, std::string_view text, SpmScratch& scratch,
               std::vector<TokenId>& out) {
  scratch.symbols.clear();
  scratch.heap.clear();
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t size = next_utf8(text.substr(at)).bytes;
    const auto index = static_cast<std::int32_t>(scratch.symbols.size());
    scratch.symbols.push_back({index - 1, index + 1, static_cast<std::uint32_t>(at), size});
    at += size;
  }
  if (scratch.symbols.empty()) return;
  scratch.symbols.back().next = -1;
  const auto count = static_cast<std::int32_t>(scratch.symbols.size());
  for (std::int32_t i = 0; i + 1 < count; ++i) consider(vocabulary, text, scratch, i);
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), comes_later);
    const SpmScratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    SpmScratch::Symbol& left = scratch.symbols[best.left];
    if (left.size == 0 || left.next < 0) continue;
    SpmScratch::Symbol& right = scratch.symbols[static_cast<std::size_t>(left.next)];
    if (left.size + right.size != best.size) continue;
    left.size = best.size;
    right.size = 0;
    left.next = right.next;
    if (left.next >= 0) {
      scratch.symbols[static_cast<std::size_t>(left.next)].previous =
          static_cast<std::int32_t>(best.left);
    }
    consider(vocabulary, text, scratch, left.previous);
    consider(vocabulary, text, scratch, static_cast<std::int32_t>(best.left));
  }
  for (std::int32_t i = 0; i >= 0;) {
    const SpmScratch::Symbol& symbol = scratch.symbols[static_cast<std::size_t>(i)];
    emit(vocabulary, text.substr(symbol.begin, symbol.size), out);
    i = symbol.next;
  }
}

}  // namespace jevons::engine
