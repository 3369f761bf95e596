#include "gateway/ledger/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "gateway/mailbox.h"

namespace jevons {
namespace {

constexpr std::size_t group_max = 8'192;
constexpr std::int64_t retry_ms = 200;
constexpr std::int64_t watch_ms = 250;
// A settlement that nobody waits for is written with the next intent, or so much later at most.
constexpr std::chrono::milliseconds settlement_wait{10};
// After a group with so many that are waited for, the writer lingers for one a half larger: under
// load a commit then pays for more rows (PostgreSQL's commit_delay and commit_siblings). Not for
// much larger ones: while all wait for one commit, nobody works.
constexpr std::size_t linger_from = 6, linger_to = 16;
constexpr std::chrono::microseconds linger{1'000};
// Pages of WAL. A checkpoint stops the ledger for some 10 ms, so one is due seldom while requests
// come, and earlier where none has come for a moment.
constexpr int checkpoint_pages = 32'768, idle_checkpoint_pages = 2'048;
constexpr std::chrono::milliseconds idle_after{500};

std::int64_t steady_ms() {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  return duration_cast<milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Error unavailable(const char* why) {
  return Error(Fault::ledger_unavailable, why)
      .with_retry(true)
      .with_retry_after_ms(std::int64_t{1'000});
}

Error cannot_record() {
  return unavailable("the ledger cannot record new spend at the moment; try again shortly");
}

bool is_intent(const LedgerJob& job) { return std::holds_alternative<AttemptIntent>(job.work); }

bool must_be_kept(const LedgerJob& job) {
  return std::holds_alternative<AttemptSettlement>(job.work) ||
         std::holds_alternative<AuditRow>(job.work);
}

// What an intent becomes that was refused although its row may have reached the disk.
AttemptSettlement void_of(const AttemptIntent& intent) {
  AttemptSettlement settlement;
  settlement.request = intent.request.id;
  settlement.attempt = intent.attempt;
  settlement.state = AttemptState::voided;
  settlement.ended_by = EndedBy::gateway;
  settlement.outcome = Outcome::gateway_error;
  settlement.error_code = fault_code(Fault::ledger_unavailable);
  return settlement;
}

int note_wal_pages(void* pages, sqlite3*, const char*, int count) {
  *static_cast<int*>(pages) = count;
  return SQLITE_OK;
}

}  // namespace

LedgerWriter::LedgerWriter(std::unique_ptr<Database> database, std::unique_ptr<Spill> spill,
                           const LedgerOptions& options)
    : options_(options),
      database_(std::move(database)),
      spill_(std::move(spill)),
      rows_(*database_),
      checkpoint_at_(checkpoint_pages) {
  sqlite3_wal_hook(database_->handle(), note_wal_pages, &wal_pages_);
  thread_ = std::thread([this] { run(); });
  watchdog_ = std::thread([this] { watch(); });
  pthread_setname_np(thread_.native_handle(), "jevons-ledger");
}

LedgerWriter::~LedgerWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  arrived_.notify_all();
  watchdog_wake_.notify_all();
  thread_.join();
  watchdog_.join();
}

std::int64_t LedgerWriter::queued() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(queue_.size() + group_.size());
}

void LedgerWriter::report(const std::string& what) const {
  if (options_.problem) options_.problem(what);
}

void LedgerWriter::add(LedgerJob job) {
  job.queued_ms = steady_ms();
  bool taken = false, wake = false;
  {
    const std::lock_guard lock(mutex_);
    const bool full = static_cast<std::int64_t>(queue_.size()) >= options_.queue_max;
    taken = !is_intent(job) || (healthy() && !full && !stop_);
    const bool waited_for = job.done != nullptr;
    if (taken) queue_.push_back(std::move(job));
    if (taken && waited_for) ++waited_for_;
    wake = taken && waiting_ && (waited_for ? waited_for_ >= wake_at_ : !looks_itself_);
  }
  if (wake) arrived_.notify_one();
  if (!taken && job.done) job.done(cannot_record());
}

// Waits for a job that somebody waits for; jobs that nobody waits for are taken along.
void LedgerWriter::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto due = [this] { return waited_for_ >= wake_at_ || stop_; };
  waiting_ = true;
  wake_at_ = 1;
  if (health_ == Health::failing) {
    arrived_.wait_for(lock, std::chrono::milliseconds(retry_ms), due);
  } else {
    // While attempts are open their settlements come: they are looked for, which spares each of
    // them a wake-up of this thread.
    const auto some = [this, &due] { return due() || !queue_.empty(); };
    looks_itself_ = rows_.any_open();
    while (looks_itself_ && !some()) arrived_.wait_for(lock, settlement_wait, due);
    if (!looks_itself_) {
      idle_ = wal_pages_ >= idle_checkpoint_pages && !arrived_.wait_for(lock, idle_after, some);
      if (!idle_) {
        arrived_.wait(lock, some);
        looks_itself_ = true;
        if (!due()) arrived_.wait_for(lock, settlement_wait, due);
      }
    }
  }
  if (last_waited_for_ >= linger_from && !stop_) {
    wake_at_ = std::min(last_waited_for_ + last_waited_for_ / 2, linger_to);
    arrived_.wait_for(lock, linger, due);
  }
  waiting_ = false;
}

bool LedgerWriter::take_group() {
  std::unique_lock lock(mutex_);
  if (!stop_ && background_.empty()) wait_for_work(lock);
  last_waited_for_ = waited_for_;
  if (group_.empty() && queue_.size() <= group_max) {
    group_.swap(queue_);
    waited_for_ = 0;
  }
  while (!queue_.empty() && group_.size() < group_max) {
    if (queue_.front().done) --waited_for_;
    group_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return !stop_ || !group_.empty() || !background_.empty();
}

void LedgerWriter::run() {
  while (take_group()) {
    if (!group_.empty()) process_group();
    if (health_ == Health::failing && steady_ms() >= next_try_ms_) try_recover();
    if (!background_.empty()) run_background();
    const bool due = wal_pages_ >= checkpoint_at_ || std::exchange(idle_, false);
    if (health_ == Health::good && due) checkpoint(false);
  }
  if (health_ == Health::failing) try_recover();
  if (health_ == Health::good) checkpoint(true);
  for (LedgerJob& job : kept_)
    if (job.done) job.done(cannot_record());
}

void LedgerWriter::process_group() {
  if (health_ == Health::good && apply_group())
    answer_group();
  else
    refuse_group();
}

void LedgerWriter::apply(LedgerJob& job) {
  if (const auto* intent = std::get_if<AttemptIntent>(&job.work))
    job.applied = rows_.intend(*intent);
  else if (const auto* settlement = std::get_if<AttemptSettlement>(&job.work))
    rows_.settle(*settlement);  // settling twice is ignored
  else if (const auto* feedback = std::get_if<Feedback>(&job.work))
    job.applied = rows_.feedback(*feedback);
  else if (const auto* row = std::get_if<AuditRow>(&job.work))
    rows_.audit(*row);
  else if (const auto* task = std::get_if<LedgerJob::Task>(&job.work))
    job.applied = (*task)(rows_);
}

bool LedgerWriter::apply_group() {
  try {
    Transaction transaction(*database_, "BEGIN IMMEDIATE");
    for (LedgerJob& job : group_) apply(job);
    rows_.finish();
    transaction.commit();
    syncs_.fetch_add(1, std::memory_order_relaxed);
    return true;
  } catch (const SqliteFailure& failure) {
    rows_.forget();
    fail(failure);
    return false;
  }
}

void LedgerWriter::answer_group() {
  std::vector<std::pair<Ledger::Done, Result<void>>> answers;
  {
    const std::lock_guard lock(mutex_);
    for (LedgerJob& job : group_) {
      if (job.answered && job.applied) {
        // Refused by the watchdog, and now it is in the file after all.
        queue_.push_front(LedgerJob{.work = void_of(std::get<AttemptIntent>(job.work))});
      }
      if (std::holds_alternative<LedgerJob::Background>(job.work)) {
        background_.push_back(std::move(job));
        continue;
      }
      if (!job.done) continue;
      Result<void> result;
      if (!job.applied) {
        result = is_intent(job) ? Error(Fault::internal, "this attempt is in the ledger already")
                                : Error(Fault::not_found, "no such request");
      }
      answers.emplace_back(std::move(job.done), std::move(result));
    }
    group_.clear();
  }
  const Mailbox::Batch batch;
  for (auto& [done, result] : answers) done(std::move(result));
}

void LedgerWriter::refuse_group() {
  std::vector<Ledger::Done> refused;
  {
    const std::lock_guard lock(mutex_);
    for (LedgerJob& job : group_) {
      if (job.done && !must_be_kept(job)) refused.push_back(std::move(job.done));
      // Its row may have reached the disk although the commit failed: a void settles that.
      if (is_intent(job)) job = LedgerJob{.work = void_of(std::get<AttemptIntent>(job.work))};
      if (must_be_kept(job)) kept_.push_back(std::move(job));
    }
    group_.clear();
  }
  std::vector<const AttemptSettlement*> fresh;
  for (LedgerJob& job : kept_) {
    if (job.spilled) continue;
    job.spilled = true;
    if (const auto* settlement = std::get_if<AttemptSettlement>(&job.work))
      fresh.push_back(settlement);
  }
  if (!fresh.empty() && !spill_->append(fresh))
    report("the spill file takes no more settlements; they are kept in memory only");
  for (const auto& done : refused) done(cannot_record());
}

void LedgerWriter::fail(const SqliteFailure& failure) {
  const bool for_good = failure.is_sync_failure() || failure.is_corruption();
  healthy_.store(false, std::memory_order_release);
  health_ = for_good ? Health::stopped : Health::failing;
  next_try_ms_ = steady_ms() + retry_ms;
  report(fmt::format("ledger: {} (code {}); new spend is refused until {}", failure.what(),
                     failure.extended(), for_good ? "a restart" : "it can be written again"));
}

void LedgerWriter::try_recover() {
  next_try_ms_ = steady_ms() + retry_ms;
  try {
    Transaction transaction(*database_, "BEGIN IMMEDIATE");
    for (LedgerJob& job : kept_) apply(job);
    rows_.set_meta("recovered_after_failure", std::to_string(kept_.size()));
    rows_.finish();
    transaction.commit();
  } catch (const SqliteFailure& failure) {
    rows_.forget();
    if (failure.is_sync_failure() || failure.is_corruption()) fail(failure);
    return;
  }
  std::deque<LedgerJob> recovered;
  recovered.swap(kept_);
  spill_->clear();
  health_ = Health::good;
  healthy_.store(true, std::memory_order_release);
  report(fmt::format("ledger: writable again, {} kept rows written", recovered.size()));
  for (LedgerJob& job : recovered)
    if (job.done) job.done({});
}

void LedgerWriter::run_background() {
  LedgerJob& job = background_.front();
  Result<void> result;
  try {
    if (!std::get<LedgerJob::Background>(job.work).step(*database_)) return;
  } catch (const SqliteFailure& failure) {
    result = Error(Fault::ledger_unavailable, failure.what());
  }
  const Ledger::Done done = std::move(job.done);
  background_.pop_front();
  if (done) done(std::move(result));
}

void LedgerWriter::checkpoint(bool whole) {
  int pages = 0, copied = 0;
  const int mode = whole ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
  const int code = sqlite3_wal_checkpoint_v2(database_->handle(), nullptr, mode, &pages, &copied);
  // When all is copied the next commit starts the WAL afresh; a reader in its transaction, or a
  // full disk, only postpones that.
  checkpoint_at_ = checkpoint_pages + (copied < pages ? wal_pages_ : 0);
  wal_pages_ = 0;
  if (code == SQLITE_OK || code == SQLITE_BUSY) return;
  const SqliteFailure failure(sqlite3_extended_errcode(database_->handle()),
                              sqlite3_errmsg(database_->handle()));
  if (failure.is_sync_failure() || failure.is_corruption()) return fail(failure);
  checkpoint_at_ = 2 * checkpoint_pages;
  report(fmt::format("ledger: checkpoint postponed: {}", failure.what()));
}

void LedgerWriter::watch() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    watchdog_wake_.wait_for(lock, std::chrono::milliseconds(watch_ms));
    const std::int64_t oldest = steady_ms() - options_.intent_wait_ms;
    std::vector<Ledger::Done> late;
    for (LedgerJob& job : group_) {
      if (!is_intent(job) || job.answered || job.queued_ms > oldest) continue;
      job.answered = true;
      if (job.done) late.push_back(std::move(job.done));
      job.done = nullptr;
    }
    const auto is_late = [&](const LedgerJob& job) {
      return is_intent(job) && job.queued_ms <= oldest;
    };
    if (!queue_.empty() && std::any_of(queue_.begin(), queue_.end(), is_late)) {
      std::deque<LedgerJob> still;
      for (LedgerJob& job : queue_) {
        if (is_late(job)) {
          if (job.done) --waited_for_;
          late.push_back(std::move(job.done));
        } else {
          still.push_back(std::move(job));
        }
      }
      queue_.swap(still);
    }
    if (late.empty()) continue;
    lock.unlock();
    for (const auto& done : late)
      if (done) done(cannot_record());
    lock.lock();
  }
}

}  // namespace jevons
