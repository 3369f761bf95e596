#include "gateway/ledger/rollup.h"

#include <algorithm>

namespace jevons {

std::int64_t bucket_of(std::int64_t unix_ns) {
  const std::int64_t quotient = unix_ns / bucket_ns;
  return unix_ns % bucket_ns < 0 ? quotient - 1 : quotient;
}

Rollup::Rollup(const Database& database)
    : upsert_(database,
              "INSERT INTO rollup VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15) "
              "ON CONFLICT DO UPDATE SET attempts=attempts+?7, prompt=prompt+?8, cached=cached+?9, "
              "cache_write=cache_write+?10, completion=completion+?11, reasoning=reasoning+?12, "
              "cost=cost+?13, baseline=baseline+?14, overhead=overhead+?15"),
      bucket_(database,
              "INSERT INTO buckets VALUES(?1,?2,?3) ON CONFLICT DO UPDATE SET "
              "first_id=min(first_id,?2), last_id=max(last_id,?3)") {}

void Rollup::add_to(RollupKind kind, const RollupAttempt& attempt, std::int64_t a, std::int64_t b,
                    std::int64_t c) {
  Sums& sums = cells_[Cell{static_cast<std::int64_t>(kind), bucket_of(attempt.time), a, b, c,
                           attempt.firsts}];
  const Sums more = {1,
                     attempt.prompt,
                     attempt.cached,
                     attempt.cache_write,
                     attempt.completion,
                     attempt.reasoning,
                     attempt.cost,
                     attempt.baseline,
                     attempt.delivered ? 0 : attempt.cost};
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += more[i];
}

void Rollup::add(const RollupAttempt& attempt) {
  add_to(RollupKind::target, attempt, attempt.target, attempt.provider, attempt.model);
  add_to(RollupKind::key, attempt, attempt.key, attempt.tags, attempt.team);
  add_to(RollupKind::policy, attempt, attempt.policy, attempt.task, 0);
}

void Rollup::note_id(std::int64_t time, std::int64_t attempt_id) {
  constexpr std::int64_t ahead = 256 * 256 - 1;  // the ids of 256 requests
  const std::int64_t bucket = bucket_of(time);
  const auto known = ranges_.find(bucket);
  if (known != ranges_.end() && known->second.first <= attempt_id &&
      attempt_id <= known->second.second)
    return;
  if (ranges_.size() >= ranges_max) ranges_.clear();
  const std::pair<std::int64_t, std::int64_t> range = {attempt_id, attempt_id | ahead};
  const auto [at, fresh] = ranges_.try_emplace(bucket, range);
  if (!fresh) {
    at->second.first = std::min(at->second.first, range.first);
    at->second.second = std::max(at->second.second, range.second);
  }
  ids_[bucket] = at->second;
}

void Rollup::write() {
  for (const auto& [cell, sums] : cells_) {
    const auto& [kind, bucket, a, b, c, firsts] = cell;
    upsert_.bind(1, kind).bind(2, bucket).bind(3, a).bind(4, b).bind(5, c).bind(6, firsts);
    for (std::size_t i = 0; i < sums.size(); ++i) upsert_.bind(static_cast<int>(i) + 7, sums[i]);
    upsert_.run();
  }
  for (const auto& [bucket, ids] : ids_)
    bucket_.bind(1, bucket).bind(2, ids.first).bind(3, ids.second).run();
  cells_.clear();
  ids_.clear();
}

void Rollup::discard() {
  cells_.clear();
  ids_.clear();
  ranges_.clear();
}

}  // namespace jevons
