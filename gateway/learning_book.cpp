#include "gateway/learning_book.h"

#include <sched.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>

#include "router/calibration.h"

namespace jevons {
namespace {

constexpr std::size_t telling_bytes = 24;  // shorter prompts come back by chance
constexpr int often = 3;
// Outcomes are gathered for so long before they are learned from, and the thread then rests so many
// times as long as it worked: a fiftieth of one core at most, however fast outcomes come.
constexpr std::chrono::milliseconds gathering{200};
constexpr int rests_per_work = 49;

// Processor time of this thread: waiting for a busy processor is no work to rest from.
std::chrono::nanoseconds worked() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
  a ^= b + 0x9E3779B97F4A7C15u + (a << 6) + (a >> 2);
  a = (a ^ (a >> 30)) * 0xBF58476D1CE4E5B9u;
  return a ^ (a >> 31);
}

std::uint64_t request_hash(const RequestId& request) { return mixed(request.high, request.low); }

std::uint64_t outcome_id(const RequestId& request, std::string_view source) {
  return mixed(request_hash(request), std::hash<std::string_view>{}(source));
}

// What a sign is worth as an outcome. An answer without a visible fault says nothing beyond what
// was predicted, one that passed a check says a little more; faults say what they say.
struct Worth {
  double score = 0, weight = 0;
};
Worth worth_of(AnswerSign sign, double predicted) {
  switch (sign) {
    case AnswerSign::fine:
      return {predicted, 0.25};
    case AnswerSign::checked:
      return {predicted + (1 - predicted) / 2, 0.25};
    case AnswerSign::truncated:
      return {0, 0.5};
    case AnswerSign::refused:
    case AnswerSign::invalid:
      return {0, 1};
  }
  return {predicted, 0.25};
}

OutcomeLine line_of(const ServedAnswer& answer, std::string source, Worth worth, bool observed,
                    const std::string& weights_id, std::int64_t now_unix_s) {
  OutcomeLine line;
  line.time_unix_s = now_unix_s;
  line.target = answer.target;
  line.weights_id = weights_id;
  line.sample.id = outcome_id(answer.request, source);
  line.sample.request = request_hash(answer.request);
  line.sample.key = answer.key;
  line.sample.input = answer.input;
  line.sample.score = worth.score;
  line.sample.weight = worth.weight;
  line.sample.observed = observed;
  line.source = std::move(source);
  return line;
}

// Makes a line of the journal fit for these weights; false: it says nothing under them.
bool for_weights(OutcomeLine& line, const std::string& weights_id) {
  if (line.weights_id == weights_id) return true;
  // Inputs of other weights mean something else, and so does how hard the request was; the outcome
  // itself still counts, but proves nothing. What a length was compared with is no longer
  // predicted.
  line.sample.input.trunk = {};
  line.sample.input.ability_logit = std::numeric_limits<double>::quiet_NaN();
  return !line.length_residual;
}

void keep_line(OutcomeLine line, std::map<std::string, TargetOutcomes>& outcomes,
               std::map<std::string, LengthWindow>& lengths) {
  if (line.length_residual)
    lengths[line.target].learn({.key = std::move(line.sample.key),
                                .task = line.sample.input.task,
                                .residual = *line.length_residual});
  else
    outcomes[line.target].learn(std::move(line.sample));
}

}  // namespace

std::uint64_t prompt_hash(const std::string& key, const ChatRequest& request) {
  for (auto message = request.messages.rbegin(); message != request.messages.rend(); ++message) {
    if (message->role != Role::user) continue;
    std::uint64_t hash = mixed(request.messages.size(), std::hash<std::string>{}(key));
    std::size_t bytes = 0;
    for (const auto& part : message->parts) {
      hash = mixed(hash, std::hash<std::string_view>{}(part.text));
      bytes += part.text.size();
    }
    return bytes < telling_bytes ? 0 : hash | 1;
  }
  return 0;
}

std::string journal_of(const std::string& ledger_path) {
  return ledger_path.empty() ? "" : ledger_path + ".learned";
}

