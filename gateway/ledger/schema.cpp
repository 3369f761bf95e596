#include "gateway/ledger/schema.h"

#include <fmt/format.h>

#include <cstdio>

namespace jevons {
namespace {

// Version 1. Repeated words are numbers into `names` (0 is the empty text), so that rows stay
// narrow. An attempt's id is its request's seq * 256 + its number: rows of one request lie
// together, and both tables only ever grow at their end.
//   state: 0 open, 1 settled, 2 voided, 3 orphaned.
//   sources: two bits a token class in the order of TokenClass: 0 absent, 1 estimated, 2 measured.
// `rollup` holds the sums of all attempts that are not open, by 15 minutes and
//   kind 1: a target, b provider, c model;  2: a key, b tags, c team;  3: a policy, b task.
// `firsts` says of which groups the attempt was its request's first one (row_writer.cpp), so that
// distinct requests can be counted from sums. `buckets` says which attempt ids a quarter hour has.
constexpr const char* version_1 = R"sql(
CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE names(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO names VALUES(0, '');
CREATE TABLE requests(
  seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, time INTEGER NOT NULL,
  key INTEGER NOT NULL, team INTEGER NOT NULL, tags INTEGER NOT NULL, session TEXT,
  endpoint INTEGER NOT NULL, requested_model INTEGER NOT NULL, policy INTEGER NOT NULL,
  rule INTEGER NOT NULL, reason INTEGER NOT NULL, task INTEGER NOT NULL,
  difficulty REAL NOT NULL, uncertainty REAL NOT NULL, baseline_target INTEGER NOT NULL,
  propensity REAL NOT NULL, weights INTEGER NOT NULL) STRICT;
CREATE TABLE candidates(seq INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;
CREATE TABLE attempts(
  id INTEGER PRIMARY KEY, time INTEGER NOT NULL, started_on INTEGER NOT NULL,
  target INTEGER NOT NULL, provider INTEGER NOT NULL, model INTEGER NOT NULL,
  price INTEGER NOT NULL, mode INTEGER NOT NULL DEFAULT 0,
  reserved INTEGER NOT NULL, estimated INTEGER NOT NULL, priced INTEGER NOT NULL,
  state INTEGER NOT NULL DEFAULT 0, cost INTEGER, baseline INTEGER NOT NULL DEFAULT 0,
  delivered INTEGER NOT NULL DEFAULT 0, ended_by INTEGER NOT NULL DEFAULT 0,
  outcome INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0,
  error INTEGER NOT NULL DEFAULT 0, ttft_ms INTEGER NOT NULL DEFAULT 0, duration_ms INTEGER,
  input INTEGER NOT NULL, cache_read INTEGER NOT NULL, cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL, audio_input INTEGER NOT NULL, image_input INTEGER NOT NULL,
  output INTEGER NOT NULL, reasoning INTEGER NOT NULL, audio_output INTEGER NOT NULL,
  sources INTEGER NOT NULL, web_search_calls INTEGER NOT NULL DEFAULT 0,
  reported_cost INTEGER, suspicion TEXT, upstream_id TEXT,
  firsts INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX open_attempts ON attempts(id) WHERE state = 0;
CREATE TABLE buckets(bucket INTEGER PRIMARY KEY, first_id INTEGER NOT NULL,
                     last_id INTEGER NOT NULL) STRICT;
CREATE TABLE rollup(
  kind INTEGER NOT NULL, bucket INTEGER NOT NULL, a INTEGER NOT NULL, b INTEGER NOT NULL,
  c INTEGER NOT NULL, firsts INTEGER NOT NULL,
  attempts INTEGER NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL,
  cache_write INTEGER NOT NULL, completion INTEGER NOT NULL, reasoning INTEGER NOT NULL,
  cost INTEGER NOT NULL, baseline INTEGER NOT NULL, overhead INTEGER NOT NULL,
  PRIMARY KEY(kind, bucket, a, b, c, firsts)) STRICT, WITHOUT ROWID;
CREATE TABLE feedback(
  seq INTEGER NOT NULL, source TEXT NOT NULL, score REAL NOT NULL, label TEXT NOT NULL,
  time INTEGER NOT NULL, PRIMARY KEY(seq, source)) STRICT, WITHOUT ROWID;
CREATE TABLE keys(id TEXT PRIMARY KEY, name TEXT NOT NULL, hash TEXT NOT NULL,
                  created INTEGER NOT NULL, expires INTEGER NOT NULL, revoked INTEGER NOT NULL,
                  limits TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, who TEXT NOT NULL,
                   what TEXT NOT NULL, detail TEXT NOT NULL, before_hash TEXT NOT NULL,
                   after_hash TEXT NOT NULL) STRICT;
)sql";

// Version 2. What was decided on, as bytes of router/decision_record.h, with the names of the
// catalog's targets that its entries stand for. The text that version 1 kept could not be replayed.
constexpr const char* version_2 = R"sql(
DROP TABLE candidates;
CREATE TABLE decisions(seq INTEGER PRIMARY KEY, layout INTEGER NOT NULL, facts BLOB NOT NULL)
  STRICT;
)sql";

// Version 3. What was billed at an unknown price, for the budgets that go on holding it.
constexpr const char* version_3 =
    "CREATE INDEX unpriced_attempts ON attempts(time) WHERE cost IS NULL AND state IN (1, 3)";

// Words of a row that both views show the same way.
#define WORD(column, name) "(SELECT text FROM names WHERE id = nullif(" column ", 0)) AS " name ", "
#define SOURCE(shift)                                  \
  "CASE a.sources >> " #shift                          \
  " & 3 WHEN 0 THEN 'absent' WHEN 1 THEN 'estimated' " \
  "ELSE 'measured' END"
// Over the attempts of a request: the least certain source that any of them has.
#define SOURCES(shift)                 \
  "CASE WHEN sum(a.sources >> " #shift \
  " & 3 = 1) THEN 'estimated' "        \
  "WHEN sum(a.sources >> " #shift " & 3 = 2) THEN 'measured' ELSE 'absent' END"
#define TOKENS(column, shift) \
  "a." column " AS " column "_tokens, " SOURCE(shift) " AS " column "_source, "
#define SUM_TOKENS(column, shift) \
  "sum(a." column ") AS " column "_tokens, " SOURCES(shift) " AS " column "_source, "
#define EACH_CLASS(form)                                                                      \
  form("input", 0) form("cache_read", 2) form("cache_write_5m", 4) form("cache_write_1h", 6)  \
      form("audio_input", 8) form("image_input", 10) form("output", 12) form("reasoning", 14) \
          form("audio_output", 16)
#define PROMPT \
  "a.input + a.cache_read + a.cache_write_5m + a.cache_write_1h + a.audio_input + a.image_input"
#define REQUEST_WORDS                                                                           \
  "(SELECT text FROM names WHERE id = r.key) AS key, "                                          \
  "(SELECT text FROM names WHERE id = r.team) AS team, "                                        \
  "coalesce((SELECT text FROM names WHERE id = nullif(r.tags, 0)), '{}') AS tags, "             \
  "coalesce(r.session, '') AS session, " WORD("r.endpoint", "endpoint") WORD(                   \
      "r.requested_model",                                                                      \
      "requested_model") WORD("r.policy", "policy") WORD("r.rule", "rule") WORD("r.reason",     \
                                                                                "reason")       \
      WORD("r.task", "task") "r.difficulty AS difficulty, r.uncertainty AS uncertainty, " WORD( \
          "r.baseline_target",                                                                  \
          "baseline_target") "r.propensity AS propensity, " WORD("r.weights", "weights_id")
#define ATTEMPT_WORDS                                                                          \
  WORD("a.target", "target")                                                                   \
  WORD("a.provider", "provider")                                                               \
  WORD("a.model", "model") WORD("a.price", "price_id") WORD("a.mode", "mode")                  \
      WORD("a.ended_by", "ended_by") WORD("a.outcome", "outcome") "a.status AS status, " WORD( \
          "a.error",                                                                           \
          "error_code") "nullif(a.ttft_ms, -1) AS ttft_ms, a.upstream_id AS upstream_id, "

constexpr const char* view_attempts =
    "CREATE VIEW v1_attempts AS SELECT a.id AS ledger_row, "
    "'r-' || lower(hex(r.id)) AS request_id, a.id & 255 AS attempt, a.time AS time, "
    REQUEST_WORDS ATTEMPT_WORDS PROMPT
    " AS prompt_tokens, a.cache_read AS cached_tokens, "
    "a.cache_write_5m + a.cache_write_1h AS cache_write_tokens, "
    "a.output + a.reasoning + a.audio_output AS completion_tokens, " EACH_CLASS(TOKENS)
    "a.web_search_calls AS web_search_calls, a.cost AS cost_nanodollars, "
    "a.baseline AS baseline_nanodollars, a.reserved AS reserved_nanodollars, "
    "a.estimated AS estimated_nanodollars, a.reported_cost AS reported_cost_nanodollars, "
    "CASE a.state WHEN 0 THEN 'open' WHEN 1 THEN 'settled' WHEN 2 THEN 'voided' "
    "ELSE 'orphaned' END AS state, a.duration_ms AS duration_ms, a.delivered AS delivered, "
    "a.suspicion AS suspicion, (SELECT text FROM names WHERE id = a.started_on) AS started_on "
    "FROM attempts a JOIN requests r ON r.seq = a.id >> 8";

// Sums over the request's attempts; words of the one whose answer was delivered, else of the last.
// SQLite takes bare columns of an aggregate query with one max() from the row that has it.
constexpr const char* view_requests =
    "CREATE VIEW v1_requests AS SELECT r.seq AS ledger_row, "
    "'r-' || lower(hex(r.id)) AS request_id, count(*) AS attempts, r.time AS time, "
    REQUEST_WORDS ATTEMPT_WORDS "sum(" PROMPT
    ") AS prompt_tokens, sum(a.cache_read) AS cached_tokens, "
    "sum(a.cache_write_5m + a.cache_write_1h) AS cache_write_tokens, "
    "sum(a.output + a.reasoning + a.audio_output) AS completion_tokens, " EACH_CLASS(SUM_TOKENS)
    "sum(a.web_search_calls) AS web_search_calls, sum(a.cost) AS cost_nanodollars, "
    "sum(a.baseline) AS baseline_nanodollars, "
    "sum(CASE WHEN a.delivered THEN 0 ELSE coalesce(a.cost, 0) END) AS overhead_nanodollars, "
    "sum(a.cost IS NULL AND a.state IN (1, 3)) AS unpriced_attempts, "
    "CASE WHEN sum(a.state = 0) THEN 'open' WHEN sum(a.state = 3) THEN 'orphaned' "
    "WHEN sum(a.state = 1) THEN 'settled' ELSE 'voided' END AS state, "
    "(a.time - r.time) / 1000000 + a.duration_ms AS duration_ms, a.delivered AS delivered, "
    "max(a.delivered * 256 + (a.id & 255)) & 255 AS answered_by_attempt "
    "FROM requests r JOIN attempts a ON a.id BETWEEN r.seq << 8 AND (r.seq << 8) + 255 "
    "GROUP BY r.seq";

Result<void> config_error(std::string message) { return Error(Fault::config, std::move(message)); }

// A copy of the whole file as it was, beside it, before an older version is touched.
void back_up(const Database& database, const std::string& path, std::int64_t version) {
  const std::string copy = fmt::format("{}.bak-v{}", path, version);
  std::remove(copy.c_str());
  Statement statement(database, "VACUUM INTO ?");
  statement.bind(1, copy).run();
}

}  // namespace

const MigrationSteps& migration_steps() {
  static const std::string first =
      std::string(version_1) + view_attempts + ";" + view_requests + ";";
  static const MigrationSteps steps = {first.c_str(), version_2, version_3};
  return steps;
}

Result<void> migrate(Database& database, const std::string& path, const MigrationSteps& steps) {
  const std::int64_t id = database.integer("PRAGMA application_id");
  const std::int64_t version = database.integer("PRAGMA user_version");
  const auto newest = static_cast<std::int64_t>(steps.size());
  const std::int64_t tables = database.integer("SELECT count(*) FROM sqlite_schema");
  if (id != ledger_application_id && (id != 0 || version != 0 || tables != 0)) {
    return config_error(fmt::format(
        "{} is a database of another program; name another file under `ledger:`", path));
  }
  if (version > newest) {
    return config_error(
        fmt::format("{} was written by a newer Jevons (ledger version {}, this one knows {}); "
                    "run the newer Jevons or restore {}.bak-v{}",
                    path, version, newest, path, newest));
  }
  if (version < 0) return config_error(fmt::format("{} has no valid ledger version", path));
  if (version == newest) return {};
  if (version > 0) back_up(database, path, version);
  for (std::int64_t at = version; at < newest; ++at) {
    Transaction transaction(database, "BEGIN IMMEDIATE");
    database.run(steps[static_cast<std::size_t>(at)]);
    // tidy-ok(sql): a PRAGMA takes no parameters, and both are numbers of ours
    database.run(fmt::format("PRAGMA user_version={}", at + 1).c_str());
    // tidy-ok(sql): likewise
    database.run(fmt::format("PRAGMA application_id={}", ledger_application_id).c_str());
    transaction.commit();
  }
  return {};
}

}  // namespace jevons
