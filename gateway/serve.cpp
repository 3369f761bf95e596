#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "gateway/admin/admin.h"
#include "gateway/alerts.h"
#include "gateway/exchange.h"
#include "gateway/gateway.h"
#include "gateway/http_error.h"
#include "gateway/ledger/files.h"
#include "gateway/log.h"
#include "gateway/reload.h"
#include "gateway/routes.h"
#include "gateway/sd_notify.h"
#include "gateway/services.h"
#include "providers/http_upstream.h"
#include "providers/local_upstream.h"
#include "router/brain.h"
#include "router/decision.h"

extern "C" void MallocExtension_MarkThreadIdle(void) __attribute__((weak));
extern "C" void MallocExtension_ReleaseFreeMemory(void) __attribute__((weak));

namespace jevons {
namespace {

namespace asio = boost::asio;

constexpr std::size_t sessions_max = 100'000;
// What is interrupted has this long to end.
constexpr auto interrupt_time = std::chrono::seconds(2);
constexpr std::int64_t session_warm_ms = 300'000;  // how long providers keep a prompt cache

void harden_process() {
  prctl(PR_SET_DUMPABLE, 0);  // provider keys must not reach a core file
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

// The weight file in the program was read once; were its pages needed again, they would come back.
void let_go(std::string_view bytes) {
  constexpr std::uintptr_t page = 4'096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end)
    static_cast<void>(madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
}

// tcmalloc keeps what was freed, such as the trees that configuration was read from, until it is
// told; other allocators are left alone.
void return_free_memory() {
  let_go(builtin_weight_file());
  if (MallocExtension_MarkThreadIdle != nullptr) MallocExtension_MarkThreadIdle();
  if (MallocExtension_ReleaseFreeMemory != nullptr) MallocExtension_ReleaseFreeMemory();
}

// What the server refuses before there is a request has an id as well.
HttpAnswer refusal(const Error& error) {
  const std::string id = request_id_text(new_request_id(system_clock()));
  HttpAnswer answer = http_error(error, Dialect::openai, id);
  answer.headers.push_back(Header{"x-request-id", id});
  answer.headers.push_back(Header{"request-id", id});
  return answer;
}

UpstreamFactory upstream_factory(Transport& transport, const EngineTable& engines,
                                 asio::io_context& io) {
  return [&](const ProviderConfig& provider) -> std::shared_ptr<Upstream> {
    if (provider.api == Api::local) return make_local_upstream(engines, io);
    return std::make_shared<HttpUpstream>(std::make_shared<const ProviderConfig>(provider),
                                          *adapter_of(provider.api), transport);
  };
}

// Everything a gateway owns, in the order it is built; it comes down in the reverse order.
class Gateway {
 public:
  Gateway(ServeOptions options, std::string pepper, std::unique_ptr<Ledger> ledger)
      : options_(std::move(options)),
        ledger_path_(options_.config.ledger_path),
        ledger_(std::move(ledger)),
        keys_(std::move(pepper)),
        sessions_(sessions_max, session_warm_ms),
        services_{system_clock(), *ledger_, keys_,     budgets_,
                  rate_limits_,   targets_, sessions_, metrics_},
        learning_(LearningOptions{.journal = journal_of(ledger_path_),
                                  .weights_id = std::string(weights_id()),
                                  .problem =
                                      [](const std::string& what) {
                                        log_event(LogLevel::error, "learning", {{"message", what}});
                                      }}),
        reloader_(options_.config_path, services_),
        signals_(control_) {
    services_.access_log = options_.access_log;
    services_.learning = &learning_;
    budgets_.on_alert([this](const BudgetAlert& alert) { alerts_.send(alert); });
  }

  Result<void> prepare();  // everything but listening
  Result<void> start();
  void run();
  std::vector<TargetTest> test(std::vector<std::string> names);

 private:
  Result<void> listen();
  void wait_for_signal();
  void drain();
  void interrupt();
  void stop();
  void every_minute();

  ServeOptions options_;
  std::string ledger_path_;
  std::unique_ptr<Ledger> ledger_;
  KeyRing keys_;
  BudgetBook budgets_;
  RateLimiter rate_limits_;
  TargetBook targets_;
  SessionBook sessions_;
  Metrics metrics_;
  Services services_;
  AlertSender alerts_;
  LearningBook learning_;
  Reloader reloader_;
  asio::io_context control_;  // signals, reloads, the minute's chores; runs on the main thread
  asio::signal_set signals_;
  std::vector<std::unique_ptr<asio::io_context>> contexts_;
  std::vector<std::unique_ptr<Transport>> transports_;
  std::vector<std::unique_ptr<Worker>> workers_;
  asio::thread_pool reports_{1};  // of the admin listener; ends before what it reports on
  std::unique_ptr<HttpServer> data_, admin_;
  std::vector<std::thread> threads_;
  std::optional<asio::steady_timer> minute_, drain_limit_;
  bool interrupted_ = false;
  std::int64_t retained_ns_ = 0;  // when old rows were last rolled up
};

Result<void> Gateway::prepare() {
  Result<void> taken = reloader_.take(std::move(options_.config));
  if (taken.has_error()) return taken;
  for (std::size_t i = 0; i < options_.threads; ++i) {
    contexts_.push_back(std::make_unique<asio::io_context>(1));
    transports_.push_back(make_curl_transport(*contexts_.back()));
    workers_.push_back(std::make_unique<Worker>(
        *contexts_.back(), services_,
        upstream_factory(*transports_.back(), services_.engines, *contexts_.back())));
  }
  return Result<void>();
}

Result<void> Gateway::start() {
  Result<void> prepared = prepare();
  if (prepared.has_error()) return prepared;
  Result<void> listening = listen();
  if (listening.has_error()) return listening;
  const auto config = services_.config.load();
  const std::string data = config->data.host + ":" + std::to_string(data_->port());
  const std::string admin = config->admin.host + ":" + std::to_string(admin_->port());
  const std::string scheme = config->tls.empty() ? "http://" : "https://";
  Result<void> noted = write_run_file(ledger_path_, RunningGateway{getpid(), scheme + admin});
  if (noted.has_error()) return noted;
  reloader_.watch_tls({data_.get(), admin_.get()});
  reloader_.audit_start();
  // From the moment that others learn of it, a signal drains it.
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) signals_.add(signal);
  log_event(LogLevel::info, "start",
            {{"data", data},
             {"admin", admin},
             {"orphans_resolved", std::to_string(ledger_->orphans_resolved())}});
  for (const std::string& warning : config->warnings)
    log_event(LogLevel::warning, "config", {{"message", warning}});
  std::printf("listening data=%s admin=%s\n", data.c_str(), admin.c_str());
  std::fflush(stdout);
  sd_notify("READY=1");
  return Result<void>();
}

Result<void> Gateway::listen() {
  const auto config = services_.config.load();
  std::vector<asio::io_context*> contexts;
  for (const auto& context : contexts_) contexts.push_back(context.get());
  ListenOptions where{
      .host = config->data.host, .port = config->data.port, .tls = config->tls, .limits = {}};
  const auto data_handler = [this](std::size_t i) -> HttpHandler {
    return [worker = workers_[i].get()](HttpRequest& http, Responder& responder) {
      return route_data_request(*worker, http, responder);
    };
  };
  auto data = listen_http(contexts, where, data_handler, refusal);
  if (data.has_error()) return data.error();
  data_ = std::move(*data);
  where.host = config->admin.host;
  where.port = config->admin.port;
  // The admin listener lives on the first I/O thread; its blocking reports run on their own.
  const auto admin_handler = [this](std::size_t) -> HttpHandler {
    return make_admin_handler(*workers_.front(), reloader_, reports_);
  };
  auto admin = listen_http({contexts.front()}, where, admin_handler, refusal);
  if (admin.has_error()) return admin.error();
  admin_ = std::move(*admin);
  return Result<void>();
}

void Gateway::run() {
  return_free_memory();
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> guards;
  for (const auto& context : contexts_) {
    guards.push_back(asio::make_work_guard(*context));
    threads_.emplace_back([&context] { context->run(); });
    pthread_setname_np(threads_.back().native_handle(), "jevons-io");
  }
  wait_for_signal();
  minute_.emplace(control_);
  every_minute();
  control_.run();
  for (const auto& context : contexts_) context->stop();
  for (std::thread& thread : threads_) thread.join();
  reports_.stop();
  reports_.join();
  // Its threads call back into the contexts.
  for (const auto& [target, engine] : services_.engines.all()) engine->stop();
  // Nothing may be waiting for the ledger when the contexts go; what failed has been logged.
  static_cast<void>(ledger_->flush());
  remove_run_file(ledger_path_);
}

std::vector<TargetTest> Gateway::test(std::vector<std::string> names) {
  std::vector<TargetTest> tests;
  const auto done = [&tests](std::exception_ptr failure, std::vector<TargetTest> all) {
    if (failure) std::rethrow_exception(failure);
    tests = std::move(all);
  };
  asio::co_spawn(*contexts_.front(), test_targets(*workers_.front(), std::move(names)), done);
  contexts_.front()->run();
  return tests;
}

void Gateway::wait_for_signal() {
  signals_.async_wait([this](boost::system::error_code error, int signal) {
    if (error) return;
    if (signal == SIGHUP)
      reloader_.reload("SIGHUP");
    else if (services_.draining)
      interrupt();
    else
      drain();
    wait_for_signal();
  });
}

void Gateway::drain() {
  services_.draining = true;
  sd_notify("STOPPING=1");
  log_event(LogLevel::info, "drain", {{"in_flight", std::to_string(services_.in_flight.load())}});
  // Probes, metrics and the command line are answered until the last stream has ended.
  const auto admin_drained = [this] { asio::post(control_, [this] { stop(); }); };
  const auto data_drained = [this, admin_drained] {
    asio::post(control_, [this, admin_drained] { admin_->drain(admin_drained); });
  };
  data_->drain(data_drained);
  drain_limit_.emplace(control_, std::chrono::milliseconds(options_.drain_ms));
  drain_limit_->async_wait([this](boost::system::error_code error) {
    if (!error) interrupt();
  });
}

// The wait is over: what still runs is settled as far as it came, and its client hears why.
void Gateway::interrupt() {
  if (std::exchange(interrupted_, true)) return stop();
  log_event(LogLevel::warning, "interrupt",
            {{"in_flight", std::to_string(services_.in_flight.load())}});
  data_->interrupt();
  drain_limit_->expires_after(interrupt_time);
  drain_limit_->async_wait([this](boost::system::error_code error) {
    if (!error) stop();
  });
}

void Gateway::stop() {
  data_->stop();
  admin_->stop();
  control_.stop();
}

// Books that must agree are compared, old rows are rolled up, gauges are set.
void Gateway::every_minute() {
  const std::string leak = budgets_.find_leak();
  if (!leak.empty()) log_event(LogLevel::error, "budget_leak", {{"what", leak}});
  const std::int64_t now_ns = system_clock().unix_ns();
  constexpr std::int64_t day_ns = 86'400LL * 1'000'000'000;
  if (now_ns - retained_ns_ >= day_ns) {
    retained_ns_ = now_ns;
    const std::int64_t keep_ns = services_.config.load()->retain_s * 1'000'000'000;
    const Result<std::int64_t> removed = ledger_->retain_from(now_ns - keep_ns);
    if (removed.has_error())
      log_event(LogLevel::error, "retain", {{"message", removed.error().message()}});
  }
  return_free_memory();
  minute_->expires_after(std::chrono::minutes(1));
  minute_->async_wait([this](boost::system::error_code error) {
    if (!error) every_minute();
  });
}

Result<std::unique_ptr<Gateway>> open_gateway(ServeOptions options) {
  const std::string path = options.config.ledger_path;
  LedgerOptions ledger_options;
  ledger_options.path = path;
  ledger_options.now_unix_ns = system_clock().unix_ns();
  ledger_options.problem = [](const std::string& what) {
    log_event(LogLevel::error, "ledger", {{"message", what}});
  };
  Result<std::unique_ptr<Ledger>> ledger = open_sqlite_ledger(ledger_options);
  if (ledger.has_error()) return ledger.error();
  Result<std::string> pepper = load_or_make_pepper(path);
  if (pepper.has_error()) return pepper.error();
  return std::make_unique<Gateway>(std::move(options), std::move(*pepper), std::move(*ledger));
}

}  // namespace

Result<void> serve(ServeOptions options) {
  harden_process();
  Result<std::unique_ptr<Gateway>> gateway = open_gateway(std::move(options));
  if (gateway.has_error()) return gateway.error();
  Result<void> started = (*gateway)->start();
  if (started.has_error()) return started;
  (*gateway)->run();
  return Result<void>();
}

Result<std::vector<TargetTest>> test_targets_alone(Config config, std::vector<std::string> names) {
  harden_process();
  ServeOptions options;
  options.config = std::move(config);
  Result<std::unique_ptr<Gateway>> gateway = open_gateway(std::move(options));
  if (gateway.has_error()) return gateway.error();
  Result<void> prepared = (*gateway)->prepare();
  if (prepared.has_error()) return prepared.error();
  return (*gateway)->test(std::move(names));
}

}  // namespace jevons
