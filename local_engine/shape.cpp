// Hyper-parameters: from metadata to ModelShape, with every trap of an architecture as a table row.
#include <array>
#include <cmath>
#include <numbers>
#include <optional>

#include "local_engine/model.h"

namespace jevons::engine {
namespace {

struct Architecture {
  std::string_view name;
  RopeStyle rope = RopeStyle::interleaved;
  QkNorm qk_norm = QkNorm::none;
  RouterScore score = RouterScore::softmax_all;
  bool renormalise = true;
  Activation activation = Activation::swiglu;
  bool yarn_truncates = true;  // correction range rounded to whole dimensions
  bool granite = false;        // four multipliers, and a switch for RoPE
  bool windowed = false;       // every layer of even number has the window
};

constexpr std::array<Architecture, 8> kArchitectures = {{
    {.name = "llama"},
    {.name = "qwen2", .rope = RopeStyle::halves},
    {.name = "qwen3", .rope = RopeStyle::halves, .qk_norm = QkNorm::per_head},
    {.name = "olmoe", .rope = RopeStyle::halves, .qk_norm = QkNorm::whole, .renormalise = false},
    {.name = "qwen3moe", .rope = RopeStyle::halves, .qk_norm = QkNorm::per_head},
    {.name = "gpt-oss",
     .rope = RopeStyle::halves,
     .score = RouterScore::softmax_selected,
     .activation = Activation::clamped_swiglu,
     .yarn_truncates = false,
     .windowed = true},
    {.name = "granite", .granite = true},
    {.name = "granitemoe", .granite = true},
}};

EngineError invalid(std::string message) {
  return {EngineFault::invalid_model, std::move(message)};
}

// Reads keys of one architecture; keeps the first error and then answers zeros.
class Reader {
 public:
  Reader(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  std::uint32_t required(std::string_view key, std::uint64_t low, std::uint64_t high) {
    const std::string full = prefix_ + std::string(key);
    return checked(full, file_.u64(full), low, high);
  }
  std::uint32_t optional(std::string_view key, std::uint64_t fallback, std::uint64_t low,
                         std::uint64_t high) {
    const std::string full = prefix_ + std::string(key);
    if (file_.find(full) == nullptr) return static_cast<std::uint32_t>(fallback);
    return checked(full, file_.u64(full), low, high);
  }
  float real(std::string_view key, double fallback) {
    const std::string full = prefix_ + std::string(key);
    const auto value = file_.f64_or(full, fallback);
    if (!value) return keep(value.error()), 0.0F;
    const auto out = static_cast<float>(*value);
    if (!std::isfinite(out)) keep(invalid(file_.name() + ": " + full + " is not a finite number"));
    return out;
  }
  float positive(std::string_view key, double fallback) {
    const float value = real(key, fallback);
    if (!failed() && value <= 0) {
      keep(invalid(file_.name() + ": " + prefix_ + std::string(key) + " must be above 0"));
    }
    return value;
  }
  bool boolean(std::string_view key, bool fallback) {
    const auto value = file_.boolean_or(prefix_ + std::string(key), fallback);
    if (!value) return keep(value.error()), fallback;
    return *value;
  }
  std::string text(std::string_view key) {
    const auto value = file_.string_or(prefix_ + std::string(key), "");
    if (!value) return keep(value.error()), "";
    return std::string(*value);
  }
  void require(bool holds, const std::string& message) {
    if (!holds) keep(invalid(file_.name() + ": " + message));
  }
  void keep(EngineError error) {
    if (!error_) error_ = std::move(error);
  }
  bool failed() const { return error_.has_value(); }
  const EngineError& error() const { return *error_; }
  const std::string& prefix() const { return prefix_; }

 private:
  std::uint32_t checked(const std::string& key, const EngineResult<std::uint64_t>& value,
                        std::uint64_t low, std::uint64_t high) {
    if (!value) return keep(value.error()), 0;
    if (*value < low || *value > high) {
      keep(invalid(file_.name() + ": " + key + " is " + std::to_string(*value) + ", must be " +
                   std::to_string(low) + " to " + std::to_string(high)));
      return 0;
    }
    return static_cast<std::uint32_t>(*value);
  }

  const GgufFile& file_;
  std::string prefix_;
  std::optional<EngineError> error_;
};

struct Yarn {
  float factor = 1;
  float original_context = 0;
  float low = 0;  // dimensions below keep their frequency, above `high` it is divided by factor
  float high = 0;
};

Yarn read_yarn(Reader& r, const Architecture& arch, const ModelShape& shape, float base,
               std::size_t dims, float factor) {
  Yarn yarn;
  yarn.factor = factor;
  yarn.original_context = static_cast<float>(
      r.optional("rope.scaling.original_context_length", shape.context_trained, 1, 1U << 30U));
  const float fast = r.positive("rope.scaling.yarn_beta_fast", 32);
  const float slow = r.positive("rope.scaling.yarn_beta_slow", 1);
  if (r.failed()) return yarn;
  const auto corrected = [&](float rotations) {
    const float wavelength = rotations * 2 * std::numbers::pi_v<float>;
    return static_cast<float>(dims) * std::log(yarn.original_context / wavelength) /
           (2 * std::log(base));
  };
  yarn.low = corrected(fast);
  yarn.high = corrected(slow);
  if (arch.yarn_truncates) {
    yarn.low = std::floor(yarn.low);
    yarn.high = std::ceil(yarn.high);
  }
  yarn.low = std::max(yarn.low, 0.0F);
  yarn.high = std::min(yarn.high, static_cast<float>(dims - 1));
  return yarn;
}

void read_frequencies(Reader& r, const GgufFile& file, const Architecture& arch,
                      ModelShape& shape) {
  const auto dims = r.optional("rope.dimension_count", shape.head_dim, 2, shape.head_dim);
  const float base = r.positive("rope.freq_base", 10000);
  const std::string scaling = r.text("rope.scaling.type");
  float factor = r.positive("rope.scaling.factor", r.positive("rope.scale_linear", 1));
  r.require(dims % 2 == 0, "an odd number of rotated dimensions");
  r.require(base > 1, r.prefix() + "rope.freq_base must be above 1");
  const bool yarn = scaling == "yarn";
  if (!scaling.empty() && scaling != "none" && scaling != "linear" && !yarn) {
    r.keep({EngineFault::unsupported, file.name() + ": RoPE scaling \"" + scaling +
                                          "\" is not supported (none, linear, yarn)"});
  }
  if (r.failed()) return;
  if (scaling == "none") factor = 1;
  const Yarn range = yarn ? read_yarn(r, arch, shape, base, dims, factor) : Yarn{};
  auto& out = shape.rope.frequencies;
  for (std::uint32_t i = 0; i < dims / 2; ++i) {
    const float plain = std::pow(base, -2.0F * static_cast<float>(i) / static_cast<float>(dims));
    float keep = 0;  // share of the unscaled frequency
    if (yarn) {
      const float width = std::max(0.001F, range.high - range.low);
      keep = 1 - std::clamp((static_cast<float>(i) - range.low) / width, 0.0F, 1.0F);
    }
    out.push_back(plain / factor * (1 - keep) + plain * keep);
  }
  if (yarn) {
    shape.rope.magnitude =
        (1 + 0.1F * std::log(factor)) * r.positive("rope.scaling.attn_factor", 1);
  }
}

// rope_freqs.weight divides each frequency (Llama 3.1's long-context rule, done by the converter).
void apply_factors(Reader& r, const GgufFile& file, ModelShape& shape) {
  const GgufTensor* factors = file.find_tensor("rope_freqs.weight");
  if (factors == nullptr || r.failed()) return;
  const bool fits =
      factors->type == TensorType::f32 && factors->elements() == shape.rope.frequencies.size();
  r.require(fits, "rope_freqs.weight must hold " + std::to_string(shape.rope.frequencies.size()) +
                      " values of type F32");
  if (!fits) return;
  std::vector<float> values(factors->elements());
  decode_row(factors->type, factors->data.data(), values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    r.require(values[i] > 0, "rope_freqs.weight holds a value that is not above 0");
    shape.rope.frequencies[i] /= values[i];
  }
}

void read_experts(Reader& r, const Architecture& arch, ModelShape& shape) {
  shape.router.experts = r.optional("expert_count", 0, 0, 4096);
  if (shape.router.experts > 0) {
    shape.router.used = r.required("expert_used_count", 1, 256);
    r.require(shape.router.used <= shape.router.experts,
              r.prefix() + "expert_used_count is " + std::to_string(shape.router.used) +
                  ", above expert_count " + std::to_string(shape.router.experts));
  }
  shape.router.score = arch.score;
  shape.router.renormalise = arch.renormalise;
  const auto scale = r.real("expert_weights_scale", 1);
  shape.router.scale = scale == 0 ? 1 : scale;
  shape.feed_forward =
      shape.router.experts > 0 ? r.optional("expert_feed_forward_length", 0, 1, 1U << 20U) : 0;
  if (shape.feed_forward == 0) {
    shape.feed_forward = r.required("feed_forward_length", 1, 1U << 20U);
  }
  shape.shared_feed_forward = r.optional("expert_shared_feed_forward_length", 0, 0, 1U << 20U);
}

void read_attention(Reader& r, const Architecture& arch, ModelShape& shape) {
  shape.heads = r.required("attention.head_count", 1, 1024);
  shape.kv_heads = r.optional("attention.head_count_kv", shape.heads, 1, 1024);
  if (r.failed()) return;
  r.require(shape.heads % shape.kv_heads == 0,
            r.prefix() + "attention.head_count " + std::to_string(shape.heads) +
                " is not a multiple of head_count_kv " + std::to_string(shape.kv_heads));
  const std::uint32_t even_share = shape.embedding / shape.heads;
  shape.head_dim = r.optional("attention.key_length", even_share, 2, 1024);
  const auto value_dim = r.optional("attention.value_length", shape.head_dim, 2, 1024);
  r.require(shape.head_dim >= 2, "heads of fewer than 2 dimensions");
  r.require(shape.head_dim == value_dim,
            r.prefix() + "attention.value_length differs from key_length");
  shape.attention_scale = 1.0F / std::sqrt(static_cast<float>(std::max(1U, shape.head_dim)));
  if (arch.windowed) shape.window = r.required("attention.sliding_window", 1, 1U << 30U);
}

void read_granite(Reader& r, ModelShape& shape) {
  shape.embedding_scale = r.real("embedding_scale", 1);
  shape.residual_scale = r.real("residual_scale", 1);
  shape.logit_scale = 1.0F / r.positive("logit_scale", 1);
  const float attention = r.real("attention.scale", 0);
  if (attention != 0) shape.attention_scale = attention;
  if (!r.boolean("rope.scaling.finetuned", true)) shape.rope.style = RopeStyle::none;
}

std::uint32_t vocabulary_of(Reader& r, const GgufFile& file) {
  const GgufTensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) return r.require(false, "token_embd.weight is missing"), 0;
  r.require(embedding->dims[1] >= 1 && embedding->dims[1] <= (1U << 24U),
            "token_embd.weight has an impossible number of rows");
  return static_cast<std::uint32_t>(embedding->dims[1]);
}

}  // namespace

EngineResult<ModelShape> read_shape(const GgufFile& file) {
  const auto name = file.string("general.architecture");
  if (!name) return name.error();
  const Architecture* arch = nullptr;
  for (const Architecture& row : kArchitectures) {
    if (row.name == *name) arch = &row;
  }
  if (arch == nullptr) {
    std::string known;
    for (const Architecture& row : kArchitectures) {
      known += (known.empty() ? "" : ", ") + std::string(row.name);
    }
    return EngineError(EngineFault::unsupported, file.name() + ": architecture \"" +
                                                     std::string(*name) + "\" is not supported (" +
                                                     known + ")");
  }
  Reader r(file, *name);
  ModelShape shape;
  shape.architecture = arch->name;
  if (const auto title = file.string_or("general.name", "")) shape.name = std::string(*title);
  shape.layers = r.required("block_count", 1, 1024);
  shape.embedding = r.required("embedding_length", 1, 1U << 16U);
  shape.context_trained = r.optional("context_length", 4096, 1, 1U << 30U);
  shape.vocabulary = vocabulary_of(r, file);
  shape.rms_epsilon = r.positive("attention.layer_norm_rms_epsilon", 1e-5);
  shape.qk_norm = arch->qk_norm;
  shape.activation = arch->activation;
  shape.rope.style = arch->rope;
  if (!r.failed()) read_attention(r, *arch, shape);
  if (!r.failed()) read_experts(r, *arch, shape);
  if (!r.failed()) read_frequencies(r, file, *arch, shape);
  apply_factors(r, file, shape);
  if (arch->granite && !r.failed()) read_granite(r, shape);
  if (r.failed()) return r.error();
  return shape;
}

}  // namespace jevons::engine
