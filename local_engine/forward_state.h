// Buffers and parts of the forward pass; included by the forward_*.cpp files only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "local_engine/forward.h"

namespace jevons::engine {

// 64-byte aligned array, uninitialised pages until touched; contents start as zeros.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    const std::size_t bytes = round_up(std::max<std::size_t>(size, 1) * sizeof(T), 4096);
    void* at = std::aligned_alloc(4096, bytes);
    if (at == nullptr) throw std::bad_alloc();
    std::memset(at, 0, bytes);
    data_.reset(static_cast<T*>(at));
  }
  T* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  void grow(std::size_t size) {
    if (size > size_) *this = Buffer(size);
  }

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t size_ = 0;
};

// Rows of activations: f32 always, int8 beside it where a matrix wants that. Row strides are kept
// off powers of two, which would put all rows into the same few cache sets.
class Activations {
 public:
  Activations() = default;
  Activations(std::size_t rows, std::size_t columns);

  float* row(std::size_t i) const { return floats_.data() + i * stride_; }
  std::size_t stride() const { return stride_; }
  std::size_t columns() const { return columns_; }
  FloatRows float_rows(std::size_t first) const { return {row(first), stride_}; }
  Int8Rows int8(std::size_t row) const { return all_.from(row); }
  // Copies row `from` of `source`, the int8 form only or the floats only.
  void copy_row(std::size_t to, const Activations& source, std::size_t from, bool as_int8) const;

 private:
  std::size_t columns_ = 0;
  std::size_t stride_ = 0;
  Buffer<float> floats_;
  Buffer<std::int8_t> q_;
  Buffer<float> scales_;
  Buffer<std::int32_t> sums_;
  Int8Rows all_;
};

// One matrix product of a region: a slice times `tokens` rows.
struct Product {
  const Matrix* matrix = nullptr;
  std::size_t slice = 0;
  const Activations* in = nullptr;
  std::size_t in_row = 0;
  std::size_t tokens = 0;
  float* out = nullptr;
  std::size_t out_stride = 0;
};

// A share of a region: tiles [first, last) of product `product`.
struct Piece {
  std::uint32_t product = 0;
  std::uint32_t first = 0;
  std::uint32_t last = 0;
};

// Tokens that visit one expert: pairs [first, first + count) of the sorted list.
struct ExpertGroup {
  std::uint32_t expert = 0;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// A thread works on gate and up in blocks of this size, which fit its cache.
inline constexpr std::size_t kGateTokens = 64;
inline constexpr std::size_t kGateRows = 64;
inline constexpr std::size_t kGateStride = kGateRows + 16;
// Tiles that are packed into the cache at a time while their matrix is not.
inline constexpr std::size_t kScratchTiles = kGateRows / kTileRows;

struct Forward::State {
  State(const Model& m, const Kernels& k, ThreadPool& p, const KvStore& s, const Limits& l);

  const Model& model;
  const ModelShape& shape;
  const Kernels& kernels;
  ThreadPool& pool;
  const KvStore& kv;
  Limits limits;

  // Of the batch in flight.
  std::span<const BatchRow> rows;
  std::span<const std::span<const BlockId>> tables;
  std::vector<std::uint32_t> logit_rows;

  Activations x;       // the residual stream (f32 only)
  Activations normed;  // input of q, k, v, of the feed-forward block and of the output matrix
  Activations mixed;   // attention's answer, input of o
  Activations hidden;  // gate * up, input of down; one row a pair
  Activations gathered;
  Buffer<float> q;
  Buffer<float> k_rows;
  Buffer<float> v_rows;
  std::size_t q_stride = 0;
  std::size_t kv_stride = 0;
  Buffer<float> delta;  // what a block adds to the stream; one row a pair
  std::size_t delta_stride = 0;
  Buffer<float> router_logits;
  std::size_t router_stride = 0;
  Buffer<float> rope;  // cos and sin, [row][2][dims / 2]
  Buffer<float> logits;
  std::size_t logit_stride = 0;
  // One a thread.
  struct Scratch {
    Buffer<float> scores;
    Buffer<std::byte> tiles;  // of two matrices
    Buffer<float> gate;
    Buffer<float> up;
    Buffer<float> q_head;
    Buffer<float> out_head;
    std::vector<const std::uint16_t*> keys;
    std::vector<const std::uint16_t*> values;
  };
  std::vector<Scratch> scratch;

  std::vector<Route> routes;            // [row][used]
  std::vector<std::uint32_t> pair_of;   // [row][used] -> index of the sorted pair
  std::vector<std::uint32_t> token_of;  // sorted pair -> row
  std::vector<ExpertGroup> groups;
  std::uint64_t expert_visits = 0;
  std::vector<Product> products;
  std::vector<Piece> pieces;
  std::vector<std::size_t> unit_counts;
  std::vector<double> unit_costs;
  std::vector<std::uint32_t> expert_next;
  std::vector<std::uint32_t> gather_list;

  void embed();
  void prepare_rope();
  // f(row) for all rows, on one thread where there are few.
  template <class F>
  void each_row(std::size_t count, F f) {
    constexpr std::size_t kRows = 4;
    if (count <= kRows) {
      for (std::size_t i = 0; i < count; ++i) f(i);
      return;
    }
    pool.run((count + kRows - 1) / kRows, [&](std::size_t chunk, unsigned) {
      const std::size_t last = std::min(count, (chunk + 1) * kRows);
      for (std::size_t i = chunk * kRows; i < last; ++i) f(i);
    });
  }
  // normed = rms_norm(stream row), quantised where `int8`.
  void norm_row(std::size_t row, const std::vector<float>& weight, bool int8);
  // Runs `products` as one region.
  void run_products();
  void visit_products();
  void run_piece(const Piece& piece, unsigned thread);
  // Fills `pieces` for units of work of equal cost `unit_ns` in each product.
  static double tile_ns(const Matrix& matrix, std::size_t tokens);
  void cut_pieces(std::span<const std::size_t> units, std::span<const double> unit_ns);
  void attention(const Layer& layer, std::size_t index);
  void prepare_heads(const Layer& layer, std::size_t index, std::size_t row);
  void rotate(float* head, std::size_t row) const;
  void attend(const Layer& layer, std::size_t index, std::size_t row, std::size_t kv_head,
              unsigned thread);
  void feed_forward(const Layer& layer);
  // Every row is one pair, all of the only expert.
  void group_all();
  void route(const Layer& layer);
  void group_by_expert();
  void gather(bool as_int8, bool as_floats);
  void run_block(const FeedForward& ff, bool routed);
  void visit_block(const FeedForward& ff);
  void gate_piece(const FeedForward& ff, const Piece& piece, bool routed, unsigned thread);
  void activate(const FeedForward& ff, std::size_t expert, std::size_t pair, std::size_t first,
                std::size_t last, float* gate, float* up);
  void add_delta(const std::vector<float>& bias, std::size_t row);
  void add_experts(const FeedForward& ff, std::size_t row);
  void output();
};

}  // namespace jevons::engine
