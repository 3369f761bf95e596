#include "gateway/idempotency.h"

#include "gateway/digest.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

constexpr std::int64_t retry_after_ms = 1'000;

Error refused(Fault fault, std::string message) {
  Error error(fault, Origin::client, std::move(message));
  error.with_param("Idempotency-Key");
  return error;
}

// Of this connection and this moment, not of the answer.
bool belongs_to_one_delivery(std::string_view name) {
  return name.starts_with("x-ratelimit-") || name.starts_with("access-control-") ||
         name == "vary" || name == "x-client-request-id";
}

}  // namespace

std::string IdempotencyBook::entry_id(std::string_view tenant, std::string_view key) {
  // Names of tenants hold no line break.
  return std::string(tenant) + '\n' + sha256_hex(key);
}

std::string IdempotencyBook::digest(Endpoint endpoint, std::string_view body) {
  return std::string(endpoint_name(endpoint)) + '\n' + sha256_hex(body);
}

Result<std::shared_ptr<const HttpAnswer>> IdempotencyBook::claim(const std::string& id,
                                                                 const std::string& digest,
                                                                 std::int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  forget_oldest(now_ms);
  const auto [found, added] = entries_.try_emplace(id);
  Entry& entry = found->second;
  if (added) {
    entry.digest = digest;
    entry.claimed_ms = now_ms;
    by_age_.push_back(Claimed{id, now_ms});
    return std::shared_ptr<const HttpAnswer>();
  }
  if (entry.digest != digest)
    return refused(Fault::idempotency_conflict,
                   "this Idempotency-Key was used with another request in the last 24 hours; send "
                   "a new key with a new request");
  if (entry.state == State::running) {
    Error error = refused(Fault::idempotency_in_flight,
                          "the first request with this Idempotency-Key is still running; ask again "
                          "with the same key for its answer");
    error.with_retry_after_ms(retry_after_ms);
    return error;
  }
  if (entry.state == State::gone)
    return refused(Fault::idempotency_conflict,
                   "the first request with this Idempotency-Key ran and may have been billed, but "
                   "its whole answer is not kept; send a new key to run it again");
  return entry.answer;
}

void IdempotencyBook::finish(const std::string& id, std::optional<HttpAnswer> answer,
                             bool may_be_billed) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(id);
  if (found == entries_.end()) return;
  if (!may_be_billed) {
    entries_.erase(found);
    return;
  }
  Entry& entry = found->second;
  entry.state = State::gone;
  if (!answer) return;
  entry.state = State::answered;
  entry.answer = std::make_shared<const HttpAnswer>(std::move(*answer));
  kept_bytes_ += entry.answer->body.size();
  with_answer_.push_back(Claimed{id, entry.claimed_ms});
  while (kept_bytes_ > limits_.bytes_max && !with_answer_.empty()) {
    const Claimed oldest = std::move(with_answer_.front());
    with_answer_.pop_front();
    const auto one = entries_.find(oldest.id);
    if (one != entries_.end() && one->second.claimed_ms == oldest.at_ms) drop_answer(one->second);
  }
}

void IdempotencyBook::drop_answer(Entry& entry) {
  if (entry.state != State::answered) return;
  kept_bytes_ -= entry.answer->body.size();
  entry.answer.reset();
  entry.state = State::gone;
}

// What is too old, and the oldest of too many. A running one is kept until it has finished.
void IdempotencyBook::forget_oldest(std::int64_t now_ms) {
  while (!by_age_.empty()) {
    const Claimed& oldest = by_age_.front();
    const bool old = now_ms - oldest.at_ms >= limits_.keep_ms;
    if (!old && by_age_.size() < limits_.entries_max) break;
    const auto found = entries_.find(oldest.id);
    const bool same = found != entries_.end() && found->second.claimed_ms == oldest.at_ms;
    if (same && found->second.state == State::running) break;
    if (same) {
      drop_answer(found->second);
      entries_.erase(found);
    }
    by_age_.pop_front();
  }
  while (!with_answer_.empty() && now_ms - with_answer_.front().at_ms >= limits_.keep_ms)
    with_answer_.pop_front();
}

std::size_t IdempotencyBook::kept_bytes() const {
  const std::lock_guard lock(mutex_);
  return kept_bytes_;
}

void RecordingResponder::begin(int status, const std::vector<Header>& headers) {
  answer_ = HttpAnswer{};
  answer_.status = status;
  for (const Header& header : headers)
    if (!belongs_to_one_delivery(header.name)) answer_.headers.push_back(header);
}

asio::awaitable<bool> RecordingResponder::send(int status, std::vector<Header> headers,
                                               std::string body) {
  begin(status, headers);
  whole_ = body.size() <= bytes_max_;
  if (whole_) answer_.body = body;
  co_return co_await to_.send(status, std::move(headers), std::move(body));
}

asio::awaitable<bool> RecordingResponder::begin_stream(int status, std::vector<Header> headers) {
  begin(status, headers);
  co_return co_await to_.begin_stream(status, std::move(headers));
}

asio::awaitable<bool> RecordingResponder::write(std::string bytes) {
  if (answer_.body.size() <= bytes_max_) answer_.body += bytes;
  co_return co_await to_.write(std::move(bytes));
}

asio::awaitable<bool> RecordingResponder::end_stream(bool clean) {
  whole_ = clean && answer_.body.size() <= bytes_max_;
  co_return co_await to_.end_stream(clean);
}

std::optional<HttpAnswer> RecordingResponder::take() {
  if (!whole_) return std::nullopt;
  whole_ = false;
  return std::move(answer_);
}

}  // namespace jevons
