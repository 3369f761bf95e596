// The one interface to the ledger. SQLite by default, later any PostgreSQL-wire database.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "router/error.h"
#include "router/ledger_record.h"
#include "router/replay.h"

namespace jevons {

// A virtual key as stored (contract.md 2). The secret is never here, only its HMAC.
struct KeyRecord {
  std::string name;
  std::string id;                     // public part of jv-<id>-<secret>
  std::string hash;                   // "hmac-sha256:<hex>" under the pepper
  std::vector<std::string> policies;  // empty: [default_policy]
  std::vector<std::string> models;    // globs on target names, empty: all
  double min_quality = 0;
  std::map<std::string, std::string> tags;
  std::vector<std::string> require_tags;
  std::int64_t requests_per_minute = 0;  // 0: no limit
  std::int64_t tokens_per_minute = 0;
  std::int64_t created_unix_s = 0;
  std::int64_t expires_unix_s = 0;  // exclusive; 0: never
  std::int64_t revoked_unix_s = 0;  // 0: not revoked; may be in the future (rotation overlap)
  bool from_config = false;
};

struct AuditRow {
  std::int64_t time_unix_ns = 0;
  std::string who, what, detail;
  std::string before_hash, after_hash;
};

// Where and when spend happened, to rebuild budget balances at start. What was billed at an unknown
// price stands with all that was reserved for it.
struct SpendSlice {
  std::int64_t time_unix_s = 0;  // of the intent: spend lands in the window of its intent
  std::string key, session;
  std::map<std::string, std::string> tags;
  Nanodollars cost;
};

struct SpendQuery {
  std::vector<std::string> by;  // model|target|provider|key|team|tag.NAME|policy|task|day|session
  std::int64_t from_unix_ns = 0, until_unix_ns = INT64_MAX;  // until is exclusive
  std::string tz = "UTC";
};

struct SpendRow {
  std::vector<std::string> by;  // values in the order of the query's keys
  std::int64_t requests = 0, attempts = 0;
  std::int64_t prompt = 0, cached = 0, cache_write = 0, completion = 0, reasoning = 0;
  Nanodollars cost, baseline, overhead;
  std::int64_t unpriced_requests = 0, estimated_requests = 0;
};

// Recorded decisions of a time, in the order they were made, a page at a time.
struct DecisionQuery {
  std::int64_t from_unix_ns = 0, until_unix_ns = INT64_MAX;  // until is exclusive
  std::int64_t after = 0;                                    // LoggedDecision::seq of the last read
  std::int64_t limit = 1'000;
  std::string reason;                // only those decided for it; empty: all
  std::optional<RequestId> request;  // only this one, whatever its time
};

struct DecisionPage {
  std::vector<LoggedDecision> rows;  // with all attempts that ended; open ones are left out
  std::int64_t first = 0, last = 0;  // numbers of the whole time, for progress
  bool more = false;
};

struct Feedback {
  RequestId request;
  std::string key;  // the caller's: another key's request is not found
  double score = 0;
  std::string source, label;
  std::int64_t time_unix_ns = 0;
};

class Ledger {
 public:
  using Done = std::function<void(Result<void>)>;

  virtual ~Ledger() = default;

  // Thread-safe. `done` runs once: on the ledger thread when the row is durable, or with
  // ledger_unavailable (queue full, 2 s passed, disk full, I/O error) on that thread, on the
  // watchdog's, or at once on the caller's. Duplicate (id, attempt): error.
  virtual void intend(AttemptIntent intent, Done done) = 0;
  // Thread-safe, never refused: kept in memory while the disk fails. Settling twice is ignored.
  // `done` may be empty.
  virtual void settle(AttemptSettlement settlement, Done done) = 0;
  // Fault::not_found for an unknown id or another key's.
  virtual void feedback(Feedback feedback, Done done) = 0;
  virtual void audit(AuditRow row) = 0;
  // False while new spend is refused.
  virtual bool healthy() const = 0;
  virtual std::int64_t queued() const = 0;

  // Blocking, for start-up, CLI and admin (a read-only connection; each query under 1 s where the
  // caller is remote).
  virtual Result<std::vector<SpendRow>> spend(const SpendQuery& query) = 0;
  // Spend of intents from that time on. Without sessions it is read from sums, fast at any size,
  // and `session` is empty.
  virtual Result<std::vector<SpendSlice>> spend_since(std::int64_t unix_s,
                                                      bool with_sessions = true) = 0;
  virtual Result<std::vector<KeyRecord>> keys() = 0;
  virtual Result<void> save_key(const KeyRecord& key) = 0;  // insert or replace by id
  virtual Result<std::vector<AuditRow>> audit_rows(std::int64_t from_unix_ns) = 0;
  virtual Result<void> backup(const std::string& file) = 0;
  virtual Result<std::string> verify() = 0;  // "ok" and counts, or what is wrong
  // Open attempts left by a crash, settled as orphaned estimates at open.
  virtual std::int64_t orphans_resolved() const = 0;
  // A key was created here or configured in some earlier run: no anonymous use any more.
  virtual Result<bool> keys_ever_configured() = 0;
  virtual Result<void> note_keys_configured() = 0;
  // Errors: ledger_unavailable, and internal from a ledger that keeps none.
  virtual Result<DecisionPage> decisions(const DecisionQuery& query);
  // Removes rows older than that (whole quarter hours); their sums stay in the reports. How many.
  virtual Result<std::int64_t> retain_from(std::int64_t unix_ns) = 0;
  // v1_attempts as CSV (RFC 4180) with a header line, in pieces.
  virtual Result<void> export_csv(const std::function<void(std::string_view)>& write) = 0;
  // Blocks until everything queued so far is durable. Errors: ledger_unavailable.
  virtual Result<void> flush() = 0;
};

struct LedgerOptions {
  std::string path;
  std::int64_t queue_max = 65'536;      // intents waiting; settles are not counted
  std::int64_t now_unix_ns = 0;         // stamp of orphan resolution
  std::int64_t intent_wait_ms = 2'000;  // after which an intent is answered ledger_unavailable
  std::function<void(const std::string&)> problem;  // one line for the log; any thread
  std::string vfs;                                  // SQLite VFS, empty: the system's
};

// Opens or creates, migrates forward after a backup, refuses a newer schema, resolves orphans.
Result<std::unique_ptr<Ledger>> open_sqlite_ledger(const LedgerOptions& options);

}  // namespace jevons
