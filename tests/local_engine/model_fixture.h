// Tiny models in memory, run through the forward pass, for tests.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "local_engine/forward.h"
#include "local_engine/synth.h"

namespace jevons::engine::testing {

// The same keys and tensors.
inline GgufWriter copy_of(const GgufFile& file) {
  GgufWriter same;
  for (const auto key : file.keys()) same.copy_value(std::string(key), *file.find(key));
  for (const GgufTensor& tensor : file.tensors()) {
    const auto data = tensor.data;
    same.add_tensor(
        std::string(tensor.name), tensor.type,
        {tensor.dims.begin(), tensor.dims.begin() + tensor.dim_count},
        [data](std::span<std::byte> out) { std::copy(data.begin(), data.end(), out.begin()); });
  }
  return same;
}

// A loaded model with one sequence's worth of KV blocks.
class TinyModel {
 public:
  explicit TinyModel(const GgufWriter& writer, unsigned threads = 2,
                     const Kernels& kernels = best_kernels(), std::uint32_t rows = 64,
                     std::size_t pack_at_load_bytes = LoadOptions().pack_at_load_bytes)
      : bytes_(writer.bytes()), pool_(threads) {
    open(kernels, rows, pack_at_load_bytes);
  }

  const ModelShape& shape() const { return model_.shape; }
  const Model& model() const { return model_; }
  bool pack_ahead() { return forward_->pack_ahead(); }
  std::size_t vocabulary() const { return model_.shape.vocabulary; }

  // Logits of every position, computed in chunks of `chunk` tokens.
  std::vector<float> logits(std::span<const Token> tokens, std::size_t chunk) {
    std::vector<float> out;
    for (std::size_t first = 0; first < tokens.size(); first += chunk) {
      const std::vector<float> part =
          logits_from(tokens, first, std::min(chunk, tokens.size() - first));
      out.insert(out.end(), part.begin(), part.end());
    }
    return out;
  }

  // Of the `count` positions from `first` on, those before having been run.
  std::vector<float> logits_from(std::span<const Token> tokens, std::size_t first,
                                 std::size_t count) {
    std::vector<float> out;
    std::vector<BatchRow> rows;
    for (std::size_t i = first; i < first + count; ++i) {
      rows.push_back({tokens[i], static_cast<std::uint32_t>(i), 0, true});
    }
    run(rows);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = forward_->logits(i);
      out.insert(out.end(), row.begin(), row.end());
    }
    return out;
  }

  std::vector<Token> greedy(std::vector<Token> tokens, std::size_t count) {
    const std::size_t prompt = tokens.size();
    std::vector<BatchRow> rows;
    for (std::size_t i = 0; i < prompt; ++i) {
      rows.push_back({tokens[i], static_cast<std::uint32_t>(i), 0, i + 1 == prompt});
    }
    while (tokens.size() < prompt + count) {
      run(rows);
      const auto row = forward_->logits(0);
      const auto best = std::max_element(row.begin(), row.end()) - row.begin();
      rows.assign(1,
                  {static_cast<Token>(best), static_cast<std::uint32_t>(tokens.size()), 0, true});
      tokens.push_back(static_cast<Token>(best));
    }
    tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(prompt));
    return tokens;
  }

 private:
  void open(const Kernels& kernels, std::uint32_t rows, std::size_t pack_at_load_bytes) {
    LoadOptions options;
    options.pack_at_load_bytes = pack_at_load_bytes;
    auto file = GgufFile::parse(bytes_, "tiny.gguf");
    REQUIRE_MESSAGE(file.has_value(), (file ? "" : file.error().message()));
    auto model = load_model(std::make_shared<const GgufFile>(std::move(*file)), pool_, options);
    REQUIRE_MESSAGE(model.has_value(), (model ? "" : model.error().message()));
    model_ = std::move(*model);
    constexpr std::uint32_t kBlocks = 32;
    kv_ = KvStore::allocate(model_.shape, kBlocks).value();
    table_.resize(kBlocks);
    std::iota(table_.rbegin(), table_.rend(), 0U);  // any order of blocks will do
    Forward::Limits limits;
    limits.rows = rows;
    limits.logit_rows = rows;
    limits.context = kBlocks * kBlockTokens;
    forward_ = std::make_unique<Forward>(model_, kernels, pool_, *kv_, limits);
  }
  void run(std::span<const BatchRow> rows) {
    const std::span<const BlockId> table(table_);
    forward_->run(rows, {&table, 1});
  }

  std::vector<std::byte> bytes_;
  ThreadPool pool_;
  Model model_;
  std::unique_ptr<KvStore> kv_;
  std::vector<BlockId> table_;
  std::unique_ptr<Forward> forward_;
};

// Squared difference over squared reference.
inline double nmse(std::span<const float> got, std::span<const float> want) {
  double error = 0;
  double total = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double off = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    error += off * off;
    total += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return error / total;
}

// The shapes of tests/local_engine/make_references.py, by its names.
inline SynthSpec reference_spec(const std::string& name) {
  SynthSpec s;
  s.architecture = name == "mixtral" ? "llama" : name;
  s.layers = 3;
  s.vocabulary = 80;
  if (name == "llama") return s;
  s.feed_forward = 48;
  s.experts = 8;
  s.experts_used = 3;
  if (name == "olmoe") s.kv_heads = 4;
  if (name == "qwen3moe") {
    s.head_dim = 24;
    s.feed_forward = 40;
  }
  if (name == "gpt-oss") {
    s.head_dim = 32;
    s.window = 8;
    s.context = 256;
    s.yarn_factor = 8;
    s.yarn_context = 32;
  }
  if (name == "granitemoe") {
    s.shared_feed_forward = 40;
    s.tied = true;
  }
  return s;
}

// Every matrix quantised; sizes that all formats accept.
inline SynthSpec quantised_spec(const std::string& name, TensorType type) {
  SynthSpec s = reference_spec(name);
  s.embedding = 256;
  s.head_dim = 64;
  s.feed_forward = 256;
  if (s.shared_feed_forward > 0) s.shared_feed_forward = 256;
  s.matrices = s.expert_matrices = s.output = type;
  return s;
}

inline std::vector<Token> reference_tokens(std::size_t count, std::uint32_t vocabulary = 80) {
  std::vector<Token> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(static_cast<Token>((37 * i + 11) % vocabulary));
  }
  return out;
}

}  // namespace jevons::engine::testing
