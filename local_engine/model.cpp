#include "local_engine/model.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

namespace jevons::engine {
namespace {

// A matrix of the model, the tensor it comes from and its place in the packed weights.
struct Plan {
  const GgufTensor* tensor = nullptr;
  Matrix* to = nullptr;
  std::size_t offset = 0;
};

// "4096 x 64 x 8", without trailing ones.
std::string extents(const std::array<std::uint64_t, 4>& dims) {
  std::size_t last = 4;
  while (last > 1 && dims[last - 1] == 1) --last;
  std::string out;
  for (std::size_t i = 0; i < last; ++i) out += (i == 0 ? "" : " x ") + std::to_string(dims[i]);
  return out;
}

// Looks tensors up, checks them against the shape and plans their packing. Keeps the first error.
class Binder {
 public:
  explicit Binder(const GgufFile& file) : file_(file) {}

  void matrix(Matrix& to, const std::string& name, std::uint64_t columns, std::uint64_t rows,
              std::uint64_t count = 1) {
    const GgufTensor* tensor = find(name, {columns, rows, count, 1});
    if (tensor != nullptr) plan(to, *tensor);
  }
  void plan(Matrix& to, const GgufTensor& tensor) {
    to.type = tensor.type;
    to.columns = tensor.dims[0];
    to.rows = tensor.dims[1];
    to.count = tensor.dims[2];
    plans_.push_back({&tensor, &to, bytes_});
    bytes_ += round_up(to.count * to.slice_bytes(), 4096);
  }
  void vector(std::vector<float>& to, const std::string& name, std::uint64_t size,
              std::uint64_t count = 1) {
    const GgufTensor* tensor = find(name, {size, count, 1, 1});
    if (tensor == nullptr) return;
    to.resize(tensor->elements());
    const std::size_t bytes = row_bytes(tensor->type, size);
    for (std::size_t i = 0; i < count; ++i) {
      decode_row(tensor->type, tensor->data.data() + i * bytes,
                 std::span(to).subspan(i * size, size));
    }
  }
  void optional_vector(std::vector<float>& to, const std::string& name, std::uint64_t size,
                       std::uint64_t count = 1) {
    if (file_.find_tensor(name) != nullptr) vector(to, name, size, count);
  }

  bool failed() const { return error_.has_value(); }
  const EngineError& error() const { return *error_; }
  const std::vector<Plan>& plans() const { return plans_; }
  std::size_t bytes() const { return bytes_; }

 private:
  const GgufTensor* find(const std::string& name, const std::array<std::uint64_t, 4>& dims) {
    if (failed()) return nullptr;
    const GgufTensor* tensor = file_.find_tensor(name);
    if (tensor == nullptr) {
      error_ = EngineError(EngineFault::invalid_model,
                           file_.name() + ": tensor " + name + " is missing");
      return nullptr;
    }
    if (tensor->dims != dims) {
      error_ = EngineError(EngineFault::invalid_model, file_.name() + ": tensor " + name + " is " +
                                                           extents(tensor->dims) +
                                                           ", the metadata want " + extents(dims));
      return nullptr;
    }
    return tensor;
  }

