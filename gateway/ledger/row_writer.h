// Every write to the tables, inside a transaction that the caller begins and ends. All its memory
// is a cache of the file, so that after a rollback forgetting it is enough.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/ledger/ledger.h"
#include "gateway/ledger/rollup.h"
#include "gateway/ledger/sqlite.h"

namespace jevons {

class RowWriter {
 public:
  explicit RowWriter(const Database& database);

  // False: this (request, attempt) is there already; nothing was written.
  bool intend(const AttemptIntent& intent);
  // False: unknown or not open any more; nothing was written.
  bool settle(const AttemptSettlement& settlement);
  // False: no such request of that key.
  bool feedback(const Feedback& feedback);
  void audit(const AuditRow& row);
  void save_key(const KeyRecord& key);
  void set_meta(std::string_view name, std::string_view value);
  // Attempts were begun here that are not settled yet.
  bool any_open() const { return !open_.empty(); }
  // Settles every open attempt as its estimate, state orphaned; how many there were.
  std::int64_t settle_orphans();
  // Removes up to `rows_max` attempts of the oldest quarter hour that ends before the time, and
  // what hangs on them; their sums stay. How many; 0: none is left.
  std::int64_t remove_before(std::int64_t unix_ns, std::int64_t rows_max);
  void finish();  // before COMMIT
  void forget();  // after ROLLBACK

 private:
  // What settling needs of an open attempt.
  struct Open {
    std::int64_t id = 0;
    RollupAttempt row;
    bool priced = true;
    bool alone = false;  // no other attempt of its request has begun
  };
  using OpenKey = std::pair<RequestId, int>;

  std::int64_t word(std::string_view text);
  // The request's number, new or known; `fresh` says which.
  std::int64_t seq_of(const RequestRecord& request, int attempt, bool& fresh);
  std::optional<std::int64_t> find_seq(const RequestId& id);
  bool insert_request(std::int64_t seq, const RequestRecord& request);
  bool insert_attempt(const Open& open, const AttemptIntent& intent);
  void update_attempt(const Open& open, const AttemptSettlement& settlement);
  std::optional<Open> read_open(std::int64_t attempt_id);
  void settle_orphan(std::int64_t attempt_id);
  void raise_meta(std::string_view name, std::int64_t value);  // never lowers it
  std::int64_t firsts(const Open& open, bool unpriced, bool estimated);

  const Database& database_;
  Rollup rollup_;
  std::unordered_map<std::string, std::int64_t> words_;
  std::map<OpenKey, Open> open_;
  std::int64_t next_seq_ = 0;  // 0: not read yet
  Statement find_word_, insert_word_, find_seq_, last_seq_, insert_request_, insert_decision_;
  Statement insert_attempt_, update_attempt_, read_open_, settle_orphan_, siblings_, open_ids_;
  Statement request_key_, feedback_, audit_, key_, meta_;
};

}  // namespace jevons
