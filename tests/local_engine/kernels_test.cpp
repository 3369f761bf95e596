#include "local_engine/kernels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "local_engine/quant.h"

using namespace jevons::engine;

namespace {

constexpr TensorType kTypes[] = {
    TensorType::q4_0, TensorType::q4_1,  TensorType::q8_0, TensorType::q4_k, TensorType::q5_k,
    TensorType::q6_k, TensorType::mxfp4, TensorType::f16,  TensorType::bf16, TensorType::f32};

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> out = {&scalar_kernels()};
  for (const Kernels* set : {avx2_kernels(), avx512_kernels()}) {
    if (set != nullptr) out.push_back(set);
  }
  return out;
}

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

struct QuantisedRows {
  QuantisedRows(const Kernels& kernels, const std::vector<float>& x, std::size_t columns)
      : tokens(x.size() / columns), blocks((columns + 31) / 32) {
    q.resize(tokens * blocks * 32);
    scales.resize(tokens * blocks * 2);
    sums.resize(tokens * blocks * 3);
    rows = {q.data(),
            scales.data(),
            scales.data() + tokens * blocks,
            sums.data(),
            sums.data() + tokens * blocks,
            blocks,
            blocks * 32};
    for (std::size_t t = 0; t < tokens; ++t) {
      kernels.quantize(x.data() + t * columns, columns, rows.from(t));
    }
  }
  double value(std::size_t t, std::size_t k) const {
    return static_cast<double>(scales[t * blocks + k / 32]) * q[t * blocks * 32 + k];
  }
  std::size_t tokens = 0;
  std::size_t blocks = 0;
  std::vector<std::int8_t> q;
  std::vector<float> scales;
  std::vector<std::int32_t> sums;
  Int8Rows rows;
};

struct Case {
  TensorType type = TensorType::f32;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t tokens = 0;
};

// Normalised squared error against f64 sums over the decoded weights.
double matmul_error(const Kernels& kernels, const Case& c) {
  std::vector<float> weights = noise(c.rows * c.columns, 1);
  const std::size_t bytes = row_bytes(c.type, c.columns);
  std::vector<std::byte> file(bytes * c.rows);
  for (std::size_t r = 0; r < c.rows; ++r) {
    const std::span row = std::span(weights).subspan(r * c.columns, c.columns);
    encode_row(c.type, row, file.data() + r * bytes);
    decode_row(c.type, file.data() + r * bytes, row);
  }
  const std::size_t tiles = (c.rows + 15) / 16;
  std::vector<std::byte> packed(packed_bytes(c.type, c.rows, c.columns));
  pack_tiles(c.type, c.rows, c.columns, file.data(), 0, tiles, packed.data());
  const std::size_t stride = round_up(c.columns, 32);
  std::vector<float> x(c.tokens * stride);
  const std::vector<float> values = noise(c.tokens * c.columns, 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    x[i / c.columns * stride + i % c.columns] = values[i];
  }
  const QuantisedRows quantised(kernels, values, c.columns);
  std::vector<float> out(c.tokens * tiles * 16);
  MatmulArgs args;
  args.slice = packed.data();
  args.columns = c.columns;
  args.last = tiles;
  args.int8 = quantised.rows;
  args.floats = {x.data(), stride};
  args.tokens = c.tokens;
  args.out = out.data();
  args.out_stride = tiles * 16;
  kernels.matmul(c.type, args);
  double error = 0;
  double total = 0;
  for (std::size_t i = 0; i < c.tokens * c.rows; ++i) {
    const std::size_t t = i / c.rows;
    const std::size_t r = i % c.rows;
    double sum = 0;
    for (std::size_t k = 0; k < c.columns; ++k) {
      const double input =
          takes_int8(c.type) ? quantised.value(t, k) : static_cast<double>(x[t * stride + k]);
      sum += input * static_cast<double>(weights[r * c.columns + k]);
    }
    const double off = static_cast<double>(out[t * tiles * 16 + r]) - sum;
    error += off * off;
    total += sum * sum;
  }
  return error / total;
}

}  // namespace

TEST_CASE("matrix kernels agree with f64 sums over the decoded weights") {
  for (const Kernels* kernels : all_kernels()) {
    for (const TensorType type : kTypes) {
      for (const std::size_t tokens : {1U, 2U, 3U, 8U, 23U}) {
        CAPTURE(kernels->name);
        CAPTURE(type_info(type).name);
        CAPTURE(tokens);
        CHECK(matmul_error(*kernels, {type, 40, 512, tokens}) < 1e-11);
      }
    }
  }
}

