#include "local_engine/forward.h"

#include <sys/mman.h>

#include <cmath>

#include "local_engine/forward_state.h"

namespace jevons::engine {

EngineResult<std::unique_ptr<KvStore>> KvStore::allocate(const ModelShape& shape,
                                                         std::uint32_t blocks) {
  std::unique_ptr<KvStore> out(new KvStore());
  out->blocks_ = blocks;
  out->kv_heads_ = shape.kv_heads;
  out->head_elements_ = std::size_t{shape.padded_dim()} * kBlockTokens;
  out->bytes_ = shape.kv_bytes_per_token() * kBlockTokens * blocks;
  // Pages become real when they are first written: an idle engine holds no KV memory.
  void* at = mmap(nullptr, out->bytes_, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    out->bytes_ = 0;
    return EngineError(EngineFault::io, "cannot map memory for the KV cache");
  }
  out->data_ = static_cast<std::uint16_t*>(at);
  return out;
}

KvStore::~KvStore() {
  if (bytes_ > 0) munmap(data_, bytes_);
}

Activations::Activations(std::size_t rows, std::size_t columns)
    : columns_(columns), stride_(round_up(columns, kCellColumns) + 16) {
  const std::size_t blocks = round_up(columns, kCellColumns) / kCellColumns;
  all_.blocks = blocks;
  all_.stride = blocks * kCellColumns + 64;
  floats_ = Buffer<float>(rows * stride_);
  q_ = Buffer<std::int8_t>(rows * all_.stride);
  scales_ = Buffer<float>(rows * blocks * 2);
  sums_ = Buffer<std::int32_t>(rows * blocks * 3);
  all_.q = q_.data();
  all_.scale = scales_.data();
  all_.scaled_sum = scales_.data() + rows * blocks;
  all_.minus_sum = sums_.data();
  all_.half_sum = sums_.data() + rows * blocks;
}

void Activations::copy_row(std::size_t to, const Activations& source, std::size_t from,
                           bool as_int8) const {
  if (!as_int8) {
    std::memcpy(row(to), source.row(from), stride_ * sizeof(float));
    return;
  }
  const Int8Rows a = all_.from(to);
  const Int8Rows b = source.all_.from(from);
  std::memcpy(a.q, b.q, a.blocks * kCellColumns);
  std::memcpy(a.scale, b.scale, a.blocks * sizeof(float));
  std::memcpy(a.scaled_sum, b.scaled_sum, a.blocks * sizeof(float));
  std::memcpy(a.minus_sum, b.minus_sum, a.blocks * sizeof(std::int32_t));
  std::memcpy(a.half_sum, b.half_sum, 2 * a.blocks * sizeof(std::int32_t));
}

Forward::State::State(const Model& m, const Kernels& k, ThreadPool& p, const KvStore& s,
                      const Limits& l)
    : model(m), shape(m.shape), kernels(k), pool(p), kv(s), limits(l) {
  const std::size_t n = limits.rows;
  const std::size_t pairs = n * std::max(1U, shape.router.used);
  const std::size_t width = std::max(shape.feed_forward, shape.shared_feed_forward);
  const std::size_t q_rows = std::size_t{shape.heads} * shape.head_dim;
  const std::size_t kv_rows = std::size_t{shape.kv_heads} * shape.head_dim;
  x = Activations(n, shape.embedding);
  normed = Activations(n, shape.embedding);
  mixed = Activations(n, q_rows);
  hidden = Activations(pairs, width);
  if (shape.router.experts > 0) gathered = Activations(pairs, shape.embedding);
  q_stride = round_up(q_rows, kTileRows) + 16;
  kv_stride = round_up(kv_rows, kTileRows) + 16;
  q = Buffer<float>(n * q_stride);
  k_rows = Buffer<float>(n * kv_stride);
  v_rows = Buffer<float>(n * kv_stride);
  delta_stride = round_up(shape.embedding, kTileRows) + 16;
  delta = Buffer<float>(pairs * delta_stride);
  router_stride = round_up(std::max(1U, shape.router.experts), kTileRows);
  router_logits = Buffer<float>(n * router_stride);
  rope = Buffer<float>(n * 2 * std::max<std::size_t>(1, shape.rope.frequencies.size()));
  logit_stride = round_up(shape.vocabulary, kTileRows);
  logits = Buffer<float>(limits.logit_rows * logit_stride);
  const std::size_t group = shape.heads / shape.kv_heads;
  scratch.resize(pool.threads());
  for (Scratch& one : scratch) {
    one.scores = Buffer<float>(group * round_up(limits.context, kBlockTokens));
    one.tiles = Buffer<std::byte>(2 * kScratchTiles * model.packer->tile_bytes_max());
    one.gate = Buffer<float>(kGateTokens * kGateStride);
    one.up = Buffer<float>(kGateTokens * kGateStride);
    one.q_head = Buffer<float>(group * shape.padded_dim());
    one.out_head = Buffer<float>(group * shape.padded_dim());
  }
  routes.resize(pairs);
  pair_of.resize(pairs);
  token_of.resize(pairs);
}

Forward::Forward(const Model& model, const Kernels& kernels, ThreadPool& pool, const KvStore& kv,
                 const Limits& limits)
    : state_(std::make_unique<State>(model, kernels, pool, kv, limits)) {}

Forward::~Forward() = default;

void Forward::run(std::span<const BatchRow> rows,
                  std::span<const std::span<const BlockId>> tables) {
  State& s = *state_;
  s.rows = rows;
  s.tables = tables;
  s.embed();
  s.prepare_rope();
  for (std::size_t i = 0; i < s.model.layers.size(); ++i) {
    s.attention(s.model.layers[i], i);
    s.feed_forward(s.model.layers[i]);
  }
  s.output();
}

std::span<float> Forward::logits(std::size_t i) {
  return {state_->logits.data() + i * state_->logit_stride, state_->shape.vocabulary};
}

bool Forward::pack_ahead() { return state_->model.packer->pack_next(state_->pool) > 0; }

std::uint64_t Forward::expert_visits() const { return state_->expert_visits; }

void Forward::State::embed() {
  const GgufTensor& table = model.embedding;
  const std::size_t bytes = row_bytes(table.type, shape.embedding);
  each_row(rows.size(), [&](std::size_t i) {
    const std::span<float> out(x.row(i), shape.embedding);
    decode_row(table.type, table.data.data() + rows[i].token * bytes, out);
    if (shape.embedding_scale == 1) return;
    for (float& value : out) value *= shape.embedding_scale;
  });
}

void Forward::State::prepare_rope() {
  const std::vector<float>& frequencies = shape.rope.frequencies;
  each_row(rows.size(), [&](std::size_t i) {
    float* cosines = rope.data() + i * 2 * frequencies.size();
    float* sines = cosines + frequencies.size();
    for (std::size_t j = 0; j < frequencies.size(); ++j) {
      const float angle = static_cast<float>(rows[i].position) * frequencies[j];
      cosines[j] = std::cos(angle) * shape.rope.magnitude;
      sines[j] = std::sin(angle) * shape.rope.magnitude;
    }
  });
}

void Forward::State::norm_row(std::size_t row, const std::vector<float>& weight, bool int8) {
  kernels.rms_norm(x.row(row), weight.data(), shape.embedding, shape.rms_epsilon, normed.row(row));
  if (int8) kernels.quantize(normed.row(row), shape.embedding, normed.int8(row));
}

void Forward::State::add_delta(const std::vector<float>& bias, std::size_t row) {
  float* to = x.row(row);
  kernels.add_scaled(to, delta.data() + row * delta_stride, shape.residual_scale, shape.embedding);
  if (!bias.empty()) kernels.add_scaled(to, bias.data(), shape.residual_scale, shape.embedding);
}

void Forward::State::cut_pieces(std::span<const std::size_t> units,
                                std::span<const double> unit_ns) {
  double total = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    total += static_cast<double>(units[i]) * unit_ns[i];
  }
  // Several pieces a thread level out their speeds; the bounds keep the counter cheap and a thread
  // that loses its core from holding much.
  const double target = std::clamp(total / (6.0 * pool.threads()), 1'000.0, 60'000.0);
  pieces.clear();
  for (std::size_t i = 0; i < units.size(); ++i) {
    const auto step = std::max<std::size_t>(1, static_cast<std::size_t>(target / unit_ns[i]));
    for (std::size_t first = 0; first < units[i]; first += step) {
      const std::size_t last = std::min(units[i], first + step);
      pieces.push_back({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(first),
                        static_cast<std::uint32_t>(last)});
    }
  }
}

