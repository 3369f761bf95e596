#include "gateway/ledger/row_writer.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "gateway/ledger/stored_json.h"

namespace jevons {
namespace {

constexpr std::size_t words_max = 65'536;  // cached; the table itself may hold more
constexpr int attempts_max = 255;          // an attempt's number is one byte of its id

enum State : std::int64_t { state_open = 0, state_settled = 1, state_voided = 2 };

// The 16 bytes of an id, most significant first, so that their order is the ids' order.
std::array<char, 16> id_bytes(const RequestId& id) {
  std::array<char, 16> bytes{};
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(id.high >> (56 - 8 * i) & 0xff);
    bytes[8 + i] = static_cast<char>(id.low >> (56 - 8 * i) & 0xff);
  }
  return bytes;
}

std::string_view view(const std::array<char, 16>& bytes) { return {bytes.data(), bytes.size()}; }

// Binds one value after the other.
class Binder {
 public:
  explicit Binder(Statement& statement) : statement_(statement) {}
  Binder& operator<<(std::int64_t value) {
    statement_.bind(++at_, value);
    return *this;
  }
  Binder& operator<<(double value) {
    statement_.bind(++at_, value);
    return *this;
  }
  Binder& operator<<(std::string_view text) {
    statement_.bind(++at_, text);
    return *this;
  }
  Binder& blob(std::string_view bytes) {
    statement_.bind_blob(++at_, bytes);
    return *this;
  }
  Binder& null() {
    statement_.bind_null(++at_);
    return *this;
  }
  // The empty text is stored as NULL: most rows have none.
  Binder& text_or_null(std::string_view text) {
    if (text.empty()) return null();
    return *this << text;
  }

 private:
  Statement& statement_;
  int at_ = 0;
};

// Counts in column order, then the packed sources. Never negative, whatever an upstream claims.
void bind_tokens(Binder& binder, const Usage& usage) {
  std::int64_t sources = 0;
  for (std::size_t i = 0; i < token_class_count; ++i) {
    binder << std::max<std::int64_t>(usage.tokens[i].count, 0);
    sources |= static_cast<std::int64_t>(usage.tokens[i].source) << (2 * i);
  }
  binder << sources;
}

void set_tokens(RollupAttempt& row, const Usage& usage) {
  const auto of = [&](TokenClass c) { return std::max<std::int64_t>(usage[c].count, 0); };
  row.cached = of(TokenClass::cache_read);
  row.cache_write = of(TokenClass::cache_write_5m) + of(TokenClass::cache_write_1h);
  row.prompt = of(TokenClass::input) + row.cached + row.cache_write + of(TokenClass::audio_input) +
               of(TokenClass::image_input);
  row.reasoning = of(TokenClass::reasoning);
  row.completion = of(TokenClass::output) + row.reasoning + of(TokenClass::audio_output);
}

}  // namespace

