#include "local_engine/forward_state.h"

namespace jevons::engine {

void Forward::State::attention(const Layer& layer, std::size_t index) {
  const std::size_t n = rows.size();
  const bool int8 =
      takes_int8(layer.q.type) || takes_int8(layer.k.type) || takes_int8(layer.v.type);
  each_row(n, [&](std::size_t row) { norm_row(row, layer.attention_norm, int8); });
  products.clear();
  products.push_back({&layer.q, 0, &normed, 0, n, q.data(), q_stride});
  products.push_back({&layer.k, 0, &normed, 0, n, k_rows.data(), kv_stride});
  products.push_back({&layer.v, 0, &normed, 0, n, v_rows.data(), kv_stride});
  run_products();
  each_row(n, [&](std::size_t row) { prepare_heads(layer, index, row); });
  pool.run(n * shape.kv_heads, [&](std::size_t i, unsigned thread) {
    attend(layer, index, i / shape.kv_heads, i % shape.kv_heads, thread);
  });
  if (takes_int8(layer.o.type)) {
    each_row(n, [&](std::size_t row) {
      kernels.quantize(mixed.row(row), mixed.columns(), mixed.int8(row));
    });
  }
  products.assign(1, {&layer.o, 0, &mixed, 0, n, delta.data(), delta_stride});
  run_products();
}

namespace {

void add_bias(const std::vector<float>& bias, float* to) {
  for (std::size_t i = 0; i < bias.size(); ++i) to[i] += bias[i];
}

}  // namespace

void Forward::State::rotate(float* head, std::size_t row) const {
  const std::size_t pairs = shape.rope.frequencies.size();
  const float* cosines = rope.data() + row * 2 * pairs;
  const float* sines = cosines + pairs;
  const bool halves = shape.rope.style == RopeStyle::halves;
  const std::size_t step = halves ? 1 : 2;
  const std::size_t apart = halves ? pairs : 1;
  for (std::size_t i = 0; i < pairs; ++i) {
    const float a = head[i * step];
    const float b = head[i * step + apart];
    head[i * step] = a * cosines[i] - b * sines[i];
    head[i * step + apart] = a * sines[i] + b * cosines[i];
  }
}

// Biases, norms and rotation of one row's queries and key; key and value go to the cache.
void Forward::State::prepare_heads(const Layer& layer, std::size_t index, std::size_t row) {
  float* queries = q.data() + row * q_stride;
  float* key = k_rows.data() + row * kv_stride;
  float* value = v_rows.data() + row * kv_stride;
  add_bias(layer.q_bias, queries);
  add_bias(layer.k_bias, key);
  add_bias(layer.v_bias, value);
  const std::size_t dim = shape.head_dim;
  if (shape.qk_norm == QkNorm::whole) {
    kernels.rms_norm(queries, layer.q_norm.data(), shape.heads * dim, shape.rms_epsilon, queries);
    kernels.rms_norm(key, layer.k_norm.data(), shape.kv_heads * dim, shape.rms_epsilon, key);
  }
  const auto finish = [&](float* head, const std::vector<float>& norm) {
    if (shape.qk_norm == QkNorm::per_head) {
      kernels.rms_norm(head, norm.data(), dim, shape.rms_epsilon, head);
    }
    if (shape.rope.style != RopeStyle::none) rotate(head, row);
  };
  for (std::size_t h = 0; h < shape.heads; ++h) finish(queries + h * dim, layer.q_norm);
  const std::uint32_t position = rows[row].position;
  const BlockId block = tables[rows[row].sequence][position / kBlockTokens];
  const std::size_t lane = position % kBlockTokens;
  std::uint16_t halves[1024];  // head_dim is at most that
  for (std::size_t h = 0; h < shape.kv_heads; ++h) {
    finish(key + h * dim, layer.k_norm);
    kernels.store_f16(key + h * dim, dim, halves);
    std::uint16_t* keys = kv.keys(index, block, h);
    for (std::size_t d = 0; d < dim; ++d) keys[d * kBlockTokens + lane] = halves[d];
    kernels.store_f16(value + h * dim, dim, kv.values(index, block, h) + lane * shape.padded_dim());
  }
}

void Forward::State::attend(const Layer& layer, std::size_t index, std::size_t row,
                            std::size_t kv_head, unsigned thread) {
  Scratch& own = scratch[thread];
  const std::size_t group = shape.heads / shape.kv_heads;
  const std::size_t dim = shape.head_dim;
  const std::size_t padded = shape.padded_dim();
  const std::span<const BlockId> table = tables[rows[row].sequence];
  AttendArgs args;
  args.end = rows[row].position + std::size_t{1};
  args.begin = layer.window > 0 && args.end > layer.window ? args.end - layer.window : 0;
  const std::size_t blocks = (args.end + kBlockTokens - 1) / kBlockTokens;
  own.keys.resize(blocks);
  own.values.resize(blocks);
  for (std::size_t b = args.begin / kBlockTokens; b < blocks; ++b) {
    own.keys[b] = kv.keys(index, table[b], kv_head);
    own.values[b] = kv.values(index, table[b], kv_head);
  }
  args.heads = group;
  args.padded_dim = padded;
  args.keys = own.keys.data();
  args.values = own.values.data();
  args.scale = shape.attention_scale;
  if (!layer.sinks.empty()) args.sinks = layer.sinks.data() + kv_head * group;
  args.scores = own.scores.data();
  float* queries = q.data() + row * q_stride + kv_head * group * dim;
  float* out = mixed.row(row) + kv_head * group * dim;
  if (padded == dim) {
    args.q = queries;
    args.out = out;
    kernels.attend(args);
    return;
  }
  for (std::size_t h = 0; h < group; ++h) {
    std::memcpy(own.q_head.data() + h * padded, queries + h * dim, dim * sizeof(float));
  }
  args.q = own.q_head.data();
  args.out = own.out_head.data();
  kernels.attend(args);
  for (std::size_t h = 0; h < group; ++h) {
    std::memcpy(out + h * dim, own.out_head.data() + h * padded, dim * sizeof(float));
  }
}

}  // namespace jevons::engine
