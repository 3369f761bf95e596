#include "local_engine/forward.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/local_engine/model_fixture.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

const char* const kArchitectures[] = {"llama",    "mixtral", "olmoe",
                                      "qwen3moe", "gpt-oss", "granitemoe"};

std::vector<float> reference_logits(const std::string& name) {
  std::ifstream in(std::string(JEVONS_SOURCE_DIR) + "/tests/local_engine/data/logits_" + name +
                   ".txt");
  std::vector<float> out;
  for (float value = 0; in >> value;) out.push_back(value);
  REQUIRE(out.size() == 24 * 80);
  return out;
}

std::size_t best_of(std::span<const float> row) {
  return static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace

TEST_CASE("logits equal transformers' for every architecture") {
  for (const char* name : kArchitectures) {
    CAPTURE(name);
    const std::vector<float> want = reference_logits(name);
    TinyModel model(synth_model(reference_spec(name)));
    const std::vector<float> got = model.logits(reference_tokens(24), 24);
    REQUIRE(got.size() == want.size());
    // The cache holds f16; everything else is f32.
    CHECK(nmse(got, want) < 1e-6);
    for (std::size_t i = 0; i < 24; ++i) {
      CHECK(best_of(std::span(got).subspan(i * 80, 80)) ==
            best_of(std::span(want).subspan(i * 80, 80)));
    }
  }
}

TEST_CASE("a trap switched off changes the logits: the references can tell") {
  const std::vector<float> oss = reference_logits("gpt-oss");
  const std::vector<Token> tokens = reference_tokens(24);
  SynthSpec no_window = reference_spec("gpt-oss");
  no_window.window = 4096;
  CHECK(nmse(TinyModel(synth_model(no_window)).logits(tokens, 24), oss) > 1e-3);
  SynthSpec no_yarn = reference_spec("gpt-oss");
  no_yarn.yarn_factor = 0;
  CHECK(nmse(TinyModel(synth_model(no_yarn)).logits(tokens, 24), oss) > 1e-3);
  SynthSpec no_scale = reference_spec("granitemoe");
  no_scale.residual_scale = 1;
  CHECK(nmse(TinyModel(synth_model(no_scale)).logits(tokens, 24), reference_logits("granitemoe")) >
        1e-3);
}

TEST_CASE("results do not depend on chunking or threads, bit for bit") {
  const std::vector<Token> tokens = reference_tokens(40);
  for (const char* name : kArchitectures) {
    for (const TensorType type : {TensorType::f32, TensorType::q4_k, TensorType::q8_0}) {
      CAPTURE(name);
      CAPTURE(type_info(type).name);
      const GgufWriter writer = synth_model(quantised_spec(name, type));
      TinyModel model(writer);
      const std::vector<float> whole = model.logits(tokens, 40);
      // All sizes for the format with the most machinery.
      const std::size_t step = type == TensorType::q4_k ? 1 : 6;
      for (std::size_t chunk = 1; chunk <= 17; chunk += step) {
        CAPTURE(chunk);
        CHECK(model.logits(tokens, chunk) == whole);
      }
      CHECK(TinyModel(writer, 1).logits(tokens, 40) == whole);
      CHECK(TinyModel(writer, 4).logits(tokens, 13) == whole);
    }
  }
}

TEST_CASE("instruction sets agree") {
  const std::vector<Token> tokens = reference_tokens(20);
  for (const TensorType type : {TensorType::f32, TensorType::q4_0, TensorType::q6_k}) {
    CAPTURE(type_info(type).name);
    const GgufWriter writer = synth_model(quantised_spec("gpt-oss", type));
    const std::vector<float> plain = TinyModel(writer, 2, scalar_kernels()).logits(tokens, 20);
    for (const Kernels* kernels : {avx2_kernels(), avx512_kernels()}) {
      if (kernels == nullptr) continue;
      CAPTURE(kernels->name);
      // A last-bit difference before rounding to int8 can become one int8 step.
      const double gate = type == TensorType::f32 ? 1e-7 : 1e-3;
      CHECK(nmse(TinyModel(writer, 2, *kernels).logits(tokens, 20), plain) < gate);
    }
  }
}

TEST_CASE("int8 activations stay near the same weights in f32") {
  // The f32 twin holds exactly the decoded weights of the quantised model.
  const std::vector<Token> tokens = reference_tokens(20);
  for (const TensorType type :
       {TensorType::q4_0, TensorType::q4_1, TensorType::q8_0, TensorType::q4_k, TensorType::q5_k,
        TensorType::q6_k, TensorType::mxfp4}) {
    CAPTURE(type_info(type).name);
    const SynthSpec spec = quantised_spec("llama", type);
    const std::vector<std::byte> bytes = synth_model(spec).bytes();
    const auto file = GgufFile::parse(bytes, "quantised.gguf");
    REQUIRE(file.has_value());
    GgufWriter twin;
    for (const auto key : file->keys()) twin.copy_value(std::string(key), *file->find(key));
    for (const GgufTensor& tensor : file->tensors()) {
      std::vector<float> values(tensor.elements());
      decode_row(tensor.type, tensor.data.data(), values);
      twin.add_tensor(std::string(tensor.name), TensorType::f32,
                      {tensor.dims.begin(), tensor.dims.begin() + tensor.dim_count}, values);
    }
    const std::vector<float> exact = TinyModel(twin).logits(tokens, 20);
    CHECK(nmse(TinyModel(synth_model(spec)).logits(tokens, 20), exact) < 5e-4);
  }
}
