#include "local_engine/engine.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <random>
#include <thread>
#include <utility>

#include "local_engine/forward.h"
#include "local_engine/preparer.h"
#include "local_engine/prompt.h"
#include "local_engine/runner.h"

namespace jevons::engine {
namespace {

constexpr std::uint32_t kDefaultContext = 8192;
constexpr std::uint64_t kDefaultKvBytes = std::uint64_t{4} << 30;

class LocalEngine final : public Engine {
 public:
  EngineResult<void> start(const EngineOptions& options, const LoadProgress& progress);

  boost::system::result<JobId, Refusal> submit(Job job, OnUpdate on_update) override {
    if (stopped_) return Refusal(EngineFault::cancelled, kStopping);
    const JobId id = next_id_.fetch_add(1);
    if (auto refusal = runner_->reserve(id)) return std::move(*refusal);
    auto active = std::make_unique<ActiveJob>();
    active->id = id;
    active->job = std::move(job);
    active->on_update = std::move(on_update);
    preparer_->add(std::move(active));
    return id;
  }
  void cancel(JobId id) override { runner_->cancel(id); }
  void stop() override {
    stopped_ = true;
    preparer_->stop();
    runner_->stop();
  }
  Stats stats() const override { return runner_->stats(); }
  const ModelInfo& info() const override { return info_; }
  EngineResult<std::uint32_t> count_tokens(const Job& job) const override {
    const auto prompt = prompts_->build(job, 0);
    if (!prompt) return prompt.error();
    return static_cast<std::uint32_t>(prompt->tokens.size());
  }

 private:
  EngineResult<void> load_weights(const EngineOptions& options, const LoadProgress& progress);
  EngineResult<void> make_runner(const EngineOptions& options);

