// A whole gateway without sockets, disk or clock: scripted upstreams, a ledger in memory, and a
// client that collects what it is sent. For tests of the request path.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/handle_chat.h"
#include "gateway/services.h"

namespace jevons::testing {

struct FakeClock : Clock {
  std::int64_t unix_ns() const override { return 1'800'000'000LL * 1'000'000'000; }
  std::int64_t steady_ms() const override { return now_ms; }
  std::int64_t steady_us() const override { return now_ms * 1'000; }
  std::uint64_t random() override { return ++counter; }
  std::int64_t now_ms = 1'000;
  std::uint64_t counter = 0;
};

struct FakeLedger : Ledger {
  void intend(AttemptIntent intent, Done done) override {
    if (!writable) return done(Error(Fault::ledger_unavailable, "the ledger cannot be written"));
    intents.push_back(std::move(intent));
    done(Result<void>());
  }
  void settle(AttemptSettlement row, Done done) override {
    settlements.push_back(std::move(row));
    if (done) done(Result<void>());
  }
  void feedback(Feedback row, Done done) override {
    feedbacks.push_back(std::move(row));
    done(Result<void>());
  }
  void audit(AuditRow) override {}
  bool healthy() const override { return writable; }
  std::int64_t queued() const override { return 0; }
  Result<std::vector<SpendRow>> spend(const SpendQuery&) override {
    return std::vector<SpendRow>();
  }
  Result<std::vector<SpendSlice>> spend_since(std::int64_t, bool) override {
    return std::vector<SpendSlice>();
  }
  Result<std::vector<KeyRecord>> keys() override { return std::vector<KeyRecord>(); }
  Result<void> save_key(const KeyRecord&) override { return Result<void>(); }
  Result<std::vector<AuditRow>> audit_rows(std::int64_t) override {
    return std::vector<AuditRow>();
  }
  Result<void> backup(const std::string&) override { return Result<void>(); }
  Result<std::string> verify() override { return std::string("ok"); }
  std::int64_t orphans_resolved() const override { return 0; }
  Result<bool> keys_ever_configured() override { return false; }
  Result<void> note_keys_configured() override { return Result<void>(); }
  Result<std::int64_t> retain_from(std::int64_t) override { return std::int64_t{0}; }
  Result<void> export_csv(const std::function<void(std::string_view)>&) override {
    return Result<void>();
  }
  Result<void> flush() override { return Result<void>(); }

  bool writable = true;
  std::vector<AttemptIntent> intents;
  std::vector<AttemptSettlement> settlements;
  std::vector<Feedback> feedbacks;
};

// What an upstream does with one call.
struct Scripted {
  std::optional<Error> error;  // of open()
  std::optional<ChatResponse> whole;
  std::vector<std::vector<StreamEvent>> batches;
  std::optional<Error> cut;           // after the batches, instead of a clean end
  bool never_answers = false;         // until it is cancelled
  std::function<void()> meanwhile{};  // what happens while it does not answer
};

class FakeStream : public AnswerStream {
 public:
  FakeStream(Scripted script, CancelSlot& cancel) : script_(std::move(script)), cancel_(cancel) {}
  boost::asio::awaitable<Result<bool>> next(std::vector<StreamEvent>& events) override {
    if (cancel_.cancelled()) co_return Error(Fault::cancelled, "cancelled").with_maybe_billed(true);
    if (at_ < script_.batches.size()) {
      for (const StreamEvent& event : script_.batches[at_]) events.push_back(event);
      ++at_;
      co_return true;
    }
    if (script_.cut) co_return *script_.cut;
    co_return false;
  }

 private:
  Scripted script_;
  CancelSlot& cancel_;
  std::size_t at_ = 0;
};

class FakeUpstream : public Upstream {
 public:
  FakeUpstream(boost::asio::io_context& io, std::deque<Scripted>& script)
      : io_(io), script_(script) {}
  boost::asio::awaitable<Result<UpstreamAnswer>> open(const UpstreamCall& call,
                                                      CancelSlot& cancel) override {
    caps.push_back(call.encode.output_cap);
    if (script_.empty()) co_return Error(Fault::internal, "the script is at its end");
    Scripted now = std::move(script_.front());
    script_.pop_front();
    if (now.never_answers) {
      boost::asio::steady_timer timer(io_, std::chrono::steady_clock::time_point::max());
      cancel.bind([&timer] { timer.cancel(); });
      if (now.meanwhile) boost::asio::post(io_, now.meanwhile);
      boost::system::error_code ignored;
      co_await timer.async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
      cancel.unbind();
      co_return Error(Fault::cancelled, "cancelled").with_maybe_billed(true);
    }
    if (now.error) co_return *now.error;
    UpstreamAnswer answer;
    answer.whole = now.whole;
    if (!now.whole) answer.stream = std::make_unique<FakeStream>(std::move(now), cancel);
    co_return answer;
  }
  std::vector<std::int64_t> caps;

