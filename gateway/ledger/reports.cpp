#include "gateway/ledger/reports.h"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/ledger/rollup.h"
#include "gateway/ledger/spend_scan.h"
#include "gateway/ledger/stored_json.h"
#include "gateway/time_zone.h"

namespace jevons {
namespace {

constexpr std::int64_t ns_a_second = 1'000'000'000;
constexpr std::int64_t ids_a_slice = 20'000 << 8;

void append_csv(std::string& line, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
    line += field;
    return;
  }
  line += '"';
  for (const char c : field) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

// The sums as they must be, from the rows.
#define CELLS(kind, a, b, c)                                                                 \
  "SELECT " kind ", a.time / 900000000000 - (a.time % 900000000000 < 0), " a ", " b ", " c   \
  ", "                                                                                       \
  "a.firsts, count(*), sum(a.input + a.cache_read + a.cache_write_5m + a.cache_write_1h + "  \
  "a.audio_input + a.image_input), sum(a.cache_read), "                                      \
  "sum(a.cache_write_5m + a.cache_write_1h), sum(a.output + a.reasoning + a.audio_output), " \
  "sum(a.reasoning), coalesce(sum(a.cost), 0), sum(a.baseline), "                            \
  "coalesce(sum(CASE WHEN a.delivered THEN 0 ELSE a.cost END), 0) FROM attempts a "          \
  "JOIN requests r ON r.seq = a.id >> 8 WHERE a.state <> 0 AND "                    \
  "a.time >= (SELECT time FROM start) GROUP BY 1, 2, 3, 4, 5, 6"

constexpr std::string_view verify_sql =
    "WITH start(time) AS (SELECT coalesce((SELECT CAST(value AS INTEGER) FROM meta "
    "WHERE name = 'rows_from'), -9000000000000000000)), "
    "cells(kind, bucket, a, b, c, firsts, attempts, prompt, cached, cache_write, completion, "
    "reasoning, cost, baseline, overhead) AS ("
    CELLS("1", "a.target", "a.provider", "a.model") " UNION ALL "
    CELLS("2", "r.key", "r.tags", "r.team") " UNION ALL " CELLS("3", "r.policy", "r.task", "0")
    "), kept AS (SELECT * FROM rollup WHERE bucket >= coalesce((SELECT "
    "CAST(value AS INTEGER) / 900000000000 FROM meta WHERE name = 'rows_from'), -1000000000)), "
    "missing AS (SELECT * FROM cells EXCEPT SELECT * FROM kept), "
    "excess AS (SELECT * FROM kept EXCEPT SELECT * FROM cells) "
    "SELECT 'missing', kind, bucket, attempts, cost FROM missing UNION ALL "
    "SELECT 'too much', kind, bucket, attempts, cost FROM excess LIMIT 1";

}  // namespace

LedgerReader::LedgerReader(const std::string& path, const std::string& vfs)
    : database_(path, Database::Mode::read_only, vfs) {}

const std::string& LedgerReader::word(std::int64_t id) {
  const auto known = words_.find(id);
  if (known != words_.end()) return known->second;
  Statement query = database_.prepare("SELECT text FROM names WHERE id=?");
  query.bind(1, id);
  std::string text(query.step() ? query.text(0) : std::string_view());
  return words_.emplace(id, std::move(text)).first->second;
}

std::int64_t LedgerReader::meta_integer(std::string_view name) {
  Statement query = database_.prepare("SELECT CAST(value AS INTEGER) FROM meta WHERE name=?");
  query.bind(1, name);
  return query.step() ? query.integer(0) : 0;
}

bool LedgerReader::meta_is_set(std::string_view name) {
  Statement query = database_.prepare("SELECT 1 FROM meta WHERE name=?");
  query.bind(1, name);
  return query.step();
}

std::pair<std::int64_t, std::int64_t> LedgerReader::ids_of(std::int64_t first_bucket,
                                                           std::int64_t last_bucket) {
  Statement query = database_.prepare(
      "SELECT min(first_id), max(last_id) FROM buckets WHERE bucket >= ? AND bucket < ?");
  query.bind(1, first_bucket).bind(2, last_bucket);
  if (!query.step() || query.is_null(0)) return {0, -1};
  return {query.integer(0), query.integer(1)};
}

Result<std::vector<SpendRow>> LedgerReader::spend(const SpendQuery& query) {
  std::vector<SpendDimension> by;
  for (const std::string& text : query.by) {
    const auto dimension = spend_dimension(text);
    if (!dimension) return dimension.error();
    by.push_back(*dimension);
  }
  auto zone = TimeZone::load(query.tz);
  if (!zone) return Error(Fault::invalid_value, zone.error().message()).with_param("tz");
  return SpendScan(*this, std::move(by), std::move(*zone))
      .run(query.from_unix_ns, query.until_unix_ns);
}

// Of a row (time, key, tags, session, cost).
SpendSlice LedgerReader::slice_at(std::int64_t unix_s, const Statement& row) {
  return {.time_unix_s = unix_s,
          .key = word(row.integer(1)),
          .session = std::string(row.text(3)),
          .tags = tags_of_json(word(row.integer(2))),
          .cost = Nanodollars{row.integer(4)}};
}

std::vector<SpendSlice> LedgerReader::spend_since(std::int64_t unix_s, bool with_sessions) {
  std::vector<SpendSlice> slices;
  const std::int64_t from_ns = unix_s * ns_a_second;
  const std::int64_t newest = database_.integer("SELECT max(bucket) FROM buckets");
  // Sums cannot tell the minutes of a quarter hour apart; the last two are read row by row.
  std::int64_t rows_from = bucket_of(from_ns);
  if (!with_sessions) {
    const std::int64_t first = bucket_of(from_ns - 1) + 1;
    const std::int64_t last = std::max(first, newest - 1);
    Statement sums = database_.prepare(
        "SELECT bucket, a, b, '', sum(cost) FROM rollup WHERE kind=2 AND bucket>=? AND bucket<? "
        "GROUP BY bucket, a, b");
    sums.bind(1, first).bind(2, last);
    while (sums.step())
      slices.push_back(slice_at(sums.integer(0) * (bucket_ns / ns_a_second), sums));
    // The begun quarter hour in front of the first whole one.
    rows_from = last;
    if (first * bucket_ns != from_ns) {
      auto before = rows_since(from_ns, first * bucket_ns, false);
      slices.insert(slices.end(), before.begin(), before.end());
    }
  }
  auto rest = rows_since(std::max(from_ns, rows_from * bucket_ns), INT64_MAX, with_sessions);
  slices.insert(slices.end(), std::make_move_iterator(rest.begin()),
                std::make_move_iterator(rest.end()));
  auto unpriced = unpriced_since(from_ns, with_sessions);
  slices.insert(slices.end(), std::make_move_iterator(unpriced.begin()),
                std::make_move_iterator(unpriced.end()));
  return slices;
}

std::vector<SpendSlice> LedgerReader::unpriced_since(std::int64_t from_ns,
                                                     bool with_sessions) {
  std::vector<SpendSlice> slices;
  Statement query = database_.prepare(
      "SELECT a.time / 1000000000, r.key, r.tags, "
      "CASE ?2 WHEN 1 THEN coalesce(r.session, '') ELSE '' END, a.reserved "
      "FROM attempts a CROSS JOIN requests r ON r.seq = a.id >> 8 "
      "WHERE a.cost IS NULL AND a.state IN (1, 3) AND a.time >= ?1");
  query.bind(1, from_ns).bind(2, std::int64_t{with_sessions});
  while (query.step()) slices.push_back(slice_at(query.integer(0), query));
  return slices;
}

std::vector<SpendSlice> LedgerReader::rows_since(std::int64_t from_ns, std::int64_t until_ns,
                                                 bool with_sessions) {
  std::vector<SpendSlice> slices;
  const auto [first, last] = ids_of(bucket_of(from_ns), bucket_of(until_ns - 1) + 1);
  Statement query = database_.prepare(
      "SELECT a.time / 60000000000, r.key, r.tags, "
      "CASE ?5 WHEN 1 THEN coalesce(r.session, '') ELSE '' END, sum(a.cost) "
      "FROM attempts a CROSS JOIN requests r ON r.seq = a.id >> 8 WHERE a.id BETWEEN ?1 AND ?2 "
      "AND a.time >= ?3 AND a.time < ?4 AND a.cost > 0 GROUP BY 1, 2, 3, 4");
  for (std::int64_t at = first; at <= last; at += ids_a_slice) {
    query.bind(1, at).bind(2, std::min(last, at + ids_a_slice - 1)).bind(3, from_ns);
    query.bind(4, until_ns).bind(5, std::int64_t{with_sessions});
    while (query.step()) slices.push_back(slice_at(query.integer(0) * 60, query));
    query.reset();
  }
  return slices;
}

std::vector<KeyRecord> LedgerReader::keys() {
  std::vector<KeyRecord> keys;
  Statement query = database_.prepare(
      "SELECT id, name, hash, created, expires, revoked, limits FROM keys ORDER BY name, created");
  while (query.step()) {
    KeyRecord key;
    key.id = query.text(0);
    key.name = query.text(1);
    key.hash = query.text(2);
    key.created_unix_s = query.integer(3);
    key.expires_unix_s = query.integer(4);
    key.revoked_unix_s = query.integer(5);
    read_key_limits(query.text(6), key);
    keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<AuditRow> LedgerReader::audit_rows(std::int64_t from_unix_ns) {
  std::vector<AuditRow> rows;
  Statement query = database_.prepare(
      "SELECT time, who, what, detail, before_hash, after_hash FROM audit WHERE time >= ? "
      "ORDER BY seq");
  query.bind(1, from_unix_ns);
  while (query.step()) {
    rows.push_back({.time_unix_ns = query.integer(0),
                    .who = std::string(query.text(1)),
                    .what = std::string(query.text(2)),
                    .detail = std::string(query.text(3)),
                    .before_hash = std::string(query.text(4)),
                    .after_hash = std::string(query.text(5))});
  }
  return rows;
}

void LedgerReader::export_csv(const std::function<void(std::string_view)>& write) {
  Statement query = database_.prepare(
      "SELECT * FROM v1_attempts WHERE ledger_row BETWEEN ? AND ? ORDER BY ledger_row");
  std::string lines;
  for (int column = 1; column < query.columns(); ++column) {
    if (column > 1) lines += ',';
    lines += query.column_name(column);
  }
  lines += "\r\n";
  const auto [first, last] = ids_of(INT64_MIN, INT64_MAX);
  for (std::int64_t at = first; at <= last; at += ids_a_slice) {
    query.bind(1, at).bind(2, std::min(last, at + ids_a_slice - 1));
    while (query.step()) {
      for (int column = 1; column < query.columns(); ++column) {
        if (column > 1) lines += ',';
        append_csv(lines, query.text(column));
      }
      lines += "\r\n";
      if (lines.size() < 1 << 16) continue;
      write(lines);
      lines.clear();
    }
    query.reset();
  }
  write(lines);
}

Result<std::string> LedgerReader::verify() {
  Statement check = database_.prepare("PRAGMA integrity_check(20)");
  std::string damage;
  while (check.step())
    if (check.text(0) != "ok") damage += fmt::format("\n  {}", check.text(0));
  if (!damage.empty()) return Error(Fault::internal, "the file is damaged:" + damage);
  // One statement compares every cell of the sums with the rows, both ways, in one snapshot.
  Statement books = database_.prepare(verify_sql);
  if (books.step()) {
    return Error(Fault::internal,
                 fmt::format("the sums differ from the rows: {} of kind {} in the quarter hour "
                             "from {}: {} attempts, {} nanodollars",
                             books.text(0), books.integer(1),
                             utc_text(books.integer(2) * (bucket_ns / ns_a_second)),
                             books.integer(3), books.integer(4)));
  }
  const std::int64_t lost = database_.integer(
      "SELECT count(*) FROM attempts WHERE NOT EXISTS "
      "(SELECT 1 FROM requests WHERE seq = attempts.id >> 8)");
  if (lost > 0) return Error(Fault::internal, fmt::format("{} attempts have no request", lost));
  Statement counts = database_.prepare(
      "SELECT count(*), count(DISTINCT id >> 8), coalesce(sum(state = 0), 0), "
      "coalesce(sum(state = 3), 0), coalesce(sum(cost), 0) FROM attempts");
  counts.step();
  return fmt::format("ok: {} requests, {} attempts, {} open, {} orphaned, {} dollars",
                     counts.integer(1), counts.integer(0), counts.integer(2), counts.integer(3),
                     dollars_json(Nanodollars{counts.integer(4)}));
}

}  // namespace jevons
