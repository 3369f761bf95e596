#include "local_engine/synth.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "local_engine/vocabulary.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kRepeatRows = 64;

std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  }
  return hash;
}

float noise(std::uint64_t hash, std::uint64_t index) {
  std::uint64_t x = hash + (index + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBULL;
  x ^= x >> 31U;
  return static_cast<float>(x >> 40U) * 0x1.0p-23F - 1.0F;
}

class Builder {
 public:
  explicit Builder(const SynthSpec& spec) : spec_(spec) {}

  // Values base + scale * noise, encoded row by row.
  void tensor(const std::string& name, TensorType type, std::vector<std::uint64_t> dims, float base,
              float scale) {
    const std::uint64_t columns = dims[0];
    const std::size_t bytes = row_bytes(type, columns);
    const bool repeat = spec_.repeat_rows;
    writer_.add_tensor(name, type, std::move(dims), [=](std::span<std::byte> out) {
      std::vector<float> row(columns);
      const std::uint64_t hash = fnv1a(name);
      for (std::size_t r = 0; r < out.size() / bytes; ++r) {
        if (repeat && r >= kRepeatRows) {
          std::memcpy(out.data() + r * bytes, out.data() + r % kRepeatRows * bytes, bytes);
          continue;
        }
        for (std::uint64_t i = 0; i < columns; ++i) {
          row[i] = base + scale * noise(hash, r * columns + i);
        }
        encode_row(type, row, out.data() + r * bytes);
      }
    });
  }
  void matrix(const std::string& name, TensorType type, std::uint64_t columns, std::uint64_t rows,
              std::uint64_t count = 1) {
    std::vector<std::uint64_t> dims = {columns, rows};
    if (count > 1) dims.push_back(count);
    // Uniform noise of this scale keeps a vector's length.
    tensor(name, type, std::move(dims), 0, std::sqrt(3.0F / static_cast<float>(columns)));
  }
  void norm(const std::string& name, std::uint64_t size) {
    tensor(name, TensorType::f32, {size}, 1, 0.25F);
  }
  void bias(const std::string& name, std::uint64_t size, std::uint64_t count = 1) {
    std::vector<std::uint64_t> dims = {size};
    if (count > 1) dims.push_back(count);
    tensor(name, TensorType::f32, std::move(dims), 0, 0.3F);
  }

  void metadata();
  void tokenizer();
  void attention(const std::string& block);
  void feed_forward(const std::string& block);
  void experts(const std::string& block);
  GgufWriter build();

 private:
  bool is(std::string_view architecture) const { return spec_.architecture == architecture; }

  const SynthSpec& spec_;
  GgufWriter writer_;
};

void Builder::metadata() {
  const std::string p = spec_.architecture + ".";
  writer_.set_string("general.architecture", spec_.architecture);
  writer_.set_string("general.name", spec_.name);
  writer_.set_u32(p + "block_count", spec_.layers);
  writer_.set_u32(p + "context_length", spec_.context);
  writer_.set_u32(p + "embedding_length", spec_.embedding);
  writer_.set_u32(p + "feed_forward_length", spec_.feed_forward);
  writer_.set_u32(p + "attention.head_count", spec_.heads);
  writer_.set_u32(p + "attention.head_count_kv", spec_.kv_heads);
  writer_.set_u32(p + "attention.key_length", spec_.head_dim);
  writer_.set_u32(p + "attention.value_length", spec_.head_dim);
  writer_.set_f32(p + "attention.layer_norm_rms_epsilon", 1e-5F);
  writer_.set_u32(p + "rope.dimension_count", spec_.head_dim);
  writer_.set_f32(p + "rope.freq_base", static_cast<float>(spec_.rope_base));
  writer_.set_u32(p + "vocab_size", spec_.vocabulary);
  if (spec_.experts > 0) {
    writer_.set_u32(p + "expert_count", spec_.experts);
    writer_.set_u32(p + "expert_used_count", spec_.experts_used);
    writer_.set_u32(p + "expert_feed_forward_length", spec_.feed_forward);
  }
  if (spec_.shared_feed_forward > 0) {
    writer_.set_u32(p + "expert_shared_feed_forward_length", spec_.shared_feed_forward);
  }
  if (spec_.window > 0) writer_.set_u32(p + "attention.sliding_window", spec_.window);
  if (spec_.yarn_factor > 0) {
    writer_.set_string(p + "rope.scaling.type", "yarn");
    writer_.set_f32(p + "rope.scaling.factor", static_cast<float>(spec_.yarn_factor));
    writer_.set_u32(p + "rope.scaling.original_context_length", spec_.yarn_context);
  }
  if (is("granite") || is("granitemoe")) {
    writer_.set_f32(p + "embedding_scale", static_cast<float>(spec_.embedding_scale));
    writer_.set_f32(p + "residual_scale", static_cast<float>(spec_.residual_scale));
    writer_.set_f32(p + "attention.scale", static_cast<float>(spec_.attention_scale));
    writer_.set_f32(p + "logit_scale", static_cast<float>(spec_.logit_scale));
  }
  tokenizer();
}

void Builder::tokenizer() {
  if (!spec_.byte_tokenizer) {
    writer_.set_string("tokenizer.ggml.model", "no_vocab");
    return;
  }
  std::vector<std::string> tokens;
  std::vector<std::int32_t> kinds;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(encode_byte_alphabet(std::string(1, static_cast<char>(byte))));
    kinds.push_back(1);
  }
  for (std::uint32_t i = 256; i < spec_.vocabulary; ++i) {
    tokens.push_back(i == 256   ? "<|im_start|>"
                     : i == 257 ? "<|im_end|>"
                                : "<|unused_" + std::to_string(i) + "|>");
    kinds.push_back(3);
  }
  writer_.set_string("tokenizer.ggml.model", "gpt2");
  writer_.set_string("tokenizer.ggml.pre", "gpt-2");
  writer_.set_strings("tokenizer.ggml.tokens", tokens);
  writer_.set_i32s("tokenizer.ggml.token_type", kinds);
  writer_.set_strings("tokenizer.ggml.merges", {});
  writer_.set_u32("tokenizer.ggml.bos_token_id", 256);
  writer_.set_u32("tokenizer.ggml.eos_token_id", 257);
  writer_.set_bool("tokenizer.ggml.add_bos_token", false);
  writer_.set_string(
      "tokenizer.chat_template",
      "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
      "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}");
}

