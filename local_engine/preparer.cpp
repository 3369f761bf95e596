#include "local_engine/preparer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <exception>
#include <utility>

namespace jevons::engine {
namespace {

std::string hex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return {digits.data(), end};
}

std::int64_t wall_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

Refusal refusal_of(const EngineError& error) { return {error.fault(), error.message()}; }

}  // namespace

Preparer::Preparer(const PromptBuilder& prompts, const Kernels& kernels, Runner& runner,
                   const Options& options)
    : prompts_(prompts),
      kernels_(kernels),
      runner_(runner),
      options_(options),
      constraints_(ConstraintFactory::make(prompts.vocabulary())) {
  thread_ = std::thread([this] { loop(); });
}

void Preparer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  for (auto& job : std::exchange(queue_, {})) {
    job->refusal = Refusal(EngineFault::cancelled, kStopping);
    runner_.start(std::move(job));
  }
}

void Preparer::add(std::unique_ptr<ActiveJob> job) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Preparer::loop() {
  for (;;) {
    std::unique_ptr<ActiveJob> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return stop_ || !queue_.empty(); });
      if (stop_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    try {
      prepare(*job);
    } catch (const std::exception& error) {
      job->refusal = Refusal(EngineFault::internal,
                             std::string("the prompt could not be prepared: ") + error.what());
    }
    runner_.start(std::move(job));
  }
}

void Preparer::prepare(ActiveJob& job) const {
  const auto prompt = prompts_.build(job.job, wall_seconds());
  if (!prompt) {
    job.refusal = refusal_of(prompt.error());
    return;
  }
  auto constraint = prompt->starts.empty() ? constraints_->constrain(prompt->format)
                                           : constraints_->choose(prompt->starts);
  if (!constraint) {
    job.refusal = refusal_of(constraint.error());
    return;
  }
  job.constraint = std::move(*constraint);
  job.prompt = prompt->tokens;
  const auto count = static_cast<std::uint32_t>(job.prompt.size());
  if (count == 0) {
    job.refusal = Refusal(EngineFault::invalid_input, "the prompt has no tokens");
    return;
  }
  const std::uint32_t room = std::min(options_.context, options_.prompt_tokens_max);
  if (count >= room) {
    job.refusal = Refusal(EngineFault::invalid_input,
                          "the prompt has " + std::to_string(count) + " tokens, the context is " +
                              std::to_string(room) + " and must hold the answer too")
                      .with_context(count, room);
    return;
  }
  const Sampling& sampling = job.job.sampling;
  job.max_tokens = room - count;
  if (sampling.max_tokens > 0) job.max_tokens = std::min(job.max_tokens, sampling.max_tokens);
  const std::uint64_t seed =
      sampling.seed.value_or(options_.seed ^ (job.id * 0x9E3779B97F4A7C15ULL));
  job.sampler = std::make_unique<Sampler>(sampling, seed, job.prompt, kernels_);
  job.answer = std::make_unique<Answer>(
      prompts_.vocabulary(), sampling,
      prompts_.parser(job.job, *prompt,
                      "call_" + hex(options_.seed & 0xFFFFFF) + hex(job.id) + "_"));
}

}  // namespace jevons::engine
