// A model as data: hyper-parameters, one descriptor a layer, and its packed weights. What differs
// between architectures is a value here; forward.cpp knows no architecture by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "local_engine/gguf.h"
#include "local_engine/pack.h"
#include "local_engine/router.h"
#include "local_engine/status.h"
#include "local_engine/threadpool.h"
#include "local_engine/weight_memory.h"
#include "local_engine/weight_packer.h"

namespace jevons::engine {

enum class RopeStyle : std::uint8_t { none, interleaved, halves };
enum class QkNorm : std::uint8_t { none, whole, per_head };
enum class Activation : std::uint8_t { swiglu, clamped_swiglu };

struct Rope {
  RopeStyle style = RopeStyle::none;
  std::vector<float> frequencies;  // radians per position; its size is half the rotated dimensions
  float magnitude = 1;             // YaRN's scale of both sine and cosine
};

struct ModelShape {
  std::string architecture;
  std::string name;
  std::uint32_t layers = 0;
  std::uint32_t embedding = 0;
  std::uint32_t vocabulary = 0;
  std::uint32_t context_trained = 0;
  std::uint32_t heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t feed_forward = 0;         // of a dense layer or of one expert
  std::uint32_t shared_feed_forward = 0;  // of the expert that every token visits; 0 for none
  float rms_epsilon = 1e-5F;
  float attention_scale = 1;
  float embedding_scale = 1;
  float residual_scale = 1;
  float logit_scale = 1;  // multiplied
  QkNorm qk_norm = QkNorm::none;
  Activation activation = Activation::swiglu;
  std::uint32_t window = 0;  // of the layers that have one
  Rope rope;
  RouterSpec router;  // experts is 0 in a dense model

  std::uint32_t padded_dim() const {
    return static_cast<std::uint32_t>(round_up(head_dim, kTileRows));
  }
  std::size_t kv_bytes_per_token() const {
    return std::size_t{layers} * kv_heads * padded_dim() * 2 * sizeof(std::uint16_t);
  }
};

// The three matrices of a gated feed-forward block, `count` experts of it.
struct FeedForward {
  Matrix gate;
  Matrix up;
  Matrix down;
  std::vector<float> gate_bias;  // [count][rows], empty for none
  std::vector<float> up_bias;
  std::vector<float> down_bias;
};

struct Layer {
  std::vector<float> attention_norm;
  Matrix q;
  Matrix k;
  Matrix v;
  Matrix o;
  std::vector<float> q_bias;
  std::vector<float> k_bias;
  std::vector<float> v_bias;
  std::vector<float> o_bias;
  std::vector<float> q_norm;
  std::vector<float> k_norm;
  std::vector<float> sinks;
  std::uint32_t window = 0;  // attend to this many last positions; 0 for all
  std::vector<float> feed_forward_norm;
  Matrix router;
  std::vector<float> router_bias;
  FeedForward experts;  // the only block of a dense layer
  FeedForward shared;
};

struct LoadOptions {
  // Matrices that every token needs are packed at load up to this sum; the rest, and experts, as
  // they are visited or while the engine is idle (weight_packer.h).
  std::size_t pack_at_load_bytes = std::size_t{256} << 20;
  std::function<void(double, std::string_view)> progress;
};

struct ParameterCount {
  std::uint64_t all = 0;
  std::uint64_t active = 0;  // used for one token
  std::string quantisation;  // the type that holds most of them
};
ParameterCount count_parameters(const GgufFile& file, const ModelShape& shape);

struct Model {
  ModelShape shape;
  std::vector<Layer> layers;
  std::vector<float> output_norm;
  Matrix output;
  GgufTensor embedding;  // rows are decoded one at a time, from the file
  std::shared_ptr<const GgufFile> file;
  WeightMemory memory;
  // Packs what load_model has not; a pointer so that a Model can move. Used by the thread that runs
  // the forward pass alone.
  std::unique_ptr<WeightPacker> packer;
  ParameterCount count;
  // Bytes of the file's weights read for one token of a single sequence.
  std::uint64_t active_bytes = 0;
};

// Hyper-parameters only, checked: everything that forward relies on, and that sizes are sane.
EngineResult<ModelShape> read_shape(const GgufFile& file);

// Checks every tensor against the shape and packs the first of them on the pool's threads. The rest
// is read from the file as long as Model::packer is not finished, so the file must not change.
EngineResult<Model> load_model(std::shared_ptr<const GgufFile> file, ThreadPool& pool,
                               const LoadOptions& options);

}  // namespace jevons::engine
