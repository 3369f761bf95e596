// Dense = split = clone (engine.md T6): rewriting a dense model into experts leaves its words
// alone.
#include <doctest/doctest.h>

#include <vector>

#include "local_engine/synth.h"
#include "tests/local_engine/conformance.h"
#include "tests/local_engine/model_fixture.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

SynthSpec dense_spec(TensorType type) {
  SynthSpec spec;
  spec.feed_forward = 256;
  spec.matrices = spec.output = type;
  return spec;
}

GgufWriter split(const GgufFile& file, SplitKind kind, std::uint32_t experts) {
  auto out = split_dense(file, kind, experts);
  REQUIRE_MESSAGE(out.has_value(), (out ? "" : out.error().message()));
  return std::move(*out);
}

}  // namespace

TEST_CASE("four slices and eight clones say what the dense model says") {
  for (const TensorType type : {TensorType::f32, TensorType::q8_0, TensorType::q4_0}) {
    CAPTURE(type_info(type).name);
    const GgufWriter dense = synth_model(dense_spec(type));
    const std::vector<std::byte> bytes = dense.bytes();
    const auto file = GgufFile::parse(bytes, "dense.gguf");
    REQUIRE(file.has_value());
    const std::vector<Token> prompt = {3, 1, 4, 1, 5};
    TinyModel plain(dense);
    TinyModel slices(split(*file, SplitKind::slices, 4));
    TinyModel clones(split(*file, SplitKind::clones, 8));
    const std::vector<Token> tokens = reference_tokens(40, 320);
    const std::vector<float> want = plain.logits(tokens, 40);
    // Sums in another order differ in the last bit, which rounding to int8 can enlarge to one step.
    const double gate = type == TensorType::f32 ? 1e-9 : 1e-4;
    CHECK(nmse(slices.logits(tokens, 40), want) < gate);
    CHECK(nmse(clones.logits(tokens, 40), want) < gate);
    CHECK(slices.shape().router.experts == 4);
    CHECK(clones.shape().router.used == 2);
    CHECK(plain.greedy(prompt, 100) == clones.greedy(prompt, 100));
    CHECK(plain.greedy(prompt, 100) == slices.greedy(prompt, 100));
  }
}

TEST_CASE("the order of experts does not matter") {
  SynthSpec spec = reference_spec("olmoe");
  const GgufWriter writer = synth_model(spec);
  const std::vector<std::byte> bytes = writer.bytes();
  const auto file = GgufFile::parse(bytes, "moe.gguf");
  REQUIRE(file.has_value());
  GgufWriter turned;
  for (const auto key : file->keys()) turned.copy_value(std::string(key), *file->find(key));
  for (const GgufTensor& tensor : file->tensors()) {
    std::vector<float> values(tensor.elements());
    decode_row(tensor.type, tensor.data.data(), values);
    const std::string name(tensor.name);
    // Experts are the outermost extent of their tensors and of the router's rows.
    const bool router = name.find("ffn_gate_inp") != std::string::npos;
    if (router || name.find("_exps") != std::string::npos) {
      const std::size_t one = values.size() / spec.experts;
      std::rotate(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(3 * one),
                  values.end());
    }
    turned.add_tensor(name, TensorType::f32,
                      {tensor.dims.begin(), tensor.dims.begin() + tensor.dim_count}, values);
  }
  const std::vector<Token> tokens = reference_tokens(30);
  // All but the order in which the softmax of the router is summed.
  CHECK(nmse(TinyModel(turned).logits(tokens, 30), TinyModel(writer).logits(tokens, 30)) < 1e-9);
}

TEST_CASE("what cannot be split is refused") {
  const std::vector<std::byte> moe = synth_model(reference_spec("olmoe")).bytes();
  const auto other = GgufFile::parse(moe, "olmoe.gguf");
  REQUIRE(other.has_value());
  CHECK(split_dense(*other, SplitKind::slices, 4).error().message() ==
        "olmoe.gguf: cannot be split into experts: it is not a llama model");
  const std::vector<std::byte> narrow = synth_model(reference_spec("llama")).bytes();
  const auto file = GgufFile::parse(narrow, "narrow.gguf");
  REQUIRE(file.has_value());
  CHECK(split_dense(*file, SplitKind::slices, 3).error().message() ==
        "narrow.gguf: cannot be split into experts: the number of experts must be a power of two");
  CHECK(split_dense(*file, SplitKind::slices, 64).error().message() ==
        "narrow.gguf: cannot be split into experts: its width does not divide into whole blocks");
}

TEST_CASE("SmolLM2 as four slices and as clones says the same") {
  const auto path = conformance_folder() / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!have_conformance(path)) return;
  const auto file = GgufFile::open(path.string());
  REQUIRE(file.has_value());
  // "The capital of France is"
  const std::vector<Token> prompt = {504, 3575, 282, 4649, 314};
  const GgufWriter same = copy_of(*file);
  // Later tokens of this text are decided by less than one int8 step: compare what is not.
  const auto want = TinyModel(same).greedy(prompt, 5);
  const auto logits = TinyModel(same).logits(prompt, 5);
  for (const SplitKind kind : {SplitKind::slices, SplitKind::clones}) {
    CHECK(TinyModel(split(*file, kind, 4)).greedy(prompt, 5) == want);
    CHECK(nmse(TinyModel(split(*file, kind, 4)).logits(prompt, 5), logits) < 1e-3);
  }
}