  const GgufFile& file_;
  std::optional<EngineError> error_;
  std::vector<Plan> plans_;
  std::size_t bytes_ = 0;
};

void bind_attention(Binder& bind, const ModelShape& shape, const std::string& block, Layer& to) {
  const std::uint64_t q_rows = std::uint64_t{shape.heads} * shape.head_dim;
  const std::uint64_t kv_rows = std::uint64_t{shape.kv_heads} * shape.head_dim;
  bind.vector(to.attention_norm, block + "attn_norm.weight", shape.embedding);
  bind.matrix(to.q, block + "attn_q.weight", shape.embedding, q_rows);
  bind.matrix(to.k, block + "attn_k.weight", shape.embedding, kv_rows);
  bind.matrix(to.v, block + "attn_v.weight", shape.embedding, kv_rows);
  bind.matrix(to.o, block + "attn_output.weight", q_rows, shape.embedding);
  bind.optional_vector(to.q_bias, block + "attn_q.bias", q_rows);
  bind.optional_vector(to.k_bias, block + "attn_k.bias", kv_rows);
  bind.optional_vector(to.v_bias, block + "attn_v.bias", kv_rows);
  bind.optional_vector(to.o_bias, block + "attn_output.bias", shape.embedding);
  bind.optional_vector(to.sinks, block + "attn_sinks.weight", shape.heads);
  if (shape.qk_norm == QkNorm::none) return;
  const bool whole = shape.qk_norm == QkNorm::whole;
  bind.vector(to.q_norm, block + "attn_q_norm.weight", whole ? q_rows : shape.head_dim);
  bind.vector(to.k_norm, block + "attn_k_norm.weight", whole ? kv_rows : shape.head_dim);
}

// `suffix` is "", "_exps" or "_shexp".
void bind_feed_forward(Binder& bind, const std::string& block, const std::string& suffix,
                       std::uint64_t embedding, std::uint64_t width, std::uint64_t count,
                       FeedForward& to) {
  const auto name = [&](const char* part, const char* kind) {
    return block + part + suffix + kind;
  };
  bind.matrix(to.gate, name("ffn_gate", ".weight"), embedding, width, count);
  bind.matrix(to.up, name("ffn_up", ".weight"), embedding, width, count);
  bind.matrix(to.down, name("ffn_down", ".weight"), width, embedding, count);
  bind.optional_vector(to.gate_bias, name("ffn_gate", ".bias"), width, count);
  bind.optional_vector(to.up_bias, name("ffn_up", ".bias"), width, count);
  bind.optional_vector(to.down_bias, name("ffn_down", ".bias"), embedding, count);
}

void bind_layer(Binder& bind, const GgufFile& file, const ModelShape& shape, std::uint32_t index,
                Layer& to) {
  const std::string block = "blk." + std::to_string(index) + ".";
  bind_attention(bind, shape, block, to);
  if (shape.window > 0 && index % 2 == 0) to.window = shape.window;
  const bool post = file.find_tensor(block + "ffn_norm.weight") == nullptr;
  bind.vector(to.feed_forward_norm,
              block + (post ? "post_attention_norm.weight" : "ffn_norm.weight"), shape.embedding);
  if (shape.router.experts == 0) {
    bind_feed_forward(bind, block, "", shape.embedding, shape.feed_forward, 1, to.experts);
    return;
  }
  bind.matrix(to.router, block + "ffn_gate_inp.weight", shape.embedding, shape.router.experts);
  bind.optional_vector(to.router_bias, block + "ffn_gate_inp.bias", shape.router.experts);
  bind_feed_forward(bind, block, "_exps", shape.embedding, shape.feed_forward, shape.router.experts,
                    to.experts);
  if (shape.shared_feed_forward > 0) {
    bind_feed_forward(bind, block, "_shexp", shape.embedding, shape.shared_feed_forward, 1,
                      to.shared);
  }
}

// Gives every matrix its place and leaves it to the packer: first those that every token needs, of
// which the packer works off some at once.
EngineResult<void> plan_packing(const Binder& bind, ThreadPool& pool, const LoadOptions& options,
                                Model& model) {
  auto memory = WeightMemory::allocate(bind.bytes());
  if (!memory) return memory.error();
  model.memory = std::move(*memory);
  model.packer = std::make_unique<WeightPacker>();
  std::size_t whole = 0;
  for (const bool experts : {false, true}) {
    for (const Plan& plan : bind.plans()) {
      Matrix& matrix = *plan.to;
      if ((matrix.count > 1) != experts) continue;
      std::byte* to = model.memory.data() + plan.offset;
      matrix.data = to;
      model.packer->add(matrix, plan.tensor->data.data(), to, model.file->is_mapped());
      if (!experts) whole += matrix.tiles() * packed_tile_bytes(matrix.type, matrix.columns);
    }
  }
  const std::size_t wanted = std::min(whole, options.pack_at_load_bytes);
  for (std::size_t done = 0; done < wanted;) {
    done += model.packer->pack_next(pool);
    if (options.progress) {
      const double share = static_cast<double>(done) / static_cast<double>(wanted);
      options.progress(std::min(1.0, share), "packing weights");
    }
  }
  return {};
}

std::uint64_t active_bytes(const ModelShape& shape, const std::vector<Plan>& plans) {
  std::uint64_t out = 0;
  for (const Plan& plan : plans) {
    const std::uint64_t bytes = plan.tensor->data.size();
    out += plan.to->count > 1 ? bytes / plan.to->count * shape.router.used : bytes;
  }
  return out;
}

}  // namespace

ParameterCount count_parameters(const GgufFile& file, const ModelShape& shape) {
  std::map<TensorType, std::uint64_t> by_type;
  ParameterCount out;
  for (const GgufTensor& tensor : file.tensors()) {
    out.all += tensor.elements();
    by_type[tensor.type] += tensor.elements();
    const bool experts = tensor.name.find("_exps.") != std::string_view::npos;
    out.active += experts && shape.router.experts > 0
                      ? tensor.elements() / shape.router.experts * shape.router.used
                      : tensor.elements();
  }
  const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto most = std::max_element(by_type.begin(), by_type.end(), less);
  if (most != by_type.end()) out.quantisation = std::string(type_info(most->first).name);
  return out;
}

EngineResult<Model> load_model(std::shared_ptr<const GgufFile> file, ThreadPool& pool,
                               const LoadOptions& options) {
  auto shape = read_shape(*file);
  if (!shape) return shape.error();
  Model model;
  model.shape = std::move(*shape);
  model.file = file;
  Binder bind(*file);
  const GgufTensor* embedding = file->find_tensor("token_embd.weight");
  const std::array<std::uint64_t, 4> expected = {model.shape.embedding, model.shape.vocabulary, 1,
                                                 1};
  if (embedding == nullptr || embedding->dims != expected) {
    return EngineError(EngineFault::invalid_model,
                       file->name() + ": tensor token_embd.weight is not " + extents(expected));
  }
  model.embedding = *embedding;
  model.layers.resize(model.shape.layers);
  for (std::uint32_t i = 0; i < model.shape.layers && !bind.failed(); ++i) {
    bind_layer(bind, *file, model.shape, i, model.layers[i]);
  }
  bind.vector(model.output_norm, "output_norm.weight", model.shape.embedding);
  const bool tied = file->find_tensor("output.weight") == nullptr;
  bind.matrix(model.output, tied ? "token_embd.weight" : "output.weight", model.shape.embedding,
              model.shape.vocabulary);
  if (bind.failed()) return bind.error();
  if (auto ok = plan_packing(bind, pool, options, model); !ok) return ok.error();
  model.count = count_parameters(*file, model.shape);
  model.active_bytes = active_bytes(model.shape, bind.plans());
  return model;
}

}  // namespace jevons::engine
