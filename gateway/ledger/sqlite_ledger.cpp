// The SQLite ledger: one writing thread (writer.h), readers on connections of their own
// (reports.h).
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <future>
#include <optional>

#include "gateway/ledger/files.h"
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/reports.h"
#include "gateway/ledger/schema.h"
#include "gateway/ledger/writer.h"

namespace jevons {
namespace {

constexpr std::int64_t check_at_open_bytes = 16 * 1024 * 1024;
constexpr std::int64_t remove_rows = 2'000;  // at once, between two groups of the gateway
constexpr int backup_pages = 256;            // copied at once

Error unavailable(const SqliteFailure& failure) {
  return Error(Fault::ledger_unavailable,
               fmt::format("the ledger cannot be read: {}", failure.what()));
}

// Copies the file page by page between groups, and follows what is written meanwhile because it
// reads through the writing connection.
class BackupJob {
 public:
  BackupJob(std::string file, const std::string& vfs)
      : file_(std::move(file)), part_(file_ + ".part"), vfs_(vfs) {
    ::unlink(part_.c_str());
  }
  ~BackupJob() {
    if (backup_) sqlite3_backup_finish(backup_);
    copy_.reset();
    ::unlink(part_.c_str());
  }
  BackupJob(const BackupJob&) = delete;
  BackupJob& operator=(const BackupJob&) = delete;

  bool step(Database& source) {
    if (!backup_) {
      copy_.emplace(part_, Database::Mode::read_write, vfs_);
      backup_ = sqlite3_backup_init(copy_->handle(), "main", source.handle(), "main");
      if (!backup_) fail();
    }
    const int code = sqlite3_backup_step(backup_, backup_pages);
    if (code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED) return false;
    sqlite3_backup_finish(backup_);
    backup_ = nullptr;
    if (code != SQLITE_DONE) fail();
    // One plain file: no WAL beside it that could be forgotten.
    copy_->run("PRAGMA journal_mode=DELETE");
    copy_.reset();
    if (std::rename(part_.c_str(), file_.c_str()) != 0)
      throw SqliteFailure(SQLITE_CANTOPEN, "cannot write " + file_);
    return true;
  }

 private:
  [[noreturn]] void fail() {
    throw SqliteFailure(sqlite3_extended_errcode(copy_->handle()), sqlite3_errmsg(copy_->handle()));
  }
  const std::string file_, part_, vfs_;
  std::optional<Database> copy_;
  sqlite3_backup* backup_ = nullptr;
};

class SqliteLedger final : public Ledger {
 public:
  SqliteLedger(LedgerOptions options, LedgerLock lock, std::int64_t orphans,
               std::unique_ptr<Database> database, std::unique_ptr<Spill> spill)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        orphans_(orphans),
        writer_(std::move(database), std::move(spill), options_) {}

  void intend(AttemptIntent intent, Done done) override {
    writer_.add({.work = std::move(intent), .done = std::move(done)});
  }
  void settle(AttemptSettlement settlement, Done done) override {
    writer_.add({.work = std::move(settlement), .done = std::move(done)});
  }
  void feedback(Feedback feedback, Done done) override {
    writer_.add({.work = std::move(feedback), .done = std::move(done)});
  }
  void audit(AuditRow row) override { writer_.add({.work = std::move(row), .done = {}}); }
  bool healthy() const override { return writer_.healthy(); }
  std::int64_t queued() const override { return writer_.queued(); }
  std::int64_t orphans_resolved() const override { return orphans_; }

  Result<std::vector<SpendRow>> spend(const SpendQuery& query) override {
    return read([&](LedgerReader& reader) { return reader.spend(query); });
  }
  Result<std::vector<SpendSlice>> spend_since(std::int64_t unix_s, bool with_sessions) override {
    return read([&](LedgerReader& reader) -> Result<std::vector<SpendSlice>> {
      return reader.spend_since(unix_s, with_sessions);
    });
  }
  Result<std::vector<KeyRecord>> keys() override {
    return read(
        [&](LedgerReader& reader) -> Result<std::vector<KeyRecord>> { return reader.keys(); });
  }
  Result<std::vector<AuditRow>> audit_rows(std::int64_t from_unix_ns) override {
    return read([&](LedgerReader& reader) -> Result<std::vector<AuditRow>> {
      return reader.audit_rows(from_unix_ns);
    });
  }
  Result<DecisionPage> decisions(const DecisionQuery& query) override {
    return read(
        [&](LedgerReader& reader) -> Result<DecisionPage> { return reader.decisions(query); });
  }
  Result<std::string> verify() override {
    return read([&](LedgerReader& reader) { return reader.verify(); });
  }
  Result<void> export_csv(const std::function<void(std::string_view)>& write) override {
    return read([&](LedgerReader& reader) -> Result<void> {
      reader.export_csv(write);
      return {};
    });
  }
  Result<bool> keys_ever_configured() override {
    return read([&](LedgerReader& reader) -> Result<bool> {
      return reader.meta_is_set("keys_configured");
    });
  }

