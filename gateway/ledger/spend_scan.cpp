#include "gateway/ledger/spend_scan.h"

#include <algorithm>
#include <limits>

#include "gateway/ledger/stored_json.h"

namespace jevons {
namespace {

constexpr std::int64_t rows_a_slice = 50'000;  // requests read in one transaction
constexpr std::int64_t ns_a_second = 1'000'000'000;

constexpr std::array<std::pair<std::string_view, SpendBy>, 9> dimension_words = {{
    {"model", SpendBy::model},
    {"target", SpendBy::target},
    {"provider", SpendBy::provider},
    {"key", SpendBy::key},
    {"team", SpendBy::team},
    {"policy", SpendBy::policy},
    {"task", SpendBy::task},
    {"day", SpendBy::day},
    {"session", SpendBy::session},
}};

// ?1 kind, ?2 first bucket, ?3 last bucket (exclusive), ?4 the bit of first_of that counts
// requests, ?5 1 to keep the buckets apart.
constexpr std::string_view rollup_sql =
    "SELECT bucket * ?5, a, b, c, "
    "sum(CASE WHEN firsts & ?4 THEN attempts ELSE 0 END), sum(attempts), sum(prompt), "
    "sum(cached), sum(cache_write), sum(completion), sum(reasoning), sum(cost), sum(baseline), "
    "sum(overhead), sum(CASE WHEN firsts >> 5 & ?4 THEN attempts ELSE 0 END), "
    "sum(CASE WHEN firsts >> 10 & ?4 THEN attempts ELSE 0 END) "
    "FROM rollup WHERE kind = ?1 AND bucket >= ?2 AND bucket < ?3 GROUP BY 1, 2, 3, 4";

// ?1 and ?2 ids, ?3 and ?4 times, ?5 the bit, ?6 and on: 1 for every column that is asked for.
constexpr std::string_view rows_sql =
    "SELECT a.time / 900000000000 * ?6, a.target * ?7, a.provider * ?8, a.model * ?9, "
    "r.key * ?10, r.tags * ?11, r.team * ?12, r.policy * ?13, r.task * ?14, "
    "CASE ?15 WHEN 1 THEN coalesce(r.session, '') ELSE '' END, "
    "sum(firsts & ?5 <> 0), count(*), "
    "sum(a.input + a.cache_read + a.cache_write_5m + a.cache_write_1h + a.audio_input + "
    "a.image_input), sum(a.cache_read), sum(a.cache_write_5m + a.cache_write_1h), "
    "sum(a.output + a.reasoning + a.audio_output), sum(a.reasoning), "
    "coalesce(sum(a.cost), 0), sum(a.baseline), "
    "coalesce(sum(CASE WHEN a.delivered THEN 0 ELSE a.cost END), 0), "
    "sum(firsts >> 5 & ?5 <> 0), sum(firsts >> 10 & ?5 <> 0) "
    "FROM attempts a CROSS JOIN requests r ON r.seq = a.id >> 8 "
    "WHERE a.id BETWEEN ?1 AND ?2 AND a.time >= ?3 AND a.time < ?4 AND a.state <> 0 "
    "GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10";

std::int64_t ceil_bucket(std::int64_t unix_ns) {
  const std::int64_t bucket = bucket_of(unix_ns);
  return bucket * bucket_ns == unix_ns ? bucket : bucket + 1;
}

}  // namespace

Result<SpendDimension> spend_dimension(std::string_view text) {
  constexpr std::string_view tag_prefix = "tag.";
  for (const auto& [word, by] : dimension_words)
    if (word == text) return SpendDimension{.by = by, .tag = {}};
  if (text.starts_with(tag_prefix) && text.size() > tag_prefix.size())
    return SpendDimension{.by = SpendBy::tag, .tag = std::string(text.substr(tag_prefix.size()))};
  return Error(Fault::invalid_value,
               "unknown grouping '" + std::string(text) +
                   "'; known: model, target, provider, key, team, tag.NAME, policy, task, day, "
                   "session")
      .with_param("by");
}

SpendScan::SpendScan(LedgerReader& reader, std::vector<SpendDimension> by, TimeZone zone)
    : reader_(reader), by_(std::move(by)), zone_(std::move(zone)) {}

bool SpendScan::asks(SpendBy by) const {
  return std::any_of(by_.begin(), by_.end(), [&](const auto& one) { return one.by == by; });
}

std::int64_t SpendScan::first_bit() const {
  if (asks(SpendBy::target)) return first_of::target;
  if (asks(SpendBy::model) && asks(SpendBy::provider)) return first_of::provider_and_model;
  if (asks(SpendBy::model)) return first_of::model;
  if (asks(SpendBy::provider)) return first_of::provider;
  return first_of::request;
}

std::int64_t SpendScan::rollup_kind() const {
  const bool targets = asks(SpendBy::target) || asks(SpendBy::provider) || asks(SpendBy::model);
  const bool keys = asks(SpendBy::key) || asks(SpendBy::team) || asks(SpendBy::tag);
  const bool policies = asks(SpendBy::policy) || asks(SpendBy::task);
  if (asks(SpendBy::session) || int{targets} + int{keys} + int{policies} > 1) return 0;
  if (targets) return static_cast<std::int64_t>(RollupKind::target);
  if (keys) return static_cast<std::int64_t>(RollupKind::key);
  return static_cast<std::int64_t>(RollupKind::policy);
}

std::string SpendScan::value(const SpendDimension& dimension, const Group& group) {
  switch (dimension.by) {
    case SpendBy::model:
      return reader_.word(group.model);
    case SpendBy::target:
      return reader_.word(group.target);
    case SpendBy::provider:
      return reader_.word(group.provider);
    case SpendBy::key:
      return reader_.word(group.key);
    case SpendBy::team:
      return reader_.word(group.team);
    case SpendBy::policy:
      return reader_.word(group.policy);
    case SpendBy::task:
      return reader_.word(group.task);
    case SpendBy::day:
      return date_text(zone_, group.bucket * (bucket_ns / ns_a_second));
    case SpendBy::session:
      return std::string(group.session);
    case SpendBy::tag:
      break;
  }
  auto known = tags_.find(group.tags);
  if (known == tags_.end())
    known = tags_.emplace(group.tags, tags_of_json(reader_.word(group.tags))).first;
  const auto tag = known->second.find(dimension.tag);
  return tag == known->second.end() ? std::string() : tag->second;
}

void SpendScan::add(const Group& group, const Statement& sums, int first_column) {
  std::vector<std::string> values;
  values.reserve(by_.size());
  for (const SpendDimension& dimension : by_) values.push_back(value(dimension, group));
  const auto at = [&](int column) { return sums.integer(first_column + column); };
  SpendRow& row = rows_[values];
  row.by = std::move(values);
  row.requests += at(0);
  row.attempts += at(1);
  row.prompt += at(2);
  row.cached += at(3);
  row.cache_write += at(4);
  row.completion += at(5);
  row.reasoning += at(6);
  row.cost += Nanodollars{at(7)};
  row.baseline += Nanodollars{at(8)};
  row.overhead += Nanodollars{at(9)};
  row.unpriced_requests += at(10);
  row.estimated_requests += at(11);
}

void SpendScan::add_rollup(std::int64_t kind, std::int64_t first_bucket, std::int64_t last_bucket) {
  Statement query = reader_.database_.prepare(rollup_sql);
  query.bind(1, kind).bind(2, first_bucket).bind(3, last_bucket).bind(4, first_bit());
  query.bind(5, std::int64_t{asks(SpendBy::day)});
  while (query.step()) {
    Group group;
    group.bucket = query.integer(0);
    const std::int64_t a = query.integer(1), b = query.integer(2), c = query.integer(3);
    switch (static_cast<RollupKind>(kind)) {
      case RollupKind::target:
        group.target = a;
        group.provider = b;
        group.model = c;
        break;
      case RollupKind::key:
        group.key = a;
        group.tags = b;
        group.team = c;
        break;
      case RollupKind::policy:
        group.policy = a;
        group.task = b;
        break;
    }
    add(group, query, 4);
  }
}

void SpendScan::add_rows(std::int64_t from_unix_ns, std::int64_t until_unix_ns) {
  if (from_unix_ns >= until_unix_ns) return;
  const auto [first, last] = reader_.ids_of(bucket_of(from_unix_ns), ceil_bucket(until_unix_ns));
  Statement query = reader_.database_.prepare(rows_sql);
  const auto flag = [&](SpendBy by) { return std::int64_t{asks(by)}; };
  for (std::int64_t at = first; at <= last; at += rows_a_slice << 8) {
    const std::int64_t end = std::min(last, at + (rows_a_slice << 8) - 1);
    query.bind(1, at).bind(2, end).bind(3, from_unix_ns).bind(4, until_unix_ns);
    query.bind(5, first_bit()).bind(6, flag(SpendBy::day)).bind(7, flag(SpendBy::target));
    query.bind(8, flag(SpendBy::provider)).bind(9, flag(SpendBy::model));
    query.bind(10, flag(SpendBy::key)).bind(11, flag(SpendBy::tag)).bind(12, flag(SpendBy::team));
    query.bind(13, flag(SpendBy::policy)).bind(14, flag(SpendBy::task));
    query.bind(15, flag(SpendBy::session));
    while (query.step()) {
      const auto word = [&](int column) { return query.integer(column); };
      const Group group{.bucket = word(0),
                        .target = word(1),
                        .provider = word(2),
                        .model = word(3),
                        .key = word(4),
                        .tags = word(5),
                        .team = word(6),
                        .policy = word(7),
                        .task = word(8),
                        .session = query.text(9)};
      add(group, query, 10);
    }
    query.reset();
  }
}

std::vector<SpendRow> SpendScan::run(std::int64_t from_unix_ns, std::int64_t until_unix_ns) {
  // Rows before this time are removed and only their sums are left: the edges round outwards there.
  const std::int64_t kept_from = reader_.meta_integer("rows_from");
  std::int64_t first = ceil_bucket(from_unix_ns), last = bucket_of(until_unix_ns);
  if (from_unix_ns < kept_from) first = bucket_of(from_unix_ns);
  if (until_unix_ns < kept_from) last = ceil_bucket(until_unix_ns);
  const std::int64_t kind = rollup_kind();
  if (kind == 0) {
    add_rows(from_unix_ns, until_unix_ns);
  } else if (first >= last) {
    add_rows(from_unix_ns, until_unix_ns);
  } else {
    add_rollup(kind, first, last);
    add_rows(from_unix_ns, first * bucket_ns);
    add_rows(last * bucket_ns, until_unix_ns);
  }
  std::vector<SpendRow> rows;
  rows.reserve(rows_.size());
  for (auto& [values, row] : rows_)
    if (row.attempts > 0) rows.push_back(std::move(row));
  // Days in their order, everything else dearest first.
  if (!by_.empty() && by_.front().by != SpendBy::day)
    std::stable_sort(rows.begin(), rows.end(),
                     [](const SpendRow& a, const SpendRow& b) { return a.cost > b.cost; });
  return rows;
}

}  // namespace jevons
