// Every read of the ledger, on a read-only connection of its own. No transaction stays open for
// long: large scans go in slices of rows, because an open read keeps the WAL from starting afresh.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/ledger/ledger.h"
#include "gateway/ledger/sqlite.h"

namespace jevons {

// One use each: opened for a question, closed after it. All methods throw SqliteFailure.
class LedgerReader {
 public:
  LedgerReader(const std::string& path, const std::string& vfs);

  // Errors: invalid_value for an unknown `by`, a bad tag name or time zone.
  Result<std::vector<SpendRow>> spend(const SpendQuery& query);
  std::vector<SpendSlice> spend_since(std::int64_t unix_s, bool with_sessions);
  std::vector<KeyRecord> keys();
  bool meta_is_set(std::string_view name);
  std::vector<AuditRow> audit_rows(std::int64_t from_unix_ns);
  void export_csv(const std::function<void(std::string_view)>& write);
  DecisionPage decisions(const DecisionQuery& query);
  // "ok: ..." with counts, or Fault::internal with what is wrong.
  Result<std::string> verify();

 private:
  friend class SpendScan;
  const std::string& word(std::int64_t id);
  std::int64_t meta_integer(std::string_view name);
  SpendSlice slice_at(std::int64_t unix_s, const Statement& row);
  // What was reserved for attempts of unknown price, a slice each.
  std::vector<SpendSlice> unpriced_since(std::int64_t from_ns, bool with_sessions);
  std::vector<SpendSlice> rows_since(std::int64_t from_ns, std::int64_t until_ns,
                                     bool with_sessions);
  // The attempt ids that lie in these quarter hours, last exclusive; {0, -1} if none.
  std::pair<std::int64_t, std::int64_t> ids_of(std::int64_t first_bucket, std::int64_t last_bucket);

  Database database_;
  std::map<std::int64_t, std::string> words_;
};

}  // namespace jevons
