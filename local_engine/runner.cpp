#include "local_engine/runner.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <utility>

namespace jevons::engine {

Runner::Runner(Forward& forward, ThreadPool& pool, const RunnerOptions& options)
    : forward_(forward),
      pool_(pool),
      options_(options),
      scheduler_(options.blocks, options.limits) {
  thread_ = std::thread([this] { loop(); });
}

void Runner::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::optional<Refusal> Runner::reserve(JobId id) {
  const std::lock_guard lock(mutex_);
  if (accepted_ < options_.limits.slots + options_.queue_max) {
    ++accepted_;
    reserved_[id] = false;
    return std::nullopt;
  }
  ++stats_.jobs_refused;
  // One place in the queue is free once one running job has ended: an average answer's steps,
  // shared by all that run.
  const double ms = stats_.step_ms * average_answer_ / std::max(1U, stats_.running);
  const auto wait = static_cast<std::int64_t>(std::clamp(std::ceil(ms), 100.0, 60'000.0));
  return Refusal(EngineFault::overloaded, "the local model's queue is full (" +
                                              std::to_string(options_.queue_max) + " waiting)")
      .with_retry_after_ms(wait);
}

void Runner::start(std::unique_ptr<ActiveJob> job) {
  {
    const std::lock_guard lock(mutex_);
    if (reserved_[job->id]) cancels_.push_back(job->id);
    reserved_.erase(job->id);
    arrivals_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Runner::cancel(JobId id) {
  {
    const std::lock_guard lock(mutex_);
    const auto early = reserved_.find(id);
    if (early != reserved_.end()) {
      early->second = true;
      return;
    }
    cancels_.push_back(id);
  }
  wake_.notify_one();
}

Stats Runner::stats() const {
  const std::lock_guard lock(mutex_);
  Stats out = stats_;
  out.waiting = accepted_ - std::min(accepted_, out.running);
  return out;
}

void Runner::loop() {
  while (take_arrivals()) {
    drop_expired(Clock::now());
    try {
      step();
    } catch (const std::exception& error) {
      // Out of memory is the one expected case: the jobs end, the engine stays.
      fail_all(error.what());
    }
  }
  std::vector<JobId> left;
  for (const auto& [id, job] : jobs_) left.push_back(id);
  for (const JobId id : left) finish(*jobs_.at(id), Finish::cancelled, {});
}

bool Runner::take_arrivals() {
  std::vector<std::unique_ptr<ActiveJob>> arrivals;
  std::vector<JobId> cancels;
  bool stop = false;
  {
    std::unique_lock lock(mutex_);
    const auto awaited = [&] {
      return stop_ || !arrivals_.empty() || !cancels_.empty() || !jobs_.empty();
    };
    for (bool more = true; more && !awaited();) {
      lock.unlock();
      more = forward_.pack_ahead();  // some milliseconds of the time that nobody needs
      lock.lock();
    }
    wake_.wait(lock, awaited);
    arrivals.swap(arrivals_);
    cancels.swap(cancels_);
    stop = stop_;
  }
  for (auto& job : arrivals) begin(std::move(job));
  for (const JobId id : cancels) {
    if (const auto found = jobs_.find(id); found != jobs_.end()) {
      finish(*found->second, Finish::cancelled, {});
    }
  }
  return !stop;
}

void Runner::begin(std::unique_ptr<ActiveJob> job) {
  ActiveJob& active = *job;
  const JobId id = active.id;
  jobs_.emplace(id, std::move(job));
  if (active.refusal) {
    Update last;
    last.refusal = std::move(active.refusal);
    end(id, std::move(last));
    return;
  }
  active.usage.prompt = static_cast<std::uint32_t>(active.prompt.size());
  scheduler_.add(id, active.prompt, active.job.cache_salt);
}

void Runner::drop_expired(Clock::time_point now) {
  std::vector<JobId> expired;
  for (const auto& [id, job] : jobs_) {
    if (job->job.deadline && *job->job.deadline <= now) expired.push_back(id);
  }
  for (const JobId id : expired) finish(*jobs_.at(id), Finish::deadline, {});
}

void Runner::step() {
  const Clock::time_point began = Clock::now();
  const std::vector<StepItem> items = scheduler_.plan();
  if (items.empty()) return;
  std::uint32_t computed = 0;
  for (const StepItem& item : items) computed += item.count;
  run_batch(items);
  scheduler_.commit(items);
  const std::vector<ActiveJob*> jobs = sample(items);
  charge(items, computed, Clock::now() - began);
  for (std::size_t i = 0; i < jobs.size(); ++i) advance(*jobs[i], sampled_[i]);
  const auto generated = static_cast<std::uint32_t>(
      std::count_if(items.begin(), items.end(), [](const StepItem& item) { return item.samples; }));
  note_step(began, computed - generated, generated);
}

void Runner::run_batch(const std::vector<StepItem>& items) {
  rows_.clear();
  tables_.clear();
  for (const StepItem& item : items) {
    const SequenceView view = scheduler_.view(item.id);
    const auto sequence = static_cast<std::uint32_t>(tables_.size());
    tables_.push_back(view.blocks);
    for (std::uint32_t p = item.first; p < item.first + item.count; ++p) {
      rows_.push_back({view.tokens[p], p, sequence, false});
    }
    rows_.back().wants_logits = item.samples;
  }
  forward_.run(rows_, tables_);
}

// What a step took is divided over the tokens computed in it: the shares of all jobs add up to the
// time that the engine worked.
void Runner::charge(const std::vector<StepItem>& items, std::uint32_t rows, Clock::duration took) {
  const double us = std::chrono::duration<double, std::micro>(took).count() / rows;
  for (const StepItem& item : items) {
    jobs_.at(item.id)->usage.compute_us +=
        static_cast<std::uint64_t>(std::llround(us * item.count));
  }
}

std::vector<ActiveJob*> Runner::sample(const std::vector<StepItem>& items) {
  std::vector<ActiveJob*> jobs;
  for (const StepItem& item : items) {
    ActiveJob& job = *jobs_.at(item.id);
    job.usage.cached = scheduler_.view(item.id).cached;
    if (item.samples) jobs.push_back(&job);
  }
  sampled_.assign(jobs.size(), {});
  // A chunk a job: each has its own sampler, grammar state and row of logits.
  pool_.run(jobs.size(), [&](std::size_t i, unsigned) {
    ActiveJob& job = *jobs[i];
    const auto allowed =
        job.constraint ? job.constraint->allowed() : std::span<const std::uint64_t>();
    sampled_[i] = job.sampler->sample(forward_.logits(i), allowed, job.usage.completion);
  });
  return jobs;
}

void Runner::advance(ActiveJob& job, const Sampled& sampled) {
  Update update;
  update.tokens = 1;
  ++job.usage.completion;
  if (job.answer->ends(sampled.token)) {
    finish(job, Finish::stop, std::move(update));
    return;
  }
  job.sampler->accept(sampled.token);
  if (job.constraint) job.constraint->accept(sampled.token);
  job.answer->push(sampled, update);
  job.usage.reasoning = job.answer->reasoning_tokens();
  if (job.answer->stopped()) {
    finish(job, Finish::stop, std::move(update));
    return;
  }
  if (job.usage.completion >= job.max_tokens) {
    finish(job, Finish::length, std::move(update));
    return;
  }
  scheduler_.append(job.id, sampled.token);
  update.usage = job.usage;
  job.on_update(std::move(update));
}

void Runner::finish(ActiveJob& job, Finish reason, Update&& last) {
  job.answer->finish(last);
  if (reason == Finish::stop && job.answer->called_tools()) reason = Finish::tool_calls;
  last.finish = reason;
  average_answer_ += 0.1 * (static_cast<double>(job.usage.completion) - average_answer_);
  end(job.id, std::move(last));
}

void Runner::end(JobId id, Update&& last) {
  const auto found = jobs_.find(id);
  const std::unique_ptr<ActiveJob> job = std::move(found->second);
  jobs_.erase(found);
  scheduler_.remove(id);
  {
    const std::lock_guard lock(mutex_);
    --accepted_;
    if (last.refusal) ++stats_.jobs_refused;
    if (last.finish) ++stats_.jobs_done;
    stats_.running = scheduler_.running();
    stats_.kv_usage =
        static_cast<double>(scheduler_.pool().in_use()) / std::max(1U, scheduler_.pool().total());
  }
  last.usage = job->usage;
  job->on_update(std::move(last));
}

void Runner::fail_all(const std::string& message) {
  std::vector<JobId> all;
  for (const auto& [id, job] : jobs_) all.push_back(id);
  for (const JobId id : all) {
    Update last;
    last.finish = Finish::error;
    last.error = "the local model failed: " + message;
    end(id, std::move(last));
  }
}

void Runner::note_step(Clock::time_point began, std::uint32_t computed, std::uint32_t generated) {
  const Clock::time_point now = Clock::now();
  recent_.emplace_back(now, generated);
  while (now - recent_.front().first > std::chrono::seconds(10)) recent_.pop_front();
  std::uint64_t tokens = 0;
  for (const auto& [when, count] : recent_) tokens += count;
  const std::chrono::duration<double> span = now - recent_.front().first;
  const std::chrono::duration<double, std::milli> took = now - began;
  const std::lock_guard lock(mutex_);
  stats_.step_ms += (stats_.step_ms == 0 ? 1 : 0.1) * (took.count() - stats_.step_ms);
  stats_.tokens_per_second =
      span.count() > 0 ? static_cast<double>(tokens) / span.count() : 1e3 / stats_.step_ms;
  stats_.prompt_tokens += computed;
  stats_.generated_tokens += generated;
  stats_.running = scheduler_.running();
  stats_.kv_usage =
      static_cast<double>(scheduler_.pool().in_use()) / std::max(1U, scheduler_.pool().total());
  stats_.prefix_queries_tokens = scheduler_.prefix_queries();
  stats_.prefix_hits_tokens = scheduler_.prefix_hits();
  stats_.preemptions = scheduler_.preemptions();
}

}  // namespace jevons::engine
