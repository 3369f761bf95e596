// From counts and words to the numbers that the trained map reads.
#include <algorithm>
#include <cmath>

#include "router/brain.h"

namespace jevons {
namespace {

constexpr std::size_t sample_bytes = 2'048;  // of head and of tail
constexpr int rank_of_rare_words = 3'000;
constexpr double weight_unit = 512;

// A third of a decision's instructions are these sums, so the widest registers there are do them.
// Sanitizers cannot run in the function that chooses; clang 14 does not know it for this target.
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#endif
void add_weighted(std::int32_t* __restrict sum, const std::int8_t* __restrict vector,
                  std::int16_t weight) {
  for (std::size_t i = 0; i < word_dimensions; ++i) sum[i] += weight * vector[i];
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// The weighted sum of word vectors: frequent words say little, so they weigh little.
class WordMean {
 public:
  explicit WordMean(const WordTable& table) : table_(table) {}

  void add(std::string_view text) {
    if (text.size() > 2 * sample_bytes) {
      add_sample(text.substr(0, sample_bytes));
      add_sample(text.substr(text.size() - sample_bytes));
    } else {
      add_sample(text);
    }
  }

  void write(BrainInputs& inputs) const {
    const auto words = static_cast<double>(std::max<std::int64_t>(1, words_));
    const auto known = static_cast<double>(std::max<std::int64_t>(1, known_));
    float* extra = inputs.data() + dense_inputs - 4;
    extra[0] = static_cast<float>(static_cast<double>(known_) / words);
    extra[1] = static_cast<float>(log_ranks_ / known / 14.0);
    extra[2] = static_cast<float>(static_cast<double>(rare_) / known);
    extra[3] = static_cast<float>(static_cast<double>(words_ - known_) / words);
    const float scale = weight_ > 0 ? 1.0f / (127.0f * static_cast<float>(weight_)) : 0.0f;
    for (std::size_t i = 0; i < word_dimensions; ++i) {
      inputs[dense_inputs + i] = static_cast<float>(sum_[i]) * scale;
    }
  }

 private:
  void add_sample(std::string_view text) {
    std::size_t at = 0;
    while (at < text.size()) {
      if (!is_letter(text[at])) {
        ++at;
        continue;
      }
      std::uint32_t hash = word_hash_seed;
      const std::size_t from = at;
      for (; at < text.size() && is_letter(text[at]); ++at) {
        hash = word_hash_step(hash, static_cast<unsigned char>(text[at] | 0x20));
      }
      if (at - from >= 2) add_word(hash);
    }
  }

  void add_word(std::uint32_t hash) {
    ++words_;
    const int position = table_.find(hash);
    if (position < 0) return;
    ++known_;
    if (position > rank_of_rare_words) ++rare_;
    const WordTable::Rank& rank = table_.ranks[static_cast<std::size_t>(position)];
    log_ranks_ += static_cast<double>(rank.log2);
    weight_ += rank.weight;
    add_weighted(sum_.data(),
                 table_.all_vectors().data() + static_cast<std::size_t>(position) * word_dimensions,
                 rank.weight);
  }

  const WordTable& table_;
  std::int64_t words_ = 0, known_ = 0, rare_ = 0;
  double log_ranks_ = 0;
  std::int64_t weight_ = 0;
  std::array<std::int32_t, word_dimensions> sum_{};  // 10,000 words of full weight and length fit
};

void write_counts(const Features& features, BrainInputs& inputs) {
  const TextStats& q = features.question;
  const auto number = [](std::int64_t n) { return static_cast<double>(n); };
  const double words = std::max(1.0, number(q.words));
  const double sentences = std::max(1.0, number(q.sentences + q.questions));
  std::size_t next = 0;
  const auto put = [&](double value) { inputs[next++] = static_cast<float>(value); };
  put(std::log2(1 + number(q.words)) / 10);
  put(std::log2(1 + number(q.bytes)) / 14);
  put(number(q.word_letters) / words / 10);
  put(number(q.long_words) / words * 2);
  put(q.share(q.digits) * 5);
  put(std::min(2.0, number(q.numbers) / words * 3));
  put(q.share(q.symbols) * 5);
  put(q.share(q.uppercase) * 5);
  put(std::min(2.0, number(q.latex_marks) / words * 3));
  put(std::min(2.0, number(q.code_marks) / words * 3));
  put(q.fences > 0 ? 1 : 0);
  put(std::min(10.0, number(q.options)) / 10);
  put(q.options >= 3 ? 1 : 0);
  put(q.questions > 0 ? 1 : 0);
  put(std::min(3.0, number(q.questions) / sentences));
  put(std::log2(1 + number(q.lines)) / 6);
  put(std::min(60.0, words / sentences) / 30);
  const double plain = q.share(q.scripts[0]) + q.share(q.digits) + q.share(q.symbols);
  put(plain < 0.5 ? 1 : 0);
  const double scale = std::sqrt(60.0 / std::max(60.0, words)) / 4;
  for (const float cue : q.cues) put(std::min(1.0, static_cast<double>(cue) * scale));
  put(std::min(1.0, static_cast<double>(q.hard) / 3));
  put(std::min(1.0, static_cast<double>(q.easy) / 3));
  put(features.tools > 0 ? 1 : 0);
  put(std::log2(1 + number(features.tools)) / 5);
  put(std::log2(1 + number(features.schema_bytes)) / 14);
}

}  // namespace

void WordTable::index() {
  constexpr std::size_t slots_count = 1u << 16;
  ranks.resize(hashes.size());
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const auto rank = static_cast<double>(i);
    const double weight = 1.0 - 1.0 / (1.0 + rank / 150.0);
    ranks[i] = {.log2 = static_cast<float>(std::log2(1.0 + rank)),
                .weight = static_cast<std::int16_t>(std::max(1.0, weight * weight_unit))};
  }
  slots.assign(slots_count, 0);
  for (std::size_t i = 0; i < hashes.size() && i < 40'000; ++i) {
    std::size_t at = hashes[i] % slots_count;
    while (slots[at] != 0) at = (at + 1) % slots_count;
    slots[at] = static_cast<std::uint16_t>(i + 1);
  }
}

int WordTable::find(std::uint32_t hash) const {
  if (slots.empty()) return -1;
  const std::size_t mask = slots.size() - 1;  // their number is a power of two
  for (std::size_t at = hash & mask; slots[at] != 0; at = (at + 1) & mask) {
    if (hashes[slots[at] - 1u] == hash) return slots[at] - 1;
  }
  return -1;
}

BrainInputs brain_inputs_of(const Features& features, const WordTable& words) {
  BrainInputs inputs{};
  write_counts(features, inputs);
  WordMean mean(words);
  for (std::size_t i = 0; i < features.question_text_count; ++i) {
    mean.add(features.question_texts[i]);
  }
  mean.write(inputs);
  return inputs;
}

TextKind text_kind_of(const BrainInputs& inputs) {
  if (inputs[31] > 0) return TextKind::tools;
  if (inputs[12] > 0) return TextKind::options;
  if (inputs[9] > 0.35f) return TextKind::code;
  if (inputs[8] > 0.05f || inputs[5] > 0.12f) return TextKind::math;
  return TextKind::prose;
}

}  // namespace jevons
