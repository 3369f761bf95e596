// The trained part of classification: a small word table and a linear map with one expert per kind
// of text, read from a weight file. Immutable after loading; shared by all threads.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "router/classification.h"
#include "router/error.h"
#include "router/features.h"

namespace jevons {

// Order-free inputs first: counts and shares, then the mean of word vectors. Their meaning is
// fixed by the version of the weight file.
inline constexpr std::uint32_t weights_version = 2;
inline constexpr std::size_t dense_inputs = 38;
inline constexpr std::size_t word_dimensions = 100;
inline constexpr std::size_t brain_inputs = dense_inputs + word_dimensions;
static_assert(brain_inputs == trunk_size);
// One block of weights for every text and one more for its kind; each block ends with a constant.
enum class TextKind : std::uint8_t { options, code, math, tools, prose };
inline constexpr std::size_t text_kinds = 5;
inline constexpr std::size_t block_size = brain_inputs + 1;
inline constexpr std::size_t weight_count = block_size * (1 + text_kinds);
// What is predicted: the mean success over models, how much more a strong model succeeds, and the
// log of how long answers are beside what is typical of their task.
inline constexpr std::size_t brain_outputs = 3;

struct WordTable {
  std::vector<std::uint32_t> hashes;  // by falling frequency; the position is the rank
  std::vector<std::int8_t> vectors;   // word_dimensions each, 127 = 1.0; empty where they are
  std::span<const std::int8_t> lent;  // read from bytes that live as long as the program

  // What index() derives.
  struct Rank {
    float log2 = 0;           // of 1 + position
    std::int16_t weight = 0;  // of the word in a mean, 512 = 1: frequent words say little
  };
  std::vector<Rank> ranks;
  std::vector<std::uint16_t> slots;  // open addressing over hashes; 0 free, else position + 1

  void index();  // at most 40,000 words
  std::span<const std::int8_t> all_vectors() const {
    return lent.empty() ? std::span<const std::int8_t>(vectors) : lent;
  }
  // Position of the word with this hash, or -1.
  int find(std::uint32_t hash) const;
};

using BrainInputs = std::array<float, brain_inputs>;
// Inputs before standardisation. Head and tail of long texts stand for their words.
BrainInputs brain_inputs_of(const Features& features, const WordTable& words);
TextKind text_kind_of(const BrainInputs& inputs);

struct BrainWeights {
  WordTable words;
  std::array<float, brain_inputs> mean{}, scale{};  // x -> clamp((x - mean) * scale, -3, 3)
  std::array<std::array<float, weight_count>, brain_outputs> maps{};
  float ease_mean = 0.5f;  // mean success in training: difficulty 0.5 lies here
};

struct BrainAnswer {
  double ease = 0.5;  // predicted success of a model of middling ability, 0..1
  double gain = 0;    // predicted success of a strong model minus that of a weak one
  double length = 0;  // log of answer length / that of its task (router/answer_length.h)
  double seen = 0;    // 0..1: how much of the text the brain knows
  Trunk trunk{};      // the standardised inputs
};

class Brain {
 public:
  // Errors: not a weight file, another version, a wrong hash, a number that is not finite.
  static Result<Brain> load(std::string_view bytes);
  // The same without a copy of the word vectors: `bytes` must live as long as the program.
  static Result<Brain> load_in_place(std::string_view bytes);
  explicit Brain(BrainWeights weights, std::string id = {})
      : weights_(std::move(weights)), id_(std::move(id)) {}

  BrainAnswer ask(const Features& features) const;
  BrainAnswer ask(const BrainInputs& inputs) const;
  const BrainWeights& weights() const { return weights_; }
  // "w2-" and 16 hex digits of the content's hash, stored with each decision.
  const std::string& id() const { return id_; }

 private:
  enum class Vectors : std::uint8_t { copied, lent };
  static Result<Brain> load(std::string_view bytes, Vectors vectors);

  BrainWeights weights_;
  std::string id_;
};

// The bytes of a weight file.
std::string weight_file(const BrainWeights& weights);

// The weights in this binary; null when they cannot be used (why: `builtin_brain_error`), and then
// the static rule classifies.
const Brain* builtin_brain();
std::string_view builtin_brain_error();
// Its bytes as they lie in the program; read whole once, then a word at a time.
std::string_view builtin_weight_file();

}  // namespace jevons
