// What a running gateway consists of. Built once in serve.cpp, handed down by reference.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "gateway/budgets.h"
#include "gateway/clock.h"
#include "gateway/config.h"
#include "gateway/explore_book.h"
#include "gateway/idempotency.h"
#include "gateway/keys.h"
#include "gateway/learning_book.h"
#include "gateway/ledger/ledger.h"
#include "gateway/mailbox.h"
#include "gateway/metrics.h"
#include "gateway/rate_limits.h"
#include "gateway/session_book.h"
#include "gateway/share_limit.h"
#include "gateway/target_book.h"
#include "providers/local_upstream.h"
#include "providers/upstream.h"

namespace jevons {

// Shared by all I/O threads; every member is thread-safe.
struct Services {
  Clock& clock;
  Ledger& ledger;
  KeyRing& keys;
  BudgetBook& budgets;
  RateLimiter& rate_limits;
  TargetBook& targets;
  SessionBook& sessions;
  Metrics& metrics;
  std::atomic<std::shared_ptr<const Config>> config{};
  IdempotencyBook idempotency{};
  ExploreBook exploration{};    // what trying other targets cost today
  GuessGuard guesses{};         // slows down key guessing
  ShareLimit retries{0.20, 3};  // retries and fallbacks: 20 % of requests, floor 3
  ShareLimit hedges{0.05, 1};   // hedges: the policy's own share
  EngineTable engines{};        // models loaded in this process
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<bool> draining{false};
  bool access_log = false;
  LearningBook* learning = nullptr;  // null: nothing is learnt
};

// Makes the upstream of a provider for one I/O thread; null if it cannot be served.
using UpstreamFactory = std::function<std::shared_ptr<Upstream>(const ProviderConfig& provider)>;

// One I/O thread: everything in it is used by that thread alone.
class Worker {
 public:
  Worker(boost::asio::io_context& context, Services& all, UpstreamFactory factory)
      : io(context),
        services(all),
        mailbox(std::make_shared<Mailbox>(context)),
        factory_(std::move(factory)) {}
  ~Worker() { mailbox->close(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  boost::asio::io_context& io;
  Services& services;
  const std::shared_ptr<Mailbox> mailbox;

  // The upstream of a provider under that configuration; rebuilt after a reload. Null for a
  // provider that does not exist.
  std::shared_ptr<Upstream> upstream(const std::shared_ptr<const Config>& config,
                                     const std::string& provider);

 private:
  UpstreamFactory factory_;
  std::shared_ptr<const Config> built_for_;
  std::map<std::string, std::shared_ptr<Upstream>, std::less<>> upstreams_;
};

}  // namespace jevons