 private:
  boost::asio::io_context& io_;
  std::deque<Scripted>& script_;
};

struct FakeResponder : Responder {
  boost::asio::awaitable<bool> send(int code, std::vector<Header> list,
                                    std::string bytes) override {
    status = code;
    headers = std::move(list);
    body = std::move(bytes);
    co_return true;
  }
  boost::asio::awaitable<bool> begin_stream(int code, std::vector<Header> list) override {
    status = code;
    headers = std::move(list);
    co_return true;
  }
  boost::asio::awaitable<bool> write(std::string bytes) override {
    if (interrupted_after_writes-- == 0 && interrupt) {
      interrupt(why);
      if (why == Interrupt::client_gone) co_return false;
    }
    body += bytes;
    co_return true;
  }
  boost::asio::awaitable<bool> end_stream(bool ok) override {
    clean = ok;
    co_return true;
  }
  void on_interrupt(std::function<void(Interrupt)> callback) override {
    interrupt = std::move(callback);
  }
  bool client_gone() const override { return false; }
  std::string header(std::string_view name) const {
    for (const Header& one : headers)
      if (one.name == name) return one.value;
    return {};
  }

  int status = 0;
  std::vector<Header> headers;
  std::string body;
  std::optional<bool> clean;
  std::function<void(Interrupt)> interrupt;
  int interrupted_after_writes = -1;
  Interrupt why = Interrupt::client_gone;
};

// One provider a target: "cheap" (1 and 10 dollars per million tokens) and "dear" (ten times that,
// the baseline). Policy "default" serves "auto".
class FakeGateway {
 public:
  FakeGateway() {
    config = std::make_shared<Config>();
    for (const auto& [name, factor] : {std::pair{"cheap", 1}, std::pair{"dear", 10}}) {
      Price price;
      price.id = name;
      price.row_id = std::string(name) + "@2026-01-01";
      price.base[TokenClass::input] = Picodollars{1'000'000LL * factor};
      price.base[TokenClass::output] = Picodollars{10'000'000LL * factor};
      config->catalog.prices.push_back(price);
      Target target;
      target.name = name;
      target.provider = name;
      target.model = std::string(name) + "-model";
      target.price_id = name;
      target.context = 100'000;
      target.max_output = 1'000;
      target.can = static_cast<Capabilities>(Capability::chat) |
                   static_cast<Capabilities>(Capability::stream);
      target.ability["overall"] = 0.9;
      config->catalog.targets.push_back(target);
      ProviderConfig provider;
      provider.name = name;
      config->providers.push_back(provider);
    }
    Policy policy;
    policy.name = "default";
    policy.serves = {"auto"};
    policy.baseline = "dear";
    config->policies.push_back(policy);
    config->default_policy = "default";
  }

  // Answers one POST of `body` and runs until nothing is left to do.
  FakeResponder& post(std::string body, Endpoint endpoint = Endpoint::chat) {
    return post_as(nullptr, std::move(body), endpoint);
  }
  FakeResponder& post_as(std::shared_ptr<const KeyRecord> key, std::string body,
                         Endpoint endpoint = Endpoint::chat) {
    services.config.store(config);
    http = HttpRequest{};
    http.method = "POST";
    http.path = "/v1/chat/completions";
    http.body = std::move(body);
    http.peer_is_loopback = true;
    http.headers = {{"host", "127.0.0.1"}, {"content-type", "application/json"}};
    for (const Header& header : extra_headers) http.headers.push_back(header);
    boost::asio::co_spawn(io, handle_chat(worker, http, client, endpoint, key),
                          boost::asio::detached);
    io.restart();
    io.run();
    return client;
  }

  FakeClock clock;
  FakeLedger ledger;
  KeyRing keys{"pepper of thirty-two bytes length"};
  BudgetBook budgets;
  RateLimiter rate_limits;
  TargetBook targets;
  SessionBook sessions{100, 300'000};
  Metrics metrics;
  Services services{clock, ledger, keys, budgets, rate_limits, targets, sessions, metrics};
  std::shared_ptr<Config> config;
  boost::asio::io_context io;
  std::map<std::string, std::deque<Scripted>> scripts;  // by provider
  Worker worker{io, services, [this](const ProviderConfig& provider) {
                  return std::make_shared<FakeUpstream>(io, scripts[provider.name]);
                }};
  HttpRequest http;
  std::vector<Header> extra_headers;
  FakeResponder client;
};

}  // namespace jevons::testing