  Result<void> save_key(const KeyRecord& key) override {
    return write([&](RowWriter& rows) {
      rows.save_key(key);
      rows.set_meta("keys_configured", "1");
      return true;
    });
  }
  Result<void> note_keys_configured() override {
    return write([](RowWriter& rows) {
      rows.set_meta("keys_configured", "1");
      return true;
    });
  }
  Result<std::int64_t> retain_from(std::int64_t unix_ns) override {
    std::int64_t total = 0, removed = 0;
    do {
      const auto result = write([&](RowWriter& rows) {
        removed = rows.remove_before(unix_ns, remove_rows);
        return true;
      });
      if (!result) return result.error();
      total += removed;
    } while (removed > 0);
    return total;
  }
  Result<void> flush() override {
    return write([](RowWriter&) { return true; });
  }
  Result<void> backup(const std::string& file) override {
    const auto job = std::make_shared<BackupJob>(file, options_.vfs);
    return wait(
        {.work = LedgerJob::Background{[job](Database& source) { return job->step(source); }},
         .done = {}});
  }

 private:
  template <class Question>
  auto read(const Question& question) -> decltype(question(std::declval<LedgerReader&>())) {
    try {
      LedgerReader reader(options_.path, options_.vfs);
      return question(reader);
    } catch (const SqliteFailure& failure) {
      return unavailable(failure);
    }
  }
  Result<void> write(LedgerJob::Task task) { return wait({.work = std::move(task), .done = {}}); }
  Result<void> wait(LedgerJob job) {
    std::promise<Result<void>> promise;
    auto result = promise.get_future();
    job.done = [&promise](Result<void> outcome) { promise.set_value(std::move(outcome)); };
    writer_.add(std::move(job));
    return result.get();
  }

  const LedgerOptions options_;
  const LedgerLock lock_;
  const std::int64_t orphans_;
  LedgerWriter writer_;
};

// The file is made by us first, so that nobody else can read it, nor its WAL.
Result<void> make_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return Error(Fault::config, fmt::format("cannot open the ledger {}: {}", path,
                                            std::generic_category().message(errno)));
  }
  ::close(file);
  return {};
}

void prepare_connection(const Database& database) {
  database.run(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
      "PRAGMA mmap_size=0; PRAGMA journal_size_limit=134217728; PRAGMA cache_size=-16384;"
      "PRAGMA temp_store=MEMORY");
}

Result<void> check_small_file(const Database& database) {
  const std::int64_t bytes =
      database.integer("PRAGMA page_count") * database.integer("PRAGMA page_size");
  if (bytes > check_at_open_bytes) return {};
  Statement check = database.prepare("PRAGMA integrity_check(1)");
  if (check.step() && check.text(0) == "ok") return {};
  return Error(Fault::config, std::string(check.text(0)));
}

// What an earlier run left: settlements in the spill file, then attempts that were in flight.
std::int64_t finish_earlier_run(const Database& database, Spill& spill) {
  RowWriter rows(database);
  Transaction transaction(database, "BEGIN IMMEDIATE");
  for (const AttemptSettlement& settlement : spill.read()) rows.settle(settlement);
  const std::int64_t orphans = rows.settle_orphans();
  rows.finish();
  transaction.commit();
  spill.clear();
  return orphans;
}

}  // namespace

Result<std::unique_ptr<Ledger>> open_sqlite_ledger(const LedgerOptions& options) {
  auto lock = LedgerLock::take(options.path);
  if (!lock) return lock.error();
  if (const auto made = make_private(options.path); !made) return made.error();
  try {
    auto database =
        std::make_unique<Database>(options.path, Database::Mode::read_write, options.vfs);
    prepare_connection(*database);
    if (const auto sound = check_small_file(*database); !sound) {
      return Error(Fault::config,
                   fmt::format("the ledger {} is damaged ({}); restore a backup, or move it away "
                               "to start a new one",
                               options.path, sound.error().message()));
    }
    if (const auto migrated = migrate(*database, options.path); !migrated) return migrated.error();
    auto spill = std::make_unique<Spill>(options.path + ".spill");
    if (!spill->open() && options.problem)
      options.problem("ledger: no space can be set aside for the spill file");
    const std::int64_t orphans = finish_earlier_run(*database, *spill);
    return std::unique_ptr<Ledger>(std::make_unique<SqliteLedger>(
        options, std::move(*lock), orphans, std::move(database), std::move(spill)));
  } catch (const SqliteFailure& failure) {
    const char* what = failure.is_corruption() ? "is damaged" : "cannot be opened";
    return Error(Fault::config,
                 fmt::format("the ledger {} {}: {}{}", options.path, what, failure.what(),
                             failure.is_corruption()
                                 ? "; restore a backup, or move it away to start a new one"
                                 : ""));
  }
}

}  // namespace jevons
