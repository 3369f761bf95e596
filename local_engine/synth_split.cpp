// Dense to MoE without a change of function: engine.md T6.
#include <cstring>
#include <functional>

#include "local_engine/synth.h"

namespace jevons::engine {
namespace {

// Copies a tensor unchanged.
void copy(GgufWriter& to, const GgufTensor& tensor) {
  std::vector<std::uint64_t> dims(tensor.dims.begin(), tensor.dims.begin() + tensor.dim_count);
  const auto data = tensor.data;
  to.add_tensor(std::string(tensor.name), tensor.type, dims, [data](std::span<std::byte> out) {
    std::memcpy(out.data(), data.data(), out.size());
  });
}

void clone(GgufWriter& to, const GgufTensor& tensor, const std::string& name,
           std::uint32_t experts) {
  const auto data = tensor.data;
  to.add_tensor(name, tensor.type, {tensor.dims[0], tensor.dims[1], experts},
                [data, experts](std::span<std::byte> out) {
                  for (std::size_t e = 0; e < experts; ++e) {
                    std::memcpy(out.data() + e * data.size(), data.data(), data.size());
                  }
                });
}

// Rows of gate and up: expert e has the e-th part, so the bytes stay as they lie.
void slice_rows(GgufWriter& to, const GgufTensor& tensor, const std::string& name,
                std::uint32_t experts) {
  const auto data = tensor.data;
  to.add_tensor(
      name, tensor.type, {tensor.dims[0], tensor.dims[1] / experts, experts},
      [data](std::span<std::byte> out) { std::memcpy(out.data(), data.data(), out.size()); });
}

// Multiplies a block's scales by `factor`, a power of two, which changes no quantised value.
void scale_blocks(TensorType type, std::span<std::byte> blocks, float factor) {
  const TypeInfo& info = type_info(type);
  const auto halve = [&](std::byte* at) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, at, 2);
    bits = f32_to_f16(f16_to_f32(bits) * factor);
    std::memcpy(at, &bits, 2);
  };
  for (std::size_t at = 0; at < blocks.size(); at += info.block_bytes) {
    halve(blocks.data() + at);
    if (type == TensorType::q4_1) halve(blocks.data() + at + 2);
  }
}

// Columns of down: expert e has the e-th part of every row, times `experts` because its weight will
// be 1 / experts.
void slice_columns(GgufWriter& to, const GgufTensor& tensor, const std::string& name,
                   std::uint32_t experts) {
  const GgufTensor source = tensor;
  to.add_tensor(name, tensor.type, {tensor.dims[0] / experts, tensor.dims[1], experts},
                [source, experts](std::span<std::byte> out) {
                  const std::size_t row = row_bytes(source.type, source.dims[0]);
                  const std::size_t part = row / experts;
                  const std::size_t rows = source.dims[1];
                  for (std::size_t e = 0; e < experts; ++e) {
                    for (std::size_t r = 0; r < rows; ++r) {
                      std::byte* to_row = out.data() + (e * rows + r) * part;
                      std::memcpy(to_row, source.data.data() + r * row + e * part, part);
                    }
                  }
                  if (source.type == TensorType::f32) {
                    for (std::size_t i = 0; i < out.size(); i += 4) {
                      float value = 0;
                      std::memcpy(&value, out.data() + i, 4);
                      value *= static_cast<float>(experts);
                      std::memcpy(out.data() + i, &value, 4);
                    }
                    return;
                  }
                  scale_blocks(source.type, out, static_cast<float>(experts));
                });
}

bool scales_exactly(TensorType type) {
  return type == TensorType::f32 || type == TensorType::q4_0 || type == TensorType::q4_1 ||
         type == TensorType::q8_0;
}

void add_router(GgufWriter& to, const std::string& name, std::uint64_t embedding,
                std::uint32_t experts, bool random) {
  std::vector<float> values(embedding * experts);
  for (std::size_t i = 0; random && i < values.size(); ++i) values[i] = synth_value(name, i);
  to.add_tensor(name, TensorType::f32, {embedding, experts}, std::move(values));
}

EngineError cannot(const GgufFile& file, const std::string& why) {
  return {EngineFault::unsupported, file.name() + ": cannot be split into experts: " + why};
}

}  // namespace

EngineResult<GgufWriter> split_dense(const GgufFile& file, SplitKind kind, std::uint32_t experts) {
  const auto architecture = file.string("general.architecture");
  if (!architecture) return architecture.error();
  if (*architecture != "llama") return cannot(file, "it is not a llama model");
  const bool clones = kind == SplitKind::clones;
  if (experts < 2 || (!clones && (experts & (experts - 1)) != 0)) {
    return cannot(file, "the number of experts must be a power of two");
  }
  GgufWriter out;
  for (const std::string_view key : file.keys()) out.copy_value(std::string(key), *file.find(key));
  const auto width = file.u64("llama.feed_forward_length");
  if (!width) return width.error();
  out.set_u32("llama.expert_count", experts);
  out.set_u32("llama.expert_used_count", clones ? 2 : experts);
  if (!clones) {
    out.set_u32("llama.feed_forward_length", static_cast<std::uint32_t>(*width / experts));
  }
  for (const GgufTensor& tensor : file.tensors()) {
    const std::string name(tensor.name);
    const std::size_t part = name.find("ffn_");
    const bool down = name.find("ffn_down.") != std::string::npos;
    const bool gate = name.find("ffn_gate.") != std::string::npos;
    if (!down && !gate && name.find("ffn_up.") == std::string::npos) {
      copy(out, tensor);
      continue;
    }
    const std::string block = name.substr(0, part);
    const std::string expert_name = block + (down   ? "ffn_down_exps.weight"
                                             : gate ? "ffn_gate_exps.weight"
                                                    : "ffn_up_exps.weight");
    if (gate) add_router(out, block + "ffn_gate_inp.weight", tensor.dims[0], experts, clones);
    if (clones) {
      clone(out, tensor, expert_name, experts);
      continue;
    }
    const std::uint64_t step = std::uint64_t{experts} * type_info(tensor.type).block_elements;
    if (*width % step != 0) return cannot(file, "its width does not divide into whole blocks");
    if (down && !scales_exactly(tensor.type)) return cannot(file, "type of " + name);
    down ? slice_columns(out, tensor, expert_name, experts)
         : slice_rows(out, tensor, expert_name, experts);
  }
  return out;
}

}  // namespace jevons::engine