TEST_CASE("rows that do not fill a tile and columns that do not fill a cell") {
  for (const Kernels* kernels : all_kernels()) {
    CAPTURE(kernels->name);
    CHECK(matmul_error(*kernels, {TensorType::f32, 7, 45, 5}) < 1e-11);
    CHECK(matmul_error(*kernels, {TensorType::f16, 17, 33, 1}) < 1e-11);
    CHECK(matmul_error(*kernels, {TensorType::bf16, 1, 1, 9}) < 1e-11);
    CHECK(matmul_error(*kernels, {TensorType::q4_0, 3, 32, 4}) < 1e-11);
    CHECK(matmul_error(*kernels, {TensorType::mxfp4, 33, 96, 17}) < 1e-11);
  }
}

TEST_CASE("extreme weights stay exact: every value at its limit") {
  for (const Kernels* kernels : all_kernels()) {
    CAPTURE(kernels->name);
    std::vector<float> row(64, -1.0F);
    row[0] = 127.0F / 128.0F;
    std::vector<std::byte> file(row_bytes(TensorType::q8_0, 64));
    encode_row(TensorType::q8_0, row, file.data());
    decode_row(TensorType::q8_0, file.data(), row);
    std::vector<std::byte> packed(packed_bytes(TensorType::q8_0, 1, 64));
    pack_tiles(TensorType::q8_0, 1, 64, file.data(), 0, 1, packed.data());
    const std::vector<float> x(64, 1.0F);
    const QuantisedRows quantised(*kernels, x, 64);
    std::vector<float> out(16);
    MatmulArgs args;
    args.slice = packed.data();
    args.columns = 64;
    args.last = 1;
    args.int8 = quantised.rows;
    args.tokens = 1;
    args.out = out.data();
    args.out_stride = 16;
    kernels->matmul(TensorType::q8_0, args);
    double sum = 0;
    for (const float w : row) sum += static_cast<double>(w);
    CHECK(static_cast<double>(out[0]) == doctest::Approx(sum).epsilon(1e-6));
  }
}

TEST_CASE("quantising: within half a step, sums exact, zeros stay zeros") {
  for (const Kernels* kernels : all_kernels()) {
    CAPTURE(kernels->name);
    std::vector<float> x = noise(96, 3);
    std::fill(x.begin() + 32, x.begin() + 64, 0.0F);
    const QuantisedRows rows(*kernels, x, 96);
    for (std::size_t k = 0; k < 96; ++k) {
      CHECK(std::abs(rows.value(0, k) - static_cast<double>(x[k])) <=
            0.5001 * static_cast<double>(rows.scales[k / 32]));
    }
    for (std::size_t b = 0; b < 3; ++b) {
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < 32; ++k) sum += rows.q[32 * b + k];
      CHECK(rows.rows.minus_sum[b] == -sum);
      CHECK(rows.rows.half_sum[2 * b] + rows.rows.half_sum[2 * b + 1] == -sum);
    }
    CHECK(rows.scales[1] == 0.0F);
  }
}

TEST_CASE("norm and gates agree with the formulas, at any length") {
  for (const Kernels* kernels : all_kernels()) {
    for (const std::size_t n : {1U, 15U, 16U, 37U, 576U}) {
      CAPTURE(kernels->name);
      CAPTURE(n);
      const std::vector<float> a = noise(n, 4);
      std::vector<float> b = noise(n, 5);
      for (float& value : b) value *= 9;
      std::vector<float> out(n);
      double squares = 0;
      for (const float v : a) squares += static_cast<double>(v) * static_cast<double>(v);
      const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      kernels->rms_norm(a.data(), b.data(), n, 1e-5F, out.data());
      for (std::size_t i = 0; i < n; ++i) {
        const double want = static_cast<double>(a[i]) * scale * static_cast<double>(b[i]);
        CHECK(static_cast<double>(out[i]) == doctest::Approx(want).epsilon(1e-5));
      }
      kernels->swiglu({b.data(), a.data(), out.data(), n});
      for (std::size_t i = 0; i < n; ++i) {
        const double g = static_cast<double>(b[i]);
        const double want = g / (1 + std::exp(-g)) * static_cast<double>(a[i]);
        CHECK(static_cast<double>(out[i]) == doctest::Approx(want).epsilon(1e-5));
      }
      kernels->clamped_swiglu({b.data(), b.data(), out.data(), n});
      for (std::size_t i = 0; i < n; ++i) {
        const double g = std::min(static_cast<double>(b[i]), 7.0);
        const double u = std::clamp(static_cast<double>(b[i]), -7.0, 7.0);
        const double want = g / (1 + std::exp(-1.702 * g)) * (u + 1);
        CHECK(static_cast<double>(out[i]) == doctest::Approx(want).epsilon(1e-5));
      }
    }
  }
}