void Builder::attention(const std::string& block) {
  const std::uint64_t q = std::uint64_t{spec_.heads} * spec_.head_dim;
  const std::uint64_t kv = std::uint64_t{spec_.kv_heads} * spec_.head_dim;
  norm(block + "attn_norm.weight", spec_.embedding);
  matrix(block + "attn_q.weight", spec_.matrices, spec_.embedding, q);
  matrix(block + "attn_k.weight", spec_.matrices, spec_.embedding, kv);
  matrix(block + "attn_v.weight", spec_.matrices, spec_.embedding, kv);
  matrix(block + "attn_output.weight", spec_.matrices, q, spec_.embedding);
  if (spec_.biases || is("gpt-oss")) {
    bias(block + "attn_q.bias", q);
    bias(block + "attn_k.bias", kv);
    bias(block + "attn_v.bias", kv);
  }
  if (is("gpt-oss")) {
    bias(block + "attn_output.bias", spec_.embedding);
    tensor(block + "attn_sinks.weight", TensorType::f32, {spec_.heads}, 0, 1);
  }
  if (is("olmoe")) {
    norm(block + "attn_q_norm.weight", q);
    norm(block + "attn_k_norm.weight", kv);
  }
  if (is("qwen3") || is("qwen3moe")) {
    norm(block + "attn_q_norm.weight", spec_.head_dim);
    norm(block + "attn_k_norm.weight", spec_.head_dim);
  }
}

void Builder::experts(const std::string& block) {
  // A router of this size spreads the weights well; noise near zero would make all experts equal.
  tensor(block + "ffn_gate_inp.weight", TensorType::f32, {spec_.embedding, spec_.experts}, 0,
         3 * std::sqrt(3.0F / static_cast<float>(spec_.embedding)));
  const TensorType type = spec_.expert_matrices;
  matrix(block + "ffn_gate_exps.weight", type, spec_.embedding, spec_.feed_forward, spec_.experts);
  matrix(block + "ffn_up_exps.weight", type, spec_.embedding, spec_.feed_forward, spec_.experts);
  matrix(block + "ffn_down_exps.weight", type, spec_.feed_forward, spec_.embedding, spec_.experts);
  if (is("gpt-oss")) {
    bias(block + "ffn_gate_inp.bias", spec_.experts);
    bias(block + "ffn_gate_exps.bias", spec_.feed_forward, spec_.experts);
    bias(block + "ffn_up_exps.bias", spec_.feed_forward, spec_.experts);
    bias(block + "ffn_down_exps.bias", spec_.embedding, spec_.experts);
  }
}