RowWriter::RowWriter(const Database& database)
    : database_(database),
      rollup_(database),
      find_word_(database, "SELECT id FROM names WHERE text=?"),
      insert_word_(database, "INSERT INTO names(text) VALUES(?)"),
      find_seq_(database, "SELECT seq FROM requests WHERE id=?"),
      last_seq_(database,
                "SELECT max(coalesce((SELECT max(seq) FROM requests),0),"
                "coalesce((SELECT max(last_id)>>8 FROM buckets),0))"),
      insert_request_(database,
                      "INSERT INTO requests VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
                      "ON CONFLICT(id) DO NOTHING"),
      insert_decision_(database, "INSERT INTO decisions VALUES(?,?,?)"),
      insert_attempt_(
          database,
          "INSERT INTO attempts(id,time,started_on,target,provider,model,price,reserved,"
          "estimated,priced,input,cache_read,cache_write_5m,cache_write_1h,audio_input,"
          "image_input,output,reasoning,audio_output,sources) "
          "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO NOTHING"),
      update_attempt_(
          database,
          "UPDATE attempts SET input=?,cache_read=?,cache_write_5m=?,cache_write_1h=?,"
          "audio_input=?,image_input=?,output=?,reasoning=?,audio_output=?,sources=?,state=?,"
          "cost=?,baseline=?,delivered=?,ended_by=?,outcome=?,status=?,error=?,ttft_ms=?,"
          "duration_ms=?,mode=?,price=coalesce(?,price),web_search_calls=?,reported_cost=?,"
          "suspicion=?,upstream_id=?,firsts=? WHERE id=?"),
      read_open_(database,
                 "SELECT a.time,a.target,a.provider,a.model,r.key,r.tags,r.team,r.policy,r.task,"
                 "a.priced,a.reserved,a.estimated,a.input+a.cache_read+a.cache_write_5m+"
                 "a.cache_write_1h+a.audio_input+a.image_input,a.cache_read,"
                 "a.cache_write_5m+a.cache_write_1h,a.output+a.reasoning+a.audio_output,"
                 "a.reasoning FROM attempts a JOIN requests r ON r.seq=a.id>>8 "
                 "WHERE a.id=? AND a.state=0"),
      settle_orphan_(database,
                     "UPDATE attempts SET state=3,cost=?,ended_by=?,outcome=?,ttft_ms=-1,"
                     "firsts=? WHERE id=?"),
      siblings_(database,
                "SELECT target,provider,model,cost IS NULL AND state<>2,"
                "sources & 87381 AND state<>2 FROM attempts "
                "WHERE id BETWEEN ?1<<8 AND (?1<<8)+255 AND state<>0 AND id<>?2"),
      open_ids_(database, "SELECT id FROM attempts WHERE state=0"),
      request_key_(database,
                   "SELECT (SELECT text FROM names WHERE id=key) FROM requests WHERE seq=?"),
      feedback_(database,
                "INSERT INTO feedback VALUES(?1,?2,?3,?4,?5) ON CONFLICT DO UPDATE SET "
                "score=?3,label=?4,time=?5"),
      audit_(database,
             "INSERT INTO audit(time,who,what,detail,before_hash,after_hash) "
             "VALUES(?,?,?,?,?,?)"),
      key_(database, "INSERT OR REPLACE INTO keys VALUES(?,?,?,?,?,?,?)"),
      meta_(database, "INSERT OR REPLACE INTO meta VALUES(?,?)") {}

std::int64_t RowWriter::word(std::string_view text) {
  if (text.empty()) return 0;
  std::string key(text);
  const auto known = words_.find(key);
  if (known != words_.end()) return known->second;
  std::int64_t id = 0;
  find_word_.bind(1, text);
  if (find_word_.step()) id = find_word_.integer(0);
  find_word_.reset();
  if (id == 0) {
    insert_word_.bind(1, text).run();
    id = sqlite3_last_insert_rowid(database_.handle());
  }
  if (words_.size() >= words_max) words_.clear();
  words_.emplace(std::move(key), id);
  return id;
}

std::optional<std::int64_t> RowWriter::find_seq(const RequestId& id) {
  const auto open = open_.lower_bound({id, 0});
  if (open != open_.end() && open->first.first == id) return open->second.id >> 8;
  const auto bytes = id_bytes(id);
  std::optional<std::int64_t> seq;
  find_seq_.bind_blob(1, view(bytes));
  if (find_seq_.step()) seq = find_seq_.integer(0);
  find_seq_.reset();
  return seq;
}

bool RowWriter::insert_request(std::int64_t seq, const RequestRecord& request) {
  const auto bytes = id_bytes(request.id);
  const std::string tags = tags_json(request.tags);
  Binder binder(insert_request_);
  binder << seq;
  binder.blob(view(bytes)) << request.time_unix_ns << word(request.key) << word(request.team)
                           << word(tags);
  binder.text_or_null(request.session)
      << word(endpoint_name(request.endpoint)) << word(request.requested_model)
      << word(request.policy) << word(request.rule) << word(request.reason) << word(request.task)
      << request.difficulty << request.uncertainty << word(request.baseline_target)
      << request.propensity << word(request.weights_id);
  insert_request_.run();
  if (database_.changes() == 0) return false;
  if (request.decision.empty()) return true;
  insert_decision_.bind(1, seq).bind(2, word(request.target_layout));
  insert_decision_.bind_blob(3, request.decision).run();
  return true;
}