namespace {

constexpr std::size_t kDim = 32;
constexpr std::size_t kPositions = 45;

// Keys and values of 48 positions, as floats rounded to f16 and as the cache's blocks.
struct Cache {
  Cache() : keys(noise(kDim * 48, 6)), values(noise(kDim * 48, 7)) {
    k16.resize(keys.size());
    v16.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const std::size_t p = i / kDim;
      k16[p / 16 * 16 * kDim + i % kDim * 16 + p % 16] = f32_to_f16(keys[i]);
      v16[i] = f32_to_f16(values[i]);
      keys[i] = f16_to_f32(f32_to_f16(keys[i]));
      values[i] = f16_to_f32(v16[i]);
    }
    for (std::size_t b = 0; b < 3; ++b) {
      key_blocks.push_back(k16.data() + b * 16 * kDim);
      value_blocks.push_back(v16.data() + b * 16 * kDim);
    }
  }
  std::vector<float> keys;
  std::vector<float> values;
  std::vector<std::uint16_t> k16;
  std::vector<std::uint16_t> v16;
  std::vector<const std::uint16_t*> key_blocks;
  std::vector<const std::uint16_t*> value_blocks;
};

// One head's answer in f64.
std::vector<double> attention_reference(const Cache& cache, const float* q, const AttendArgs& args,
                                        std::size_t head) {
  std::vector<double> out(kDim);
  double total = args.sinks != nullptr ? std::exp(static_cast<double>(args.sinks[head])) : 0;
  for (std::size_t p = args.begin; p < args.end; ++p) {
    double dot = 0;
    for (std::size_t d = 0; d < kDim; ++d) {
      dot += static_cast<double>(q[d]) * static_cast<double>(cache.keys[p * kDim + d]);
    }
    const double weight = std::exp(static_cast<double>(args.scale) * dot);
    total += weight;
    for (std::size_t d = 0; d < kDim; ++d) {
      out[d] += weight * static_cast<double>(cache.values[p * kDim + d]);
    }
  }
  for (double& value : out) value /= total;
  return out;
}

void check_attention(const Kernels& kernels, const Cache& cache, std::size_t heads,
                     std::size_t begin) {
  const float sinks[8] = {0.5F, -1, 2, 0, 1, 3, -2, 0.1F};
  const std::vector<float> q = noise(heads * kDim, 8);
  std::vector<float> scores(heads * 48);
  std::vector<float> out(heads * kDim);
  AttendArgs args;
  args.q = q.data();
  args.heads = heads;
  args.padded_dim = kDim;
  args.keys = cache.key_blocks.data();
  args.values = cache.value_blocks.data();
  args.begin = begin;
  args.end = kPositions;
  args.scale = 0.25F;
  args.sinks = begin == 5 ? sinks : nullptr;
  args.scores = scores.data();
  args.out = out.data();
  kernels.attend(args);
  for (std::size_t h = 0; h < heads; ++h) {
    const auto want = attention_reference(cache, q.data() + h * kDim, args, h);
    for (std::size_t d = 0; d < kDim; ++d) {
      CHECK(std::abs(static_cast<double>(out[h * kDim + d]) - want[d]) < 2e-6);
    }
  }
}

}  // namespace

TEST_CASE("attention: window, sinks, several heads, against f64") {
  const Cache cache;
  for (const Kernels* kernels : all_kernels()) {
    for (const std::size_t heads : {1U, 3U, 4U, 7U, 8U}) {
      for (const std::size_t begin : {0U, 5U, 18U}) {
        CAPTURE(kernels->name);
        CAPTURE(heads);
        CAPTURE(begin);
        check_attention(*kernels, cache, heads, begin);
      }
    }
  }
}

TEST_CASE("softmax helpers") {
  for (const Kernels* kernels : all_kernels()) {
    CAPTURE(kernels->name);
    const std::vector<float> x = noise(100, 9);
    float top = x[0];
    for (const float v : x) top = std::max(top, v);
    CHECK(kernels->max_of(x.data(), x.size()) == top);
    double sum = 0;
    for (const float v : x)
      sum += std::exp((static_cast<double>(v) - static_cast<double>(top)) * 2);
    CHECK(static_cast<double>(kernels->exp_sum(x.data(), x.size(), top, 2)) ==
          doctest::Approx(sum).epsilon(1e-5));
  }
}
