// Sums that make reports fast: every settled attempt is added to three narrow tables of quarter
// hours, in the transaction that settles it, so that they always equal the rows.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <tuple>

#include "gateway/ledger/sqlite.h"

namespace jevons {

// All offsets of today's time zones are multiples of it, so days of any zone are sums of buckets.
inline constexpr std::int64_t bucket_ns = 900'000'000'000;
std::int64_t bucket_of(std::int64_t unix_ns);  // floor, also before 1970

enum class RollupKind : std::int64_t { target = 1, key = 2, policy = 3 };

// For which groupings an attempt is the first of its request that counts. Distinct requests by
// target are then the sum of those rows that have the target bit, and so on.
namespace first_of {
inline constexpr std::int64_t request = 1, target = 2, provider = 4, model = 8,
                              provider_and_model = 16, all = 31;
inline constexpr int unpriced_shift = 5;    // the same bits among unpriced attempts
inline constexpr int estimated_shift = 10;  // and among those with estimated tokens
}  // namespace first_of

// One settled attempt as the rollup sees it; words are numbers of `names`.
struct RollupAttempt {
  std::int64_t time = 0;
  std::int64_t target = 0, provider = 0, model = 0;
  std::int64_t key = 0, tags = 0, team = 0, policy = 0, task = 0;
  std::int64_t firsts = 0;
  std::int64_t prompt = 0, cached = 0, cache_write = 0, completion = 0, reasoning = 0;
  std::int64_t cost = 0, baseline = 0;
  bool delivered = false;
};

// Collects the changes of one transaction, so that a group of attempts touches each row once.
class Rollup {
 public:
  explicit Rollup(const Database& database);
  void add(const RollupAttempt& attempt);
  // Every attempt, at its intent. A quarter hour's range is written some way ahead of its attempts:
  // readers select by time within it.
  void note_id(std::int64_t time, std::int64_t attempt_id);
  void forget_ranges() { ranges_.clear(); }  // after rows of `buckets` were removed
  void write();                              // before COMMIT
  void discard();                            // after ROLLBACK

 private:
  using Cell = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                          std::int64_t>;  // kind, bucket, a, b, c, firsts
  using Sums = std::array<std::int64_t, 9>;
  void add_to(RollupKind kind, const RollupAttempt& attempt, std::int64_t a, std::int64_t b,
              std::int64_t c);

  std::map<Cell, Sums> cells_;
  using Ranges = std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>>;  // by bucket
  static constexpr std::size_t ranges_max = 1'000;
  Ranges ids_;     // to be written
  Ranges ranges_;  // in the file, once this transaction is
  Statement upsert_, bucket_;
};

}  // namespace jevons