std::int64_t RowWriter::seq_of(const RequestRecord& request, int attempt, bool& fresh) {
  fresh = false;
  // A first attempt is nearly always a new request: its insert finds out.
  if (attempt > 1)
    if (const auto seq = find_seq(request.id)) return *seq;
  if (next_seq_ == 0) {
    last_seq_.step();
    next_seq_ = last_seq_.integer(0) + 1;
    last_seq_.reset();
  }
  if (insert_request(next_seq_, request)) {
    fresh = true;
    return next_seq_++;
  }
  return find_seq(request.id).value_or(0);
}

bool RowWriter::insert_attempt(const Open& open, const AttemptIntent& intent) {
  Binder binder(insert_attempt_);
  binder << open.id << intent.time_unix_ns << word(intent.on) << open.row.target
         << open.row.provider << open.row.model << word(intent.price_id) << intent.reserved.value
         << intent.estimated.value << std::int64_t{intent.priced};
  bind_tokens(binder, intent.estimated_usage);
  insert_attempt_.run();
  return database_.changes() > 0;
}

bool RowWriter::intend(const AttemptIntent& intent) {
  if (intent.attempt < 1 || intent.attempt > attempts_max) return false;
  bool fresh = false;
  const std::int64_t seq = seq_of(intent.request, intent.attempt, fresh);
  Open open;
  open.id = seq << 8 | intent.attempt;
  open.priced = intent.priced;
  open.alone = fresh;
  open.row.time = intent.time_unix_ns;
  open.row.target = word(intent.target);
  open.row.provider = word(intent.provider);
  open.row.model = word(intent.model);
  open.row.key = word(intent.request.key);
  const std::string tags = tags_json(intent.request.tags);
  open.row.tags = word(tags);
  open.row.team = word(intent.request.team);
  open.row.policy = word(intent.request.policy);
  open.row.task = word(intent.request.task);
  if (!insert_attempt(open, intent)) return false;
  rollup_.note_id(open.row.time, open.id);
  if (!fresh) {
    for (auto other = open_.lower_bound({intent.request.id, 0});
         other != open_.end() && other->first.first == intent.request.id; ++other)
      other->second.alone = false;
  }
  open_[{intent.request.id, intent.attempt}] = open;
  return true;
}

std::optional<RowWriter::Open> RowWriter::read_open(std::int64_t attempt_id) {
  read_open_.bind(1, attempt_id);
  std::optional<Open> open;
  if (read_open_.step()) {
    const auto at = [&](int column) { return read_open_.integer(column); };
    open.emplace();
    open->id = attempt_id;
    open->row = {.time = at(0),
                 .target = at(1),
                 .provider = at(2),
                 .model = at(3),
                 .key = at(4),
                 .tags = at(5),
                 .team = at(6),
                 .policy = at(7),
                 .task = at(8),
                 .firsts = 0,
                 .prompt = at(12),
                 .cached = at(13),
                 .cache_write = at(14),
                 .completion = at(15),
                 .reasoning = at(16),
                 .cost = 0,
                 .baseline = 0,
                 .delivered = false};
    open->priced = at(9) != 0;
    // The estimate of an orphan, within what was reserved for it.
    open->row.cost = std::clamp<std::int64_t>(at(11), 0, std::max<std::int64_t>(at(10), 0));
  }
  read_open_.reset();
  return open;
}

std::int64_t RowWriter::firsts(const Open& open, bool unpriced, bool estimated) {
  std::int64_t all = first_of::all;
  std::int64_t among_unpriced = unpriced ? first_of::all : 0;
  std::int64_t among_estimated = estimated ? first_of::all : 0;
  if (!open.alone) {
    siblings_.bind(1, open.id >> 8).bind(2, open.id);
    while (siblings_.step()) {
      std::int64_t seen = first_of::request;
      const bool provider = siblings_.integer(1) == open.row.provider;
      const bool model = siblings_.integer(2) == open.row.model;
      if (siblings_.integer(0) == open.row.target) seen |= first_of::target;
      if (provider) seen |= first_of::provider;
      if (model) seen |= first_of::model;
      if (provider && model) seen |= first_of::provider_and_model;
      all &= ~seen;
      if (siblings_.integer(3)) among_unpriced &= ~seen;
      if (siblings_.integer(4)) among_estimated &= ~seen;
    }
    siblings_.reset();
  }
  return all | among_unpriced << first_of::unpriced_shift |
         among_estimated << first_of::estimated_shift;
}