double Forward::State::tile_ns(const Matrix& matrix, std::size_t tokens) {
  // Whichever is slower: reading the weights or multiplying.
  constexpr double kBytesPerNs = 40;
  const double macs_per_ns = takes_int8(matrix.type) ? 150 : 40;
  const auto bytes = static_cast<double>(packed_tile_bytes(matrix.type, matrix.columns));
  const auto macs = static_cast<double>(kTileRows * matrix.columns * tokens);
  return std::max(bytes / kBytesPerNs, macs / macs_per_ns);
}

void Forward::State::run_products() {
  unit_counts.clear();
  unit_costs.clear();
  for (const Product& product : products) {
    unit_counts.push_back(product.matrix->tiles());
    unit_costs.push_back(tile_ns(*product.matrix, product.tokens));
  }
  cut_pieces(unit_counts, unit_costs);
  visit_products();
  pool.run(pieces.size(), [&](std::size_t i, unsigned thread) { run_piece(pieces[i], thread); });
}

void Forward::State::visit_products() {
  if (model.packer->finished()) return;
  for (const Product& product : products) model.packer->visit(*product.matrix, product.slice);
  model.packer->pack_due(pool);
}

void Forward::State::run_piece(const Piece& piece, unsigned thread) {
  const Product& product = products[piece.product];
  const Matrix& matrix = *product.matrix;
  const std::size_t step =
      matrix.is_packed(product.slice) ? piece.last - piece.first : kScratchTiles;
  MatmulArgs args;
  args.columns = matrix.columns;
  args.int8 = product.in->int8(product.in_row);
  args.floats = product.in->float_rows(product.in_row);
  args.tokens = product.tokens;
  args.out_stride = product.out_stride;
  for (std::size_t first = piece.first; first < piece.last; first += step) {
    const std::size_t last = std::min<std::size_t>(piece.last, first + step);
    args.slice = tiles_at(matrix, product.slice, first, last, scratch[thread].tiles.data());
    args.last = last - first;
    args.out = product.out + first * kTileRows;
    kernels.matmul(matrix.type, args);
  }
}

void Forward::State::output() {
  logit_rows.clear();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].wants_logits) logit_rows.push_back(static_cast<std::uint32_t>(i));
  }
  if (logit_rows.empty()) return;
  const bool int8 = takes_int8(model.output.type);
  for (std::size_t i = 0; i < logit_rows.size(); ++i) {
    kernels.rms_norm(x.row(logit_rows[i]), model.output_norm.data(), shape.embedding,
                     shape.rms_epsilon, normed.row(i));
    if (int8) kernels.quantize(normed.row(i), shape.embedding, normed.int8(i));
  }
  products.assign(1,
                  {&model.output, 0, &normed, 0, logit_rows.size(), logits.data(), logit_stride});
  run_products();
  if (shape.logit_scale == 1) return;
  for (std::size_t i = 0; i < logit_rows.size(); ++i) {
    float* row = logits.data() + i * logit_stride;
    for (std::size_t j = 0; j < shape.vocabulary; ++j) row[j] *= shape.logit_scale;
  }
}

}  // namespace jevons::engine
