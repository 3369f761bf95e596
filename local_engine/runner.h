// The engine's thread: takes prepared jobs, runs step after step, samples, and calls back.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "local_engine/answer.h"
#include "local_engine/constraint.h"
#include "local_engine/engine.h"
#include "local_engine/forward.h"
#include "local_engine/sampler.h"
#include "local_engine/scheduler.h"

namespace jevons::engine {

// A job between submit() and its last update.
struct ActiveJob {
  JobId id = 0;
  Job job;
  OnUpdate on_update;
  // Set by preparation.
  std::vector<Token> prompt;
  std::optional<Refusal> refusal;
  std::unique_ptr<Answer> answer;
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<Constraint> constraint;  // null for free text
  std::uint32_t max_tokens = 0;
  // Set while running.
  TokenUsage usage;
  std::chrono::steady_clock::time_point submitted;
};

struct RunnerOptions {
  SchedulerLimits limits;
  std::uint32_t blocks = 0;
  std::uint32_t queue_max = 64;
};

class Runner {
 public:
  // `forward` must hold limits.step_tokens rows and limits.slots rows of logits.
  Runner(Forward& forward, ThreadPool& pool, const RunnerOptions& options);
  ~Runner() { stop(); }

  // Joins the thread; everything left ends with Finish::cancelled.
  void stop();

  // Room for one more? Counts it as waiting if so, and from then on it can be cancelled.
  std::optional<Refusal> reserve(JobId id);
  void start(std::unique_ptr<ActiveJob> job);  // reserved and prepared, or refused
  void cancel(JobId id);
  Stats stats() const;

 private:
  using Clock = std::chrono::steady_clock;

  void loop();
  bool take_arrivals();  // false when it is time to stop
  void begin(std::unique_ptr<ActiveJob> job);
  void drop_expired(Clock::time_point now);
  void step();
  void run_batch(const std::vector<StepItem>& items);
  std::vector<ActiveJob*> sample(const std::vector<StepItem>& items);
  void charge(const std::vector<StepItem>& items, std::uint32_t rows, Clock::duration took);
  void advance(ActiveJob& job, const Sampled& sampled);
  void end(JobId id, Update&& last);
  void finish(ActiveJob& job, Finish reason, Update&& last);
  void fail_all(const std::string& message);
  void note_step(Clock::time_point began, std::uint32_t computed, std::uint32_t generated);

  Forward& forward_;
  ThreadPool& pool_;
  RunnerOptions options_;
  Scheduler scheduler_;
  std::unordered_map<JobId, std::unique_ptr<ActiveJob>> jobs_;  // of the engine's thread only
  std::vector<BatchRow> rows_;
  std::vector<std::span<const BlockId>> tables_;
  std::vector<Sampled> sampled_;
  std::deque<std::pair<Clock::time_point, std::uint32_t>> recent_;
  double average_answer_ = 128;  // tokens

  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::vector<std::unique_ptr<ActiveJob>> arrivals_;
  std::vector<JobId> cancels_;
  std::unordered_map<JobId, bool> reserved_;  // not yet arrived; true: cancelled meanwhile
  std::uint32_t accepted_ = 0;                // reserved and not yet ended
  bool stop_ = false;
  Stats stats_;

  std::thread thread_;
};

}  // namespace jevons::engine
