// A tiny engine on disk and a client that collects answers, for tests.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "local_engine/engine.h"
#include "local_engine/synth.h"

namespace jevons::engine::testing {

// A file under the temporary folder, removed in the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name)
      : path_((std::filesystem::temp_directory_path() /
               ("jevons-" + std::to_string(getpid()) + "-" + name))
                  .string()) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Collects one job's updates; wait() returns after the last.
class Client {
 public:
  OnUpdate receiver() {
    return [this](Update&& update) {
      const std::lock_guard lock(mutex_);
      text += update.text;
      reasoning += update.reasoning;
      for (auto& call : update.tool_calls) tool_calls.push_back(std::move(call));
      for (auto& one : update.logprobs) logprobs.push_back(std::move(one));
      ++updates;
      usage = update.usage;
      error = update.error;
      if (update.refusal) refusal = std::move(update.refusal);
      if (update.finish) finish = update.finish;
      changed_.notify_all();
    };
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finish || refusal; });
  }
  void wait_for_updates(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return finish || refusal || updates >= count; });
  }

  std::string text;
  std::string reasoning;
  std::vector<ToolCallDelta> tool_calls;
  std::vector<TokenLogprobs> logprobs;
  TokenUsage usage;
  std::optional<Finish> finish;
  std::optional<Refusal> refusal;
  std::string error;
  int updates = 0;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

inline SynthSpec tiny_spec() {
  SynthSpec spec;
  spec.byte_tokenizer = true;
  spec.context = 512;
  spec.matrices = spec.output = TensorType::q8_0;
  return spec;
}

inline std::unique_ptr<Engine> load_engine(const EngineOptions& options) {
  auto engine = Engine::load(options);
  REQUIRE_MESSAGE(engine.has_value(), (engine ? "" : engine.error().message()));
  return std::move(*engine);
}

inline Job raw_job(std::string prompt, std::uint32_t max_tokens) {
  Job job;
  job.raw_prompt = std::move(prompt);
  job.sampling.temperature = 0;
  job.sampling.max_tokens = max_tokens;
  return job;
}

}  // namespace jevons::engine::testing
