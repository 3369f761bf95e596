// The ledger thread: the only connection that writes and checkpoints. It commits in groups (a group
// is whatever queued while the previous one was syncing, and longer under load) and decides
// what happens when the disk says no: new spend is refused, settlements are kept in memory and in
// the spill file.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "gateway/ledger/ledger.h"
#include "gateway/ledger/row_writer.h"
#include "gateway/ledger/spill.h"
#include "gateway/ledger/sqlite.h"

namespace jevons {

struct LedgerJob {
  // A write that is not worth a type of its own; false: nothing was there to change.
  using Task = std::function<bool(RowWriter&)>;
  // Runs between groups, outside a transaction, until it returns true.
  struct Background {
    std::function<bool(Database&)> step;
  };
  std::variant<AttemptIntent, AttemptSettlement, Feedback, AuditRow, Task, Background> work;
  Ledger::Done done;
  std::int64_t queued_ms = 0;  // steady
  bool answered = false;       // by the watchdog: `done` has run with an error
  bool applied = true;         // what the row writer said
  bool spilled = false;        // handed to the spill file
};

class LedgerWriter {
 public:
  LedgerWriter(std::unique_ptr<Database> database, std::unique_ptr<Spill> spill,
               const LedgerOptions& options);
  // Writes everything queued, checkpoints, ends the threads.
  ~LedgerWriter();
  LedgerWriter(const LedgerWriter&) = delete;
  LedgerWriter& operator=(const LedgerWriter&) = delete;

  // Thread-safe. An intent is answered with ledger_unavailable at once while the disk fails or the
  // queue is full, and after `intent_wait_ms` at the latest.
  void add(LedgerJob job);
  bool healthy() const { return healthy_.load(std::memory_order_acquire); }
  std::int64_t queued() const;
  std::int64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

 private:
  enum class Health { good, failing, stopped };  // stopped: until a restart

  void run();
  void watch();
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  bool take_group();
  void process_group();
  bool apply_group();
  void apply(LedgerJob& job);
  void answer_group();
  void refuse_group();
  void keep(std::vector<LedgerJob*>& jobs);
  void fail(const SqliteFailure& failure);
  void try_recover();
  void run_background();
  void checkpoint(bool whole);
  void report(const std::string& what) const;

  const LedgerOptions options_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Spill> spill_;
  RowWriter rows_;

  mutable std::mutex mutex_;  // guards queue_, stop_, and `done`/`answered` of the jobs of group_
  std::condition_variable arrived_;
  std::deque<LedgerJob> queue_;
  std::deque<LedgerJob> group_;
  std::size_t waited_for_ = 0;  // jobs of queue_ with a `done`
  std::size_t wake_at_ = 1;     // of them, for the ledger thread to wake
  bool waiting_ = false;
  bool looks_itself_ = false;  // for jobs that nobody waits for
  bool stop_ = false;
  std::atomic<bool> healthy_{true};
  std::atomic<std::int64_t> syncs_{0};

  // Of the ledger thread alone.
  Health health_ = Health::good;
  std::deque<LedgerJob> kept_;  // settlements and audit rows that wait for the disk
  std::deque<LedgerJob> background_;
  std::int64_t next_try_ms_ = 0;
  std::size_t last_waited_for_ = 0;
  bool idle_ = false;  // nothing has come for a moment
  int wal_pages_ = 0;
  int checkpoint_at_ = 0;  // pages

  std::condition_variable watchdog_wake_;
  std::thread watchdog_;
  std::thread thread_;
};

}  // namespace jevons
