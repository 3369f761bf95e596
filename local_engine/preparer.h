// Template, tokenizer and grammar of arriving jobs, on a thread of their own: a long prompt must
// not hold up the tokens of the jobs that run.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "local_engine/prompt.h"
#include "local_engine/runner.h"

namespace jevons::engine {

inline constexpr const char* kStopping = "the local engine is shutting down";

class Preparer {
 public:
  struct Options {
    std::uint32_t context = 0;
    std::uint32_t prompt_tokens_max = 0;  // what all KV blocks together hold, less one
    std::uint64_t seed = 0;               // of jobs that bring none
  };
  // References outlive the object.
  Preparer(const PromptBuilder& prompts, const Kernels& kernels, Runner& runner,
           const Options& options);
  ~Preparer() { stop(); }

  // Joins the thread; jobs not yet prepared are handed on as cancelled refusals.
  void stop();

  void add(std::unique_ptr<ActiveJob> job);

 private:
  void loop();
  void prepare(ActiveJob& job) const;

  const PromptBuilder& prompts_;
  const Kernels& kernels_;
  Runner& runner_;
  Options options_;
  std::unique_ptr<ConstraintFactory> constraints_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<ActiveJob>> queue_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace jevons::engine
