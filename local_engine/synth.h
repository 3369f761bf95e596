// Models made up on the spot: true shapes with noise for weights, to measure speed without a
// download and to test every architecture; and the dense-to-MoE rewriting that must not change what
// a model says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "local_engine/gguf.h"

namespace jevons::engine {

struct SynthSpec {
  std::string architecture = "llama";
  std::string name = "synthetic";
  std::uint32_t layers = 2;
  std::uint32_t embedding = 64;
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t head_dim = 16;
  std::uint32_t vocabulary = 320;
  std::uint32_t feed_forward = 96;  // of a dense layer or an expert
  std::uint32_t experts = 0;
  std::uint32_t experts_used = 0;
  std::uint32_t shared_feed_forward = 0;
  std::uint32_t window = 0;  // gpt-oss
  std::uint32_t context = 4096;
  double rope_base = 10000;
  double yarn_factor = 0;  // 0: no scaling
  std::uint32_t yarn_context = 4096;
  // Granite's multipliers; written where the architecture has them.
  double embedding_scale = 12;
  double residual_scale = 0.22;
  double attention_scale = 0.015625;
  double logit_scale = 6;
  bool tied = false;
  bool biases = false;  // of q, k, v
  TensorType matrices = TensorType::f32;
  TensorType expert_matrices = TensorType::f32;
  TensorType embeddings = TensorType::f32;
  TensorType output = TensorType::f32;
  // A byte-level vocabulary with ChatML's two tokens at 256 and 257; else none at all ("no_vocab").
  bool byte_tokenizer = false;
  // Rows repeat after 64, so that gigabytes are written in seconds. The speed is the same.
  bool repeat_rows = false;
};

// "olmoe", "qwen3_30b", "gptoss20b", "granite1b", with their usual quantisation. `layers` 0 means
// all.
EngineResult<SynthSpec> synth_spec(std::string_view shape, std::uint32_t layers);

GgufWriter synth_model(const SynthSpec& spec);

// Element `index` of tensor `name` before scaling: uniform in [-1, 1), a multiple of 2^-23, and the
// same everywhere, so that reference logits need no stored weights.
float synth_value(std::string_view name, std::uint64_t index);

enum class SplitKind : std::uint8_t {
  slices,  // the feed-forward columns in equal parts, all selected, router zero
  clones,  // whole copies behind a random router, best 2 of them
};

// A dense llama model as Mixtral-style MoE with the same function. `experts` divides the
// feed-forward width for slices, and quantised blocks must not straddle the parts. The file must
// outlive the writer.
EngineResult<GgufWriter> split_dense(const GgufFile& file, SplitKind kind, std::uint32_t experts);

}  // namespace jevons::engine