void RowWriter::update_attempt(const Open& open, const AttemptSettlement& settlement) {
  const bool voided = settlement.state == AttemptState::voided;
  Binder binder(update_attempt_);
  bind_tokens(binder, settlement.usage);
  binder << (voided ? state_voided : state_settled);
  if (settlement.cost || voided)
    binder << open.row.cost;
  else
    binder.null();
  binder << open.row.baseline << std::int64_t{settlement.delivered}
         << word(ended_by_name(settlement.ended_by)) << word(outcome_name(settlement.outcome))
         << std::int64_t{settlement.status} << word(settlement.error_code) << settlement.ttft_ms
         << settlement.duration_ms << word(settlement.mode);
  if (voided && settlement.price_id.empty())
    binder.null();
  else
    binder << word(settlement.price_id);
  binder << settlement.usage.web_search_calls;
  if (settlement.usage.reported_cost)
    binder << settlement.usage.reported_cost->value;
  else
    binder.null();
  binder.text_or_null(settlement.usage.suspicion).text_or_null(settlement.upstream_id)
      << open.row.firsts << open.id;
  update_attempt_.run();
}

bool RowWriter::settle(const AttemptSettlement& settlement) {
  std::optional<Open> open;
  const OpenKey key{settlement.request, settlement.attempt};
  if (const auto cached = open_.find(key); cached != open_.end()) {
    open = cached->second;
    open_.erase(cached);
  } else if (const auto seq = find_seq(settlement.request)) {
    open = read_open(*seq << 8 | settlement.attempt);
  }
  if (!open) return false;
  const bool voided = settlement.state == AttemptState::voided;
  RollupAttempt& row = open->row;
  set_tokens(row, settlement.usage);
  row.cost = std::max<std::int64_t>(settlement.cost.value_or(Nanodollars{}).value, 0);
  row.baseline = settlement.delivered ? settlement.baseline.value : 0;
  row.delivered = settlement.delivered;
  row.firsts =
      firsts(*open, !voided && !settlement.cost, !voided && settlement.usage.any_estimated());
  update_attempt(*open, settlement);
  rollup_.add(row);
  return true;
}

void RowWriter::settle_orphan(std::int64_t attempt_id) {
  auto open = read_open(attempt_id);
  if (!open) return;
  if (!open->priced) open->row.cost = 0;
  Binder binder(settle_orphan_);
  if (open->priced)
    binder << open->row.cost;
  else
    binder.null();
  // Its cost is an estimate even where its tokens are not marked so.
  open->row.firsts = firsts(*open, !open->priced, true);
  binder << word(ended_by_name(EndedBy::gateway)) << word(outcome_name(Outcome::gateway_error))
         << open->row.firsts << attempt_id;
  settle_orphan_.run();
  rollup_.add(open->row);
}

std::int64_t RowWriter::settle_orphans() {
  std::vector<std::int64_t> ids;
  while (open_ids_.step()) ids.push_back(open_ids_.integer(0));
  open_ids_.reset();
  for (const std::int64_t id : ids) settle_orphan(id);
  open_.clear();
  return static_cast<std::int64_t>(ids.size());
}

bool RowWriter::feedback(const Feedback& feedback) {
  const auto seq = find_seq(feedback.request);
  if (!seq) return false;
  request_key_.bind(1, *seq);
  const bool own = request_key_.step() && request_key_.text(0) == feedback.key;
  request_key_.reset();
  if (!own) return false;
  Binder binder(feedback_);
  binder << *seq << feedback.source << feedback.score << feedback.label << feedback.time_unix_ns;
  feedback_.run();
  return true;
}

