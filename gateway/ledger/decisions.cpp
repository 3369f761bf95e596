// Recorded decisions read back for `jevons replay`.
#include <algorithm>

#include "gateway/ledger/reports.h"
#include "gateway/ledger/rollup.h"
#include "gateway/ledger/stored_json.h"

namespace jevons {
namespace {

constexpr std::int64_t rows_max = 10'000;

Endpoint endpoint_of(std::string_view name) {
  for (const Endpoint endpoint :
       {Endpoint::completions, Endpoint::embeddings, Endpoint::responses, Endpoint::messages})
    if (name == endpoint_name(endpoint)) return endpoint;
  return Endpoint::chat;
}

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

std::string id_bytes(const RequestId& id) {
  std::string bytes;
  for (const std::uint64_t half : {id.high, id.low})
    for (int shift = 56; shift >= 0; shift -= 8)
      bytes.push_back(static_cast<char>(half >> shift & 0xff));
  return bytes;
}

constexpr const char* decisions_sql =
    "SELECT r.seq, r.id, r.time, r.key, r.tags, coalesce(r.session, ''), r.endpoint, "
    "r.requested_model, r.policy, r.rule, r.reason, r.difficulty, r.uncertainty, r.propensity, "
    "r.weights, d.layout, d.facts, "
    "(SELECT avg(score) FROM feedback WHERE feedback.seq = r.seq) "
    "FROM decisions d CROSS JOIN requests r ON r.seq = d.seq "
    "WHERE d.seq > ?1 AND d.seq <= ?2 AND r.time >= ?3 AND r.time < ?4 "
    "AND (?6 = '' OR r.reason = (SELECT id FROM names WHERE text = ?6)) ORDER BY d.seq LIMIT ?5";

constexpr const char* attempts_sql =
    "SELECT id & 255, started_on, target, cost, delivered, input, cache_read, cache_write_5m, "
    "cache_write_1h, audio_input, image_input, output, reasoning, audio_output "
    "FROM attempts WHERE id BETWEEN ?1 << 8 AND (?1 << 8) + 255 AND state <> 0 ORDER BY id";

}  // namespace

Result<DecisionPage> Ledger::decisions(const DecisionQuery&) {
  return Error(Fault::internal, "this ledger keeps no decisions");
}

DecisionPage LedgerReader::decisions(const DecisionQuery& query) {
  DecisionPage page;
  const auto [first, last] =
      ids_of(bucket_of(query.from_unix_ns), bucket_of(query.until_unix_ns - 1) + 1);
  page.first = first >> 8;
  page.last = last >> 8;
  if (query.request) {
    Statement found = database_.prepare("SELECT seq FROM requests WHERE id = ?1");
    const std::string id = id_bytes(*query.request);
    found.bind_blob(1, id);
    if (!found.step()) return {};
    page.first = page.last = found.integer(0);
  }
  const std::int64_t limit = std::clamp<std::int64_t>(query.limit, 1, rows_max);
  Statement rows = database_.prepare(decisions_sql);
  Statement attempts = database_.prepare(attempts_sql);
  rows.bind(1, std::max(query.after, page.first - 1)).bind(2, page.last);
  rows.bind(3, query.from_unix_ns).bind(4, query.until_unix_ns).bind(5, limit);
  rows.bind(6, query.reason);
  while (rows.step()) {
    LoggedDecision& one = page.rows.emplace_back();
    one.seq = rows.integer(0);
    RequestRecord& request = one.request;
    const std::string_view id = rows.blob(1);
    if (id.size() == 16) request.id = {big_endian(id.substr(0, 8)), big_endian(id.substr(8))};
    request.time_unix_ns = rows.integer(2);
    request.key = word(rows.integer(3));
    request.tags = tags_of_json(word(rows.integer(4)));
    request.session = rows.text(5);
    request.endpoint = endpoint_of(word(rows.integer(6)));
    request.requested_model = word(rows.integer(7));
    request.policy = word(rows.integer(8));
    request.rule = word(rows.integer(9));
    request.reason = word(rows.integer(10));
    request.difficulty = rows.real(11);
    request.uncertainty = rows.real(12);
    request.propensity = rows.real(13);
    request.weights_id = word(rows.integer(14));
    request.target_layout = word(rows.integer(15));
    request.decision = rows.blob(16);
    if (!rows.is_null(17)) one.score = rows.real(17);
    attempts.bind(1, one.seq);
    while (attempts.step()) {
      LoggedAttempt& attempt = one.attempts.emplace_back();
      attempt.attempt = static_cast<int>(attempts.integer(0));
      attempt.on = word(attempts.integer(1));
      attempt.target = word(attempts.integer(2));
      if (!attempts.is_null(3)) attempt.cost = Nanodollars{attempts.integer(3)};
      attempt.delivered = attempts.integer(4) != 0;
      for (std::size_t i = 0; i < token_class_count; ++i)
        attempt.usage.tokens[i].count = attempts.integer(5 + static_cast<int>(i));
    }
    attempts.reset();
  }
  page.more = static_cast<std::int64_t>(page.rows.size()) == limit;
  return page;
}

}  // namespace jevons