  // In order of dependence; destroyed from the last to the first.
  std::unique_ptr<ThreadPool> pool_;
  Model model_;
  std::unique_ptr<PromptBuilder> prompts_;
  std::unique_ptr<KvStore> kv_;
  std::unique_ptr<Forward> forward_;
  std::unique_ptr<Runner> runner_;
  std::unique_ptr<Preparer> preparer_;
  ModelInfo info_;
  std::atomic<JobId> next_id_{1};
  std::atomic<bool> stopped_{false};
};

EngineError invalid_option(const std::string& message) {
  return {EngineFault::invalid_input, "local engine: " + message};
}

EngineResult<void> check(const EngineOptions& options) {
  if (options.device == Device::cuda) {
    return EngineError(EngineFault::unsupported,
                       "local engine: this build has no CUDA; use device auto or cpu");
  }
  if (options.slots < 1 || options.slots > 256) return invalid_option("slots must be 1 to 256");
  if (options.prefill_chunk < 1 || options.prefill_chunk > 8192) {
    return invalid_option("prefill_chunk must be 1 to 8192");
  }
  if (options.threads > 1024) return invalid_option("threads must be 0 to 1024");
  return {};
}

std::uint32_t thread_count(const EngineOptions& options) {
  if (options.threads > 0) return options.threads;
  return std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
}

void describe(ModelInfo& info, const GgufFile& file, const ModelShape& shape) {
  info.name =
      !shape.name.empty() ? shape.name : std::filesystem::path(file.name()).filename().string();
  info.architecture = shape.architecture;
  ParameterCount count = count_parameters(file, shape);
  info.parameters = count.all;
  info.active_parameters = count.active;
  info.quantisation = std::move(count.quantisation);
  info.layers = shape.layers;
  info.embedding = shape.embedding;
  info.experts = shape.router.experts;
  info.experts_used = shape.router.used;
  info.context_trained = shape.context_trained;
  info.vocabulary = shape.vocabulary;
  info.file_bytes = file.total_bytes();
  info.kv_bytes_per_token = shape.kv_bytes_per_token();
  info.has_chat_template = file.find("tokenizer.chat_template") != nullptr;
}

EngineResult<void> LocalEngine::start(const EngineOptions& options, const LoadProgress& progress) {
  if (const auto ok = check(options); !ok) return ok;
  pool_ = std::make_unique<ThreadPool>(thread_count(options), options.low_priority);
  if (const auto ok = load_weights(options, progress); !ok) return ok;
  return make_runner(options);
}

EngineResult<void> LocalEngine::load_weights(const EngineOptions& options,
                                             const LoadProgress& progress) {
  auto opened = GgufFile::open(options.model_path);
  if (!opened) return opened.error();
  const auto file = std::make_shared<const GgufFile>(std::move(*opened));
  LoadOptions load;
  load.progress = progress;
  auto model = load_model(file, *pool_, load);
  if (!model) return model.error();
  model_ = std::move(*model);
  auto prompts = PromptBuilder::load(*file);
  if (!prompts) return prompts.error();
  prompts_ = std::move(*prompts);
  if (prompts_->vocabulary().size() > model_.shape.vocabulary) {
    return EngineError(EngineFault::invalid_model,
                       file->name() + ": the tokenizer knows " +
                           std::to_string(prompts_->vocabulary().size()) +
                           " tokens, the embedding has " + std::to_string(model_.shape.vocabulary));
  }
  return {};
}

EngineResult<void> LocalEngine::make_runner(const EngineOptions& options) {
  const ModelShape& shape = model_.shape;
  const std::uint32_t own = std::min(shape.context_trained, kDefaultContext);
  std::uint32_t context =
      options.context > 0 ? std::min(options.context, shape.context_trained) : own;
  const std::uint64_t block_bytes = shape.kv_bytes_per_token() * kBlockTokens;
  const std::uint64_t wanted =
      (std::uint64_t{context} + kBlockTokens) / kBlockTokens * options.slots;
  const std::uint64_t budget = options.kv_bytes_max > 0 ? options.kv_bytes_max : kDefaultKvBytes;
  const auto blocks =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, budget / block_bytes));
  if (blocks < 2) {
    return invalid_option("kv_bytes_max of " + std::to_string(budget) +
                          " bytes holds fewer than 32 tokens");
  }
  context = std::min(context, blocks * kBlockTokens - 1);
  auto kv = KvStore::allocate(shape, blocks);
  if (!kv) return kv.error();
  kv_ = std::move(*kv);
  std::random_device entropy;
  const auto draw = [&] { return std::uint64_t{entropy()} << 32U | entropy(); };
  RunnerOptions runner;
  runner.blocks = blocks;
  runner.queue_max = options.queue_max;
  runner.limits.slots = options.slots;
  runner.limits.prefill_chunk = options.prefill_chunk;
  runner.limits.step_tokens = options.prefill_chunk + options.slots;
  runner.limits.prefix_cache = options.prefix_cache;
  runner.limits.secret = draw();
  const Kernels& kernels = best_kernels();
  Forward::Limits limits;
  limits.rows = runner.limits.step_tokens;
  limits.logit_rows = options.slots;
  limits.context = context + kBlockTokens;
  forward_ = std::make_unique<Forward>(model_, kernels, *pool_, *kv_, limits);
  runner_ = std::make_unique<Runner>(*forward_, *pool_, runner);
  Preparer::Options prepare;
  prepare.context = context;
  prepare.prompt_tokens_max = blocks * kBlockTokens - 1;
  prepare.seed = draw();
  preparer_ = std::make_unique<Preparer>(*prompts_, kernels, *runner_, prepare);
  describe(info_, *model_.file, shape);
  if (!options.name.empty()) info_.name = options.name;
  info_.context = context;
  info_.device =
      "cpu (" + std::string(kernels.name) + ", " + std::to_string(pool_->threads()) + " threads)";
  return {};
}

}  // namespace

EngineResult<std::unique_ptr<Engine>> Engine::load(const EngineOptions& options,
                                                   const LoadProgress& progress) {
  auto engine = std::make_unique<LocalEngine>();
  if (const auto ok = engine->start(options, progress); !ok) return ok.error();
  return std::unique_ptr<Engine>(std::move(engine));
}

EngineResult<ModelInfo> read_model_info(const std::string& model_path) {
  const auto file = GgufFile::open(model_path);
  if (!file) return file.error();
  const auto shape = read_shape(*file);
  if (!shape) return shape.error();
  ModelInfo info;
  describe(info, *file, *shape);
  return info;
}

}  // namespace jevons::engine