void Builder::feed_forward(const std::string& block) {
  norm(block + (is("gpt-oss") ? "post_attention_norm.weight" : "ffn_norm.weight"), spec_.embedding);
  if (spec_.experts > 0) experts(block);
  if (spec_.experts > 0 && spec_.shared_feed_forward == 0) return;
  const std::string suffix = spec_.experts > 0 ? "_shexp.weight" : ".weight";
  const std::uint64_t width = spec_.experts > 0 ? spec_.shared_feed_forward : spec_.feed_forward;
  matrix(block + "ffn_gate" + suffix, spec_.matrices, spec_.embedding, width);
  matrix(block + "ffn_up" + suffix, spec_.matrices, spec_.embedding, width);
  matrix(block + "ffn_down" + suffix, spec_.matrices, width, spec_.embedding);
}

GgufWriter Builder::build() {
  metadata();
  tensor("token_embd.weight", spec_.embeddings, {spec_.embedding, spec_.vocabulary}, 0, 1);
  for (std::uint32_t i = 0; i < spec_.layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    attention(block);
    feed_forward(block);
  }
  norm("output_norm.weight", spec_.embedding);
  if (!spec_.tied) matrix("output.weight", spec_.output, spec_.embedding, spec_.vocabulary);
  return std::move(writer_);
}

SynthSpec olmoe() {
  SynthSpec s;
  s.architecture = "olmoe";
  s.layers = 16;
  s.embedding = 2048;
  s.heads = s.kv_heads = 16;
  s.head_dim = 128;
  s.vocabulary = 50304;
  s.feed_forward = 1024;
  s.experts = 64;
  s.experts_used = 8;
  s.matrices = s.expert_matrices = s.embeddings = TensorType::q4_k;
  s.output = TensorType::q6_k;
  return s;
}

SynthSpec qwen3_30b() {
  SynthSpec s = olmoe();
  s.architecture = "qwen3moe";
  s.layers = 48;
  s.heads = 32;
  s.kv_heads = 4;
  s.vocabulary = 151936;
  s.feed_forward = 768;
  s.experts = 128;
  s.rope_base = 1e6;
  s.context = 32768;
  return s;
}

SynthSpec gptoss20b() {
  SynthSpec s;
  s.architecture = "gpt-oss";
  s.layers = 24;
  s.embedding = 2880;
  s.heads = 64;
  s.kv_heads = 8;
  s.head_dim = 64;
  s.vocabulary = 201088;
  s.feed_forward = 2880;
  s.experts = 32;
  s.experts_used = 4;
  s.window = 128;
  s.context = 131072;
  s.rope_base = 150000;
  s.yarn_factor = 32;
  s.matrices = s.embeddings = s.output = TensorType::q8_0;
  s.expert_matrices = TensorType::mxfp4;
  return s;
}

SynthSpec granite1b() {
  SynthSpec s;
  s.architecture = "granitemoe";
  s.layers = 24;
  s.embedding = 1024;
  s.heads = 16;
  s.kv_heads = 8;
  s.head_dim = 64;
  s.vocabulary = 49155;
  s.feed_forward = 512;
  s.experts = 32;
  s.experts_used = 8;
  s.tied = true;
  s.matrices = s.expert_matrices = TensorType::q4_k;
  s.embeddings = TensorType::q6_k;
  return s;
}

}  // namespace

float synth_value(std::string_view name, std::uint64_t index) { return noise(fnv1a(name), index); }

GgufWriter synth_model(const SynthSpec& spec) { return Builder(spec).build(); }

EngineResult<SynthSpec> synth_spec(std::string_view shape, std::uint32_t layers) {
  SynthSpec out;
  if (shape == "olmoe") {
    out = olmoe();
  } else if (shape == "qwen3_30b") {
    out = qwen3_30b();
  } else if (shape == "gptoss20b") {
    out = gptoss20b();
  } else if (shape == "granite1b") {
    out = granite1b();
  } else {
    return EngineError(EngineFault::invalid_input,
                       "no synthetic shape \"" + std::string(shape) +
                           "\" (olmoe, qwen3_30b, gptoss20b, granite1b)");
  }
  out.name = std::string(shape) + " (synthetic)";
  if (layers > 0) out.layers = std::min(out.layers, layers);
  out.repeat_rows = true;
  return out;
}

}  // namespace jevons::engine
