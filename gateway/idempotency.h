// `Idempotency-Key`: the same request sent again gets the first one's answer, and nobody is called
// or billed a second time (reliability.md 5, rule 7).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/http/server.h"
#include "router/chat.h"
#include "router/error.h"

namespace jevons {

struct IdempotencyLimits {
  std::int64_t keep_ms = 86'400'000;
  std::size_t entries_max = 100'000;
  std::size_t bytes_max = 64u << 20;        // of all kept answers together
  std::size_t answer_bytes_max = 4u << 20;  // a larger one is not kept
};

// Which keys were used and what they were answered, for 24 hours, in the memory of this process: a
// restart forgets them. Bounded: the oldest answers go first, and what went is refused and not run
// again. Shared by all I/O threads.
class IdempotencyBook {
 public:
  explicit IdempotencyBook(IdempotencyLimits limits = {}) : limits_(limits) {}

  // Who asks and what. `tenant` scopes the key, so that no tenant sees another's answers.
  static std::string entry_id(std::string_view tenant, std::string_view key);
  static std::string digest(Endpoint endpoint, std::string_view body);

  // Null: this request runs, and `finish` must follow. Else the answer of the first one.
  // Errors: idempotency_in_flight while the first one runs; idempotency_conflict for another
  // request under the same key, and where the first one's answer is not there to be repeated.
  Result<std::shared_ptr<const HttpAnswer>> claim(const std::string& id, const std::string& digest,
                                                  std::int64_t now_ms);

  // `answer` without a value: none was completed. Then a request that `may_be_billed` is not run
  // again under this key; one that certainly cost nothing is forgotten.
  void finish(const std::string& id, std::optional<HttpAnswer> answer, bool may_be_billed);

  std::size_t kept_bytes() const;

 private:
  enum class State : std::uint8_t { running, answered, gone };
  struct Entry {
    std::string digest;
    std::int64_t claimed_ms = 0;
    State state = State::running;
    std::shared_ptr<const HttpAnswer> answer;
  };
  struct Claimed {
    std::string id;
    std::int64_t at_ms = 0;
  };
  using Entries = std::map<std::string, Entry, std::less<>>;

  void drop_answer(Entry& entry);
  void forget_oldest(std::int64_t now_ms);

  IdempotencyLimits limits_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::deque<Claimed> by_age_;  // oldest first; an entry forgotten early stays until its turn
  std::deque<Claimed> with_answer_;
  std::size_t kept_bytes_ = 0;
};

// Passes an answer on and keeps a copy of it.
class RecordingResponder : public Responder {
 public:
  RecordingResponder(Responder& to, std::size_t bytes_max) : to_(to), bytes_max_(bytes_max) {}

  boost::asio::awaitable<bool> send(int status, std::vector<Header> headers,
                                    std::string body) override;
  boost::asio::awaitable<bool> begin_stream(int status, std::vector<Header> headers) override;
  boost::asio::awaitable<bool> write(std::string bytes) override;
  boost::asio::awaitable<bool> end_stream(bool clean) override;
  void on_interrupt(std::function<void(Interrupt)> callback) override {
    to_.on_interrupt(std::move(callback));
  }
  bool client_gone() const override { return to_.client_gone(); }

  // Whole, or nothing.
  std::optional<HttpAnswer> take();

 private:
  void begin(int status, const std::vector<Header>& headers);

  Responder& to_;
  std::size_t bytes_max_;
  HttpAnswer answer_;
  bool whole_ = false;
};

}  // namespace jevons