Learned learned_from_journal(const std::string& path, const std::string& weights_id) {
  std::map<std::string, TargetOutcomes> outcomes;
  std::map<std::string, LengthWindow> lengths;
  LearningJournal(path).read([&](OutcomeLine line) {
    if (for_weights(line, weights_id)) keep_line(std::move(line), outcomes, lengths);
  });
  Learned learned;
  for (const auto& [target, known] : outcomes)
    learned.targets[target] = std::make_shared<const TargetHeads>(known.heads());
  for (const auto& [target, known] : lengths)
    learned.lengths[target] = std::make_shared<const TargetLengths>(known.lengths());
  return learned;
}

LearningBook::LearningBook(LearningOptions options)
    : options_(std::move(options)), journal_(options_.journal) {
  read_journal();
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), "jevons-learning");
}

LearningBook::~LearningBook() {
  {
    const std::lock_guard lock(queue_mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

std::shared_ptr<const Learned> LearningBook::learned() const {
  const std::lock_guard lock(published_mutex_);
  return learned_;
}

void LearningBook::publish(std::shared_ptr<const Learned> learned) {
  const std::lock_guard lock(published_mutex_);
  learned_ = std::move(learned);
}

void LearningBook::served(ServedAnswer answer, std::int64_t now_ms) {
  if (answer.learn == Learn::none) return;
  const std::lock_guard lock(recent_mutex_);
  if (answer.learn == Learn::all && answer.prompt_hash != 0) {
    Asked& asked = asked_[answer.prompt_hash];
    const std::int64_t waited = now_ms - asked.delivered_ms;
    ++asked.times;
    const auto before = recent_.find(asked.first);
    if (asked.times == 2 && waited >= again_from_ms && waited < again_until_ms &&
        before != recent_.end())
      add(line_of(before->second.answer, "asked again", {0, 0.25}, true, options_.weights_id, 0));
    // Who asks the same over and over is a loop: the sign is taken back.
    if (asked.times == often && before != recent_.end()) {
      const HeadInput& input = before->second.answer.input;
      add(line_of(before->second.answer, "asked again", {sigmoid_of(input.prior_logit), 0.01}, true,
                  options_.weights_id, 0));
    }
    if (asked.times == 1) asked.first = answer.request;
    asked.delivered_ms = now_ms;
  }
  if (order_.size() >= remembered_max) {
    const auto oldest = recent_.find(order_.front());
    if (oldest != recent_.end()) {
      asked_.erase(oldest->second.answer.prompt_hash);
      recent_.erase(oldest);
    }
    order_.pop_front();
  }
  order_.push_back(answer.request);
  const RequestId request = answer.request;
  recent_.insert_or_assign(request, Remembered{std::move(answer), now_ms});
}

void LearningBook::observed(const ServedAnswer& answer, AnswerSign sign, std::int64_t now_unix_s) {
  if (answer.learn != Learn::all) return;
  // Answers that show nothing are the many; one in sixteen stands for them, four times as heavy.
  const bool fine = sign == AnswerSign::fine;
  if (fine && answer.request.high % 16 != 0) return;
  Worth worth = worth_of(sign, sigmoid_of(answer.input.prior_logit));
  if (fine) worth.weight *= 4;
  add(line_of(answer, "answer of " + answer.target, worth, true, options_.weights_id, now_unix_s));
}

bool LearningBook::reported(const RequestId& request, const std::string& key, double score,
                            const std::string& source, std::int64_t now_unix_s) {
  OutcomeLine line;
  {
    const std::lock_guard lock(recent_mutex_);
    const auto found = recent_.find(request);
    if (found == recent_.end() || found->second.answer.key != key) return false;
    line = line_of(found->second.answer, "feedback:" + source, {score, 1}, false,
                   options_.weights_id, now_unix_s);
  }
  add(std::move(line));
  return true;
}

void LearningBook::answered(const ServedAnswer& answer, double residual, bool cut,
                            std::int64_t now_unix_s) {
  if (answer.learn != Learn::all || !std::isfinite(residual)) return;
  const std::shared_ptr<const Learned> known = learned();
  const TargetLengths* lengths = known->find_lengths(answer.target);
  if (lengths != nullptr) {
    if (lengths->answers >= lengths_enough && answer.request.high % 16 != 0) return;
    const LengthShift& shift = lengths->shift_for(answer.key);
    const auto task = static_cast<std::size_t>(answer.input.task);
    if (cut) residual = std::max(residual, static_cast<double>(shift.shift[task]));
  }
  OutcomeLine line = line_of(answer, "length", {0, 1}, true, options_.weights_id, now_unix_s);
  line.length_residual = residual;
  add(std::move(line));
}

void LearningBook::add(OutcomeLine line) {
  bool first = false;
  {
    const std::lock_guard lock(queue_mutex_);
    if (queue_.size() >= queue_max) return;
    queue_.push_back(std::move(line));
    first = queue_.size() == 1;
  }
  if (first) wake_.notify_one();
}

void LearningBook::flush() {
  std::unique_lock lock(queue_mutex_);
  ++flushing_;
  wake_.notify_one();
  idle_.wait(lock, [this] { return queue_.empty() && !working_; });
  --flushing_;
}

void LearningBook::read_journal() {
  std::size_t lines = 0;
  Changed changed;
  const std::size_t passed_over = journal_.read([&](OutcomeLine line) {
    ++lines;
    if (for_weights(line, options_.weights_id)) keep(std::move(line), changed);
  });
  if (passed_over > 0 && options_.problem)
    options_.problem(options_.journal + ": " + std::to_string(passed_over) +
                     " lines are not outcomes and were passed over");
  fit(changed);
  std::size_t kept = 0;
  for (const auto& [target, lengths] : lengths_) kept += lengths.count();
  for (const auto& [target, outcomes] : outcomes_) kept += outcomes.count();
  if (lines <= 2 * kept + 100) return;
  const Result<void> done = journal_.rewrite(kept_lines());
  if (done.has_error() && options_.problem) options_.problem(done.error().message());
}

std::string LearningBook::kept_lines() const {
  std::string text;
  for (const auto& [target, outcomes] : outcomes_) {
    for (OutcomeSample& sample : outcomes.all()) {
      OutcomeLine line;
      line.target = target;
      line.source = "kept";
      line.weights_id = options_.weights_id;
      line.sample = std::move(sample);
      text += outcome_text(line);
    }
  }
  for (const auto& [target, lengths] : lengths_) {
    for (const LengthSample& sample : lengths.all()) {
      OutcomeLine line;
      line.target = target;
      line.source = "length";
      line.weights_id = options_.weights_id;
      line.sample.key = sample.key;
      line.sample.input.task = sample.task;
      line.length_residual = sample.residual;
      text += outcome_text(line);
    }
  }
  return text;
}

void LearningBook::run() {
  // Learning must not take the processor from a request that wants it; a thread that is merely
  // nice keeps it for a whole slice of some milliseconds.
  const sched_param none{};
  static_cast<void>(sched_setscheduler(0, SCHED_IDLE, &none));
  const auto hurried = [this] { return ending_ || flushing_ > 0; };
  std::unique_lock lock(queue_mutex_);
  while (true) {
    wake_.wait(lock, [this] { return !queue_.empty() || ending_; });
    wake_.wait_for(lock, gathering, hurried);
    if (queue_.empty()) return;
    std::vector<OutcomeLine> lines;
    lines.swap(queue_);
    working_ = true;
    lock.unlock();
    const std::chrono::nanoseconds from = worked();
    take(std::move(lines));
    const std::chrono::nanoseconds took = worked() - from;
    lock.lock();
    working_ = false;
    if (queue_.empty()) idle_.notify_all();
    wake_.wait_for(lock, rests_per_work * took, hurried);
  }
}

void LearningBook::take(std::vector<OutcomeLine> lines) {
  std::string text;
  Changed changed;
  for (OutcomeLine& line : lines) {
    text += outcome_text(line);
    keep(std::move(line), changed);
  }
  const Result<void> written = journal_.append(text);
  if (written.has_error() && options_.problem) options_.problem(written.error().message());
  fit(changed);
}

void LearningBook::keep(OutcomeLine line, Changed& changed) {
  (line.length_residual ? changed.lengths : changed.heads).insert(line.target);
  keep_line(std::move(line), outcomes_, lengths_);
}

void LearningBook::fit(const Changed& changed) {
  if (changed.heads.empty() && changed.lengths.empty()) return;
  const std::shared_ptr<const Learned> before = learned();
  auto next = std::make_shared<Learned>(*before);
  for (const std::string& target : changed.heads) {
    next->targets[target] =
        std::make_shared<const TargetHeads>(outcomes_[target].heads(before->find(target)));
  }
  for (const std::string& target : changed.lengths)
    next->lengths[target] = std::make_shared<const TargetLengths>(lengths_[target].lengths());
  publish(std::move(next));
}

}  // namespace jevons
