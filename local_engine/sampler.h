// From logits to a token: penalties, bias, mask, then greedy choice or a seeded draw.
// Deterministic: the same logits, parameters, seed and position give the same token.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "local_engine/engine.h"
#include "local_engine/kernels.h"
#include "local_engine/kv_cache.h"

namespace jevons::engine {

struct Sampled {
  Token token = 0;
  float logprob = 0;                         // filled where Sampling::logprobs is set
  std::vector<std::pair<Token, float>> top;  // likeliest first
};

class Sampler {
 public:
  // `prompt` counts for the repetition penalty only.
  Sampler(const Sampling& parameters, std::uint64_t seed, std::span<const Token> prompt,
          const Kernels& kernels);

  // Changes `logits`. `allowed` has a bit for every token that the grammar permits; empty for no
  // grammar. At least one token must be allowed. `index` counts the answer's tokens from 0.
  Sampled sample(std::span<float> logits, std::span<const std::uint64_t> allowed,
                 std::uint32_t index);
  // The token became part of the answer.
  void accept(Token token) { ++counts_[token]; }

 private:
  struct Candidate {
    float logit = 0;
    Token token = 0;
  };
  void penalise(std::span<float> logits) const;
  Token choose(std::span<const float> logits, std::uint32_t index);
  void gather(std::span<const float> logits, float top);
  void cut();
  void describe(std::span<const float> logits, Sampled& out) const;

  Sampling parameters_;
  std::uint64_t seed_ = 0;
  const Kernels* kernels_ = nullptr;
  std::unordered_map<Token, std::uint32_t> counts_;  // of the answer
  std::unordered_map<Token, bool> seen_;             // of the prompt
  std::vector<Candidate> candidates_;
  std::vector<float> raw_;
};

}  // namespace jevons::engine
