#include "local_engine/weight_packer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <span>
#include <vector>

#include "tests/local_engine/model_fixture.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

// Nothing packed at load.
constexpr std::size_t kLazy = 0;

bool same_bytes(const WeightMemory& a, const WeightMemory& b) {
  return a.size() == b.size() && std::equal(a.data(), a.data() + a.size(), b.data());
}

}  // namespace

TEST_CASE("weights in the file, half packed and packed give the same logits, bit for bit") {
  const std::vector<Token> tokens = reference_tokens(20);
  for (const char* name : {"llama", "mixtral", "gpt-oss", "granitemoe"}) {
    for (const TensorType type : {TensorType::f32, TensorType::q4_k, TensorType::q8_0}) {
      CAPTURE(name);
      CAPTURE(type_info(type).name);
      const GgufWriter writer = synth_model(quantised_spec(name, type));
      TinyModel ahead(writer, 2, best_kernels(), 64, kLazy);
      while (ahead.pack_ahead()) {
      }
      CHECK(ahead.model().packer->finished());
      const std::vector<float> want = ahead.logits(tokens, 20);

      // All 20 tokens at their first visit, then again, which packs.
      TinyModel lazy(writer, 2, best_kernels(), 64, kLazy);
      const std::size_t slices = lazy.model().packer->left();
      CHECK(slices > 0);
      CHECK(lazy.logits(tokens, 20) == want);
      CHECK(lazy.model().packer->left() == slices);
      CHECK(lazy.logits(tokens, 20) == want);
      CHECK(lazy.model().packer->left() < slices);
      CHECK(lazy.logits(tokens, 1) == want);
      while (lazy.pack_ahead()) {
      }
      CHECK(same_bytes(lazy.model().memory, ahead.model().memory));

      // Packing ahead between the tokens.
      TinyModel mixed(writer, 3, best_kernels(), 64, kLazy);
      std::vector<float> got;
      for (std::uint32_t i = 0; i < 20; ++i) {
        mixed.pack_ahead();
        const std::vector<float> row = mixed.logits_from(tokens, i, 1);
        got.insert(got.end(), row.begin(), row.end());
      }
      CHECK(got == want);
    }
  }
}

TEST_CASE("a small model is packed at load, but for its experts") {
  TinyModel dense(synth_model(reference_spec("llama")));
  CHECK(dense.model().packer->finished());
  CHECK_FALSE(dense.pack_ahead());
  TinyModel experts(synth_model(reference_spec("mixtral")));
  CHECK(experts.model().packer->left() == 3 * 3 * 8);  // layers, matrices, experts
}

TEST_CASE("a slice is packed by its second visit, once, wherever idle packing has got to") {
  // Three tiles more than pack_next takes at once would need megabytes; one slice a call will do.
  const std::size_t columns = 32;
  const std::size_t rows = 48;
  std::vector<float> values(2 * rows * columns);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  Matrix matrix;
  matrix.type = TensorType::f32;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.count = 2;
  std::vector<std::byte> to(2 * matrix.slice_bytes());
  matrix.data = to.data();
  ThreadPool pool(2);
  WeightPacker packer;
  packer.add(matrix, reinterpret_cast<const std::byte*>(values.data()), to.data(), false);
  CHECK(packer.left() == 2);
  packer.visit(matrix, 1);
  packer.pack_due(pool);
  CHECK(packer.left() == 2);
  CHECK_FALSE(matrix.is_packed(1));
  std::vector<std::byte> scratch(2 * packer.tile_bytes_max());
  const std::byte* early = tiles_at(matrix, 1, 1, 3, scratch.data());
  CHECK(early == scratch.data());
  packer.visit(matrix, 1);
  packer.visit(matrix, 1);  // due already
  packer.pack_due(pool);
  CHECK(packer.left() == 1);
  CHECK(matrix.is_packed(1));
  const std::byte* packed = tiles_at(matrix, 1, 1, 3, nullptr);
  CHECK(packed == to.data() + matrix.slice_bytes() + packer.tile_bytes_max());
  CHECK(std::equal(scratch.begin(), scratch.end(), packed));
  CHECK(packer.pack_next(pool) == matrix.slice_bytes());
  CHECK(packer.finished());
  CHECK(packer.pack_next(pool) == 0);
  packer.visit(matrix, 0);
  packer.pack_due(pool);
  CHECK(packer.left() == 0);
}