void RowWriter::audit(const AuditRow& row) {
  Binder binder(audit_);
  binder << row.time_unix_ns << row.who << row.what << row.detail << row.before_hash
         << row.after_hash;
  audit_.run();
}

void RowWriter::save_key(const KeyRecord& key) {
  const std::string limits = key_limits_json(key);
  Binder binder(key_);
  binder << key.id << key.name << key.hash << key.created_unix_s << key.expires_unix_s
         << key.revoked_unix_s << limits;
  key_.run();
}

void RowWriter::set_meta(std::string_view name, std::string_view value) {
  meta_.bind(1, name).bind(2, value).run();
}

std::int64_t RowWriter::remove_before(std::int64_t unix_ns, std::int64_t rows_max) {
  // Prepared here: it runs once a day. What is still open stays, whatever its age.
  Statement oldest = database_.prepare(
      "SELECT bucket, first_id, last_id FROM buckets WHERE bucket < ?1 AND EXISTS (SELECT 1 FROM "
      "attempts WHERE id BETWEEN first_id AND last_id AND time >= bucket * ?2 AND "
      "time < (bucket + 1) * ?2 AND state <> 0) ORDER BY bucket LIMIT 1");
  oldest.bind(1, bucket_of(unix_ns)).bind(2, bucket_ns);
  if (!oldest.step()) return 0;
  const std::int64_t bucket = oldest.integer(0);
  const std::int64_t first = oldest.integer(1), last = oldest.integer(2);
  oldest.reset();
  raise_meta("rows_from", (bucket + 1) * bucket_ns);
  const auto in_bucket = [&](std::string_view sql) {
    Statement statement = database_.prepare(sql);
    statement.bind(1, first).bind(2, last).bind(3, bucket * bucket_ns);
    statement.bind(4, (bucket + 1) * bucket_ns).bind(5, rows_max);
    statement.run();
    return database_.changes();
  };
  const std::int64_t removed = in_bucket(
      "DELETE FROM attempts WHERE id IN (SELECT id FROM attempts WHERE id BETWEEN ?1 AND ?2 "
      "AND time >= ?3 AND time < ?4 AND state <> 0 LIMIT ?5)");
  if (removed == rows_max) return removed;
  in_bucket(
      "DELETE FROM buckets WHERE bucket = ?3 / 900000000000 AND ?4 AND ?5 AND NOT EXISTS "
      "(SELECT 1 FROM attempts WHERE id BETWEEN ?1 AND ?2 AND time >= ?3 AND time < ?4)");
  constexpr std::string_view left_behind[] = {
      "DELETE FROM decisions WHERE seq BETWEEN ?1 AND ?2 AND NOT EXISTS (SELECT 1 FROM attempts "
      "WHERE id BETWEEN decisions.seq << 8 AND (decisions.seq << 8) + 255)",
      "DELETE FROM feedback WHERE seq BETWEEN ?1 AND ?2 AND NOT EXISTS (SELECT 1 FROM attempts "
      "WHERE id BETWEEN feedback.seq << 8 AND (feedback.seq << 8) + 255)",
      "DELETE FROM requests WHERE seq BETWEEN ?1 AND ?2 AND NOT EXISTS (SELECT 1 FROM attempts "
      "WHERE id BETWEEN requests.seq << 8 AND (requests.seq << 8) + 255)"};
  for (const std::string_view sql : left_behind)
    database_.prepare(sql).bind(1, first >> 8).bind(2, last >> 8).run();
  rollup_.forget_ranges();
  return removed;
}

void RowWriter::raise_meta(std::string_view name, std::int64_t value) {
  Statement raise = database_.prepare(
      "INSERT INTO meta VALUES(?1, ?2) ON CONFLICT DO UPDATE SET value = ?2 "
      "WHERE CAST(value AS INTEGER) < CAST(?2 AS INTEGER)");
  const std::string text = std::to_string(value);
  raise.bind(1, name).bind(2, text).run();
}

void RowWriter::finish() { rollup_.write(); }

void RowWriter::forget() {
  rollup_.discard();
  words_.clear();
  open_.clear();
  next_seq_ = 0;
}

}  // namespace jevons
