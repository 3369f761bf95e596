// The forward pass: a batch of tokens of any sequences, through all layers, to logits. One function
// for every architecture; what it does is in the descriptors of model.h. A token's result depends
// on its own sequence only, bit for bit: not on the batch, the chunking or the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "local_engine/kernels.h"
#include "local_engine/kv_cache.h"
#include "local_engine/model.h"
#include "local_engine/status.h"
#include "local_engine/threadpool.h"

namespace jevons::engine {

// The numbers of the KV cache: f16 keys and values of all layers, in blocks of 16 positions. Which
// block holds what is BlockPool's business.
class KvStore {
 public:
  static EngineResult<std::unique_ptr<KvStore>> allocate(const ModelShape& shape,
                                                         std::uint32_t blocks);
  ~KvStore();
  KvStore(const KvStore&) = delete;
  KvStore& operator=(const KvStore&) = delete;

  // [padded_dim][16] of one key-value head.
  std::uint16_t* keys(std::size_t layer, BlockId block, std::size_t head) const {
    return at(2 * layer, block, head);
  }
  // [16][padded_dim].
  std::uint16_t* values(std::size_t layer, BlockId block, std::size_t head) const {
    return at(2 * layer + 1, block, head);
  }

 private:
  KvStore() = default;
  std::uint16_t* at(std::size_t plane, BlockId block, std::size_t head) const {
    return data_ + ((plane * blocks_ + block) * kv_heads_ + head) * head_elements_;
  }

  std::uint16_t* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t blocks_ = 0;
  std::size_t kv_heads_ = 0;
  std::size_t head_elements_ = 0;
};

struct BatchRow {
  Token token = 0;             // below the vocabulary's size
  std::uint32_t position = 0;  // of the token in its sequence
  std::uint32_t sequence = 0;  // index into the block tables
  bool wants_logits = false;
};

class Forward {
 public:
  struct Limits {
    std::uint32_t rows = 512;       // tokens of one run()
    std::uint32_t logit_rows = 16;  // of them with logits
    std::uint32_t context = 4096;   // positions of a sequence
  };
  // All references must outlive the object.
  Forward(const Model& model, const Kernels& kernels, ThreadPool& pool, const KvStore& kv,
          const Limits& limits);
  ~Forward();

  // Rows of one sequence come in order of position, and earlier positions were run before (or in
  // this call). tables[s] holds the blocks of sequence s up to its last row's position.
  void run(std::span<const BatchRow> rows, std::span<const std::span<const BlockId>> tables);
  // Of the i-th row that wanted logits; valid until the next run.
  std::span<float> logits(std::size_t i);
  // Packs one more expert of those that no token has visited yet; false once all are packed. For
  // idle times, on the thread that runs.
  bool pack_ahead();
  // Experts read since the start: each once a layer and run, however many rows visited it.
  std::uint64_t expert_visits() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace jevons::engine
