#include "gateway/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#ifndef JEVONS_REVISION
#define JEVONS_REVISION "unknown"
#endif

namespace jevons {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Labels = prometheus::Labels;
using Buckets = Histogram::BucketBoundaries;

double dollars(Nanodollars amount) { return static_cast<double>(amount.value) / 1e9; }
double seconds(std::int64_t ms) { return static_cast<double>(ms) / 1e3; }

const Buckets duration_buckets{0.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640};
const Buckets ttft_buckets{0.01, .025, .05, .1, .25, .5, .75, 1, 2.5, 5, 10, 20, 40, 80, 160};
const Buckets tpot_buckets{0.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .5, 1, 2.5};
const Buckets overhead_buckets{0.00005, .0001, .00025, .0005, .001, .0025,
                               .005,    .01,   .025,   .05,   .1,   .25};
const Buckets cost_buckets{1e-6, 1e-5, 1e-4, .001, .0025, .005, .01, .025,
                           .05,  .1,   .25,  .5,   1,     2.5,  5,   10};

// The process's own gauges, as every Prometheus client exports them; prometheus-cpp has none.
struct ProcessSample {
  double cpu_seconds = 0, resident_bytes = 0, virtual_bytes = 0, open_fds = 0, max_fds = 0;
  double start_time = 0;
};

double start_time_seconds() {
  std::ifstream stat("/proc/self/stat"), uptime("/proc/stat");
  std::string line, word;
  std::getline(stat, line);
  const std::size_t after_name = line.rfind(')');
  if (after_name == std::string::npos) return 0;
  double start_ticks = 0, boot = 0;
  std::size_t position = after_name + 2;
  for (int field = 3; field < 22; ++field) position = line.find(' ', position) + 1;
  std::sscanf(line.c_str() + position, "%lf", &start_ticks);
  while (uptime >> word)
    if (word == "btime") uptime >> boot;
  return boot + start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

ProcessSample sample_process() {
  ProcessSample sample;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  sample.cpu_seconds = of(usage.ru_utime) + of(usage.ru_stime);
  double pages_virtual = 0, pages_resident = 0;
  std::ifstream statm("/proc/self/statm");
  statm >> pages_virtual >> pages_resident;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  sample.virtual_bytes = pages_virtual * page;
  sample.resident_bytes = pages_resident * page;
  std::error_code unreadable;
  for (std::filesystem::directory_iterator fds("/proc/self/fd", unreadable), end; fds != end;
       fds.increment(unreadable))
    ++sample.open_fds;
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  sample.max_fds = static_cast<double>(limit.rlim_cur);
  static const double started = start_time_seconds();
  sample.start_time = started;
  return sample;
}

Labels with(const TargetId& target, Labels more = {}) {
  more.insert({{"target", target.target}, {"provider", target.provider}, {"model", target.model}});
  return more;
}

// The series of one (policy, target), looked up once and then only incremented.
struct AttemptSeries {
  Counter *input_tokens, *output_tokens, *cache_read, *cache_write_5m, *cache_write_1h, *reasoning;
  Counter *cost_input, *cost_cache_read, *cost_cache_write, *cost_output, *cost_reasoning,
      *cost_call;
  Counter *baseline, *estimated, *unpriced;
  Histogram *ttft, *tpot;
};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  std::mutex mutex;
  std::unordered_map<std::string, AttemptSeries> series;
  std::unordered_map<std::string, Counter*> counters;
  std::unordered_map<std::string, Histogram*> histograms;

  // A family without series yet is left out by the registry; a scrape shows its HELP and TYPE, so
  // that whoever writes a rule finds every name.
  std::vector<prometheus::MetricFamily> described;

  Family<Counter>& counter(const char* name, const char* help) {
    described.push_back({name, help, prometheus::MetricType::Counter, {}});
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Gauge>& gauge(const char* name, const char* help) {
    described.push_back({name, help, prometheus::MetricType::Gauge, {}});
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& histogram(const char* name, const char* help) {
    described.push_back({name, help, prometheus::MetricType::Histogram, {}});
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  Family<Counter>& requests =
      counter("jevons_requests_total", "Requests answered, by status code.");
  Family<Histogram>& duration =
      histogram("jevons_request_duration_seconds", "Whole request, client side.");
  Family<Histogram>& ttft =
      histogram("jevons_time_to_first_token_seconds", "From sending upstream to the first token.");
  Family<Histogram>& tpot =
      histogram("jevons_time_per_output_token_seconds", "Per token after the first.");
  Family<Histogram>& overhead =
      histogram("jevons_gateway_overhead_seconds", "Time in the gateway itself, per request.");
  Family<Counter>& input =
      counter("jevons_input_tokens_total", "Prompt tokens, cached and cache-write included.");
  Family<Counter>& output =
      counter("jevons_output_tokens_total", "Completion tokens, reasoning included.");
  Family<Counter>& cache_read = counter("jevons_cache_read_input_tokens_total",
                                        "Prompt tokens read from a provider's cache.");
  Family<Counter>& cache_write = counter("jevons_cache_write_input_tokens_total",
                                         "Prompt tokens written to a provider's cache.");
  Family<Counter>& reasoning =
      counter("jevons_reasoning_output_tokens_total", "Reasoning tokens, inside output tokens.");
  Family<Counter>& cost = counter("jevons_cost_usd_total", "Cost of all attempts.");
  Family<Counter>& baseline = counter("jevons_baseline_cost_usd_total",
                                      "What the baseline would have cost; savings = this - cost.");
  Family<Histogram>& request_cost = histogram("jevons_request_cost_usd", "Cost of one request.");
  Family<Counter>& decisions = counter("jevons_route_decisions_total", "Routing decisions.");
  Family<Counter>& attempts =
      counter("jevons_upstream_attempts_total", "Attempts against upstreams, by outcome.");
  Family<Counter>& fallbacks =
      counter("jevons_fallbacks_total", "Fallbacks from one target to another.");
  Family<Counter>& estimated = counter("jevons_usage_estimated_total",
                                       "Attempts whose usage is at least partly our own estimate.");
  Family<Counter>& unpriced =
      counter("jevons_unpriced_requests_total", "Attempts at targets without a known price.");
  Family<Counter>& suspicious = counter("jevons_usage_suspicious_total",
                                        "Attempts whose upstream contradicted our own count.");
  Family<Gauge>& budget_limit = gauge("jevons_budget_limit_usd", "Limit of a budget.");
  Family<Gauge>& budget_spent = gauge("jevons_budget_spent_usd", "Spent in the current window.");
  Family<Counter>& overshoot = counter("jevons_budget_overshoot_usd_total",
                                       "Billed beyond a hard budget after a stream was cut.");
  Family<Gauge>& inflight = gauge("jevons_inflight_requests", "Requests being worked on.");
  Family<Gauge>& healthy =
      gauge("jevons_upstream_healthy", "1 while the target's breaker is closed.");
  Family<Gauge>& price_table = gauge("jevons_price_table_updated_timestamp_seconds",
                                     "Newest validity date in the price table.");
  Family<Gauge>& reload_time = gauge("jevons_config_last_reload_success_timestamp_seconds",
                                     "When a configuration was last loaded.");
  Family<Gauge>& reload_ok =
      gauge("jevons_config_last_reload_successful", "1 if the last reload was taken.");
  Family<Gauge>& ledger_healthy =
      gauge("jevons_ledger_healthy", "0 while the ledger refuses new spend.");
  Family<Gauge>& ledger_queue = gauge("jevons_ledger_queued_records", "Records not yet durable.");
  Family<Gauge>& build_info = gauge("jevons_build_info", "Version and revision; always 1.");
  Family<Counter>& cpu = counter("process_cpu_seconds_total", "User and system CPU time.");
  Family<Gauge>& resident = gauge("process_resident_memory_bytes", "Resident memory.");
  Family<Gauge>& virtual_memory = gauge("process_virtual_memory_bytes", "Virtual memory.");
  Family<Gauge>& open_fds = gauge("process_open_fds", "Open file descriptors.");
  Family<Gauge>& max_fds = gauge("process_max_fds", "Most file descriptors that may be open.");
  Family<Gauge>& start_time = gauge("process_start_time_seconds", "Start of the process.");

  AttemptSeries& of(std::string_view policy, const TargetId& t);
  AttemptSeries make(const std::string& policy, const TargetId& t);
  void touch_process();
};

AttemptSeries Metrics::Impl::make(const std::string& policy, const TargetId& t) {
  const auto by_policy = [&](Family<Counter>& family) {
    return &family.Add(with(t, {{"policy", policy}}));
  };
  const auto component = [&](const char* name) {
    return &cost.Add(with(t, {{"policy", policy}, {"component", name}}));
  };
  AttemptSeries s{};
  s.input_tokens = by_policy(input);
  s.output_tokens = by_policy(output);
  s.cache_read = &cache_read.Add(with(t));
  s.cache_write_5m = &cache_write.Add(with(t, {{"ttl", "5m"}}));
  s.cache_write_1h = &cache_write.Add(with(t, {{"ttl", "1h"}}));
  s.reasoning = &reasoning.Add(with(t));
  s.cost_input = component("input");
  s.cost_cache_read = component("cache_read");
  s.cost_cache_write = component("cache_write");
  s.cost_output = component("output");
  s.cost_reasoning = component("reasoning");
  s.cost_call = component("call");
  s.baseline = &baseline.Add({{"policy", policy}});
  s.estimated = &estimated.Add(with(t));
  s.unpriced = &unpriced.Add(with(t));
  s.ttft = &ttft.Add(with(t), ttft_buckets);
  s.tpot = &tpot.Add(with(t), tpot_buckets);
  return s;
}

AttemptSeries& Metrics::Impl::of(std::string_view policy, const TargetId& t) {
  std::string key(policy);
  key.push_back('\0');
  key += t.target;
  std::lock_guard lock(mutex);
  const auto found = series.find(key);
  if (found != series.end()) return found->second;
  return series.emplace(std::move(key), make(std::string(policy), t)).first->second;
}

void Metrics::Impl::touch_process() {
  const ProcessSample sample = sample_process();
  Counter& cpu_seconds = cpu.Add({});
  cpu_seconds.Increment(sample.cpu_seconds - cpu_seconds.Value());
  resident.Add({}).Set(sample.resident_bytes);
  virtual_memory.Add({}).Set(sample.virtual_bytes);
  open_fds.Add({}).Set(sample.open_fds);
  max_fds.Add({}).Set(sample.max_fds);
  start_time.Add({}).Set(sample.start_time);
}

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {
  impl_->build_info.Add({{"version", JEVONS_VERSION}, {"revision", JEVONS_REVISION}}).Set(1);
  impl_->inflight.Add({}).Set(0);
  impl_->ledger_healthy.Add({}).Set(1);
  impl_->ledger_queue.Add({}).Set(0);
  impl_->overshoot.Add({});
}
Metrics::~Metrics() = default;

void Metrics::configure(const Catalog& catalog, const std::vector<std::string>& policies) {
  for (const Target& target : catalog.targets) {
    const TargetId labels{target.name, target.provider, target.reported_model()};
    for (const std::string& policy : policies) impl_->of(policy, labels);
    for (const Outcome outcome : {Outcome::ok, Outcome::upstream_error, Outcome::timeout})
      impl_->attempts.Add(with(labels, {{"outcome", std::string(outcome_name(outcome))}}));
    impl_->healthy.Add(with(labels)).Set(1);
    impl_->suspicious.Add(with(labels));
  }
}

void Metrics::finished(const FinishedAttempt& a) {
  const TargetId labels{std::string(a.target), std::string(a.provider), std::string(a.model)};
  AttemptSeries& s = impl_->of(a.policy, labels);
  std::string key = "attempt";
  key.push_back('\0');
  key.append(a.target).push_back('\0');
  key.append(outcome_name(a.outcome));
  Counter* attempts = nullptr;
  {
    std::lock_guard lock(impl_->mutex);
    Counter*& slot = impl_->counters[key];
    if (!slot)
      slot =
          &impl_->attempts.Add(with(labels, {{"outcome", std::string(outcome_name(a.outcome))}}));
    attempts = slot;
  }
  attempts->Increment();
  if (a.usage) {
    const auto add = [](Counter* counter, std::int64_t value) {
      if (value > 0) counter->Increment(static_cast<double>(value));
    };
    const Usage& u = *a.usage;
    add(s.input_tokens, u.prompt_tokens());
    add(s.output_tokens, u.completion_tokens());
    add(s.cache_read, u.cached_tokens());
    add(s.cache_write_5m, u[TokenClass::cache_write_5m].count);
    add(s.cache_write_1h, u[TokenClass::cache_write_1h].count);
    add(s.reasoning, u.reasoning_tokens());
    if (u.any_estimated()) s.estimated->Increment();
    const std::int64_t completion = u.completion_tokens();
    if (a.ttft_ms >= 0 && completion > 1)
      s.tpot->Observe(seconds(a.duration_ms - a.ttft_ms) / static_cast<double>(completion - 1));
  }
  if (a.cost) {
    s.cost_input->Increment(dollars(a.cost->input));
    s.cost_cache_read->Increment(dollars(a.cost->cache_read));
    s.cost_cache_write->Increment(dollars(a.cost->cache_write));
    s.cost_output->Increment(dollars(a.cost->output));
    s.cost_reasoning->Increment(dollars(a.cost->reasoning));
    s.cost_call->Increment(dollars(a.cost->call));
  } else if (a.delivered) {
    s.unpriced->Increment();
  }
  s.baseline->Increment(dollars(a.baseline));
  if (a.ttft_ms >= 0) s.ttft->Observe(seconds(a.ttft_ms));
}

void Metrics::finished(const FinishedRequest& r) {
  const std::string code = std::to_string(r.status);
  const TargetId labels{std::string(r.target), std::string(r.provider), std::string(r.model)};
  std::string key(r.endpoint);
  for (const std::string_view part : {r.policy, r.target, std::string_view(code)})
    key.append(1, '\0').append(part);
  Counter* requests = nullptr;
  Histogram *duration = nullptr, *overhead = nullptr, *cost = nullptr;
  {
    std::lock_guard lock(impl_->mutex);
    Counter*& slot = impl_->counters[key];
    const std::string endpoint(r.endpoint), policy(r.policy);
    if (!slot)
      slot = &impl_->requests.Add(
          with(labels, {{"endpoint", endpoint}, {"policy", policy}, {"code", code}}));
    requests = slot;
    Histogram*& d = impl_->histograms["d" + endpoint + '\0' + labels.target];
    if (!d) d = &impl_->duration.Add(with(labels, {{"endpoint", endpoint}}), duration_buckets);
    duration = d;
    Histogram*& o = impl_->histograms["o" + endpoint];
    if (!o) o = &impl_->overhead.Add({{"endpoint", endpoint}}, overhead_buckets);
    overhead = o;
    Histogram*& c = impl_->histograms["c" + policy];
    if (!c) c = &impl_->request_cost.Add({{"policy", policy}}, cost_buckets);
    cost = c;
  }
  requests->Increment();
  duration->Observe(r.duration_s);
  if (r.overhead_s >= 0) overhead->Observe(r.overhead_s);
  if (r.cost) cost->Observe(dollars(*r.cost));
}

void Metrics::decided(std::string_view policy, std::string_view rule, std::string_view model,
                      std::string_view reason) {
  std::string key = "decision";
  for (const std::string_view part : {policy, rule, model, reason})
    key.append(1, '\0').append(part);
  std::lock_guard lock(impl_->mutex);
  Counter*& slot = impl_->counters[key];
  if (!slot)
    slot = &impl_->decisions.Add({{"policy", std::string(policy)},
                                  {"rule", std::string(rule)},
                                  {"target", std::string(model)},
                                  {"reason", std::string(reason)}});
  slot->Increment();
}

void Metrics::fell_back(std::string_view from, std::string_view to, std::string_view reason) {
  impl_->fallbacks
      .Add({{"from", std::string(from)}, {"to", std::string(to)}, {"reason", std::string(reason)}})
      .Increment();
}

void Metrics::budget(std::string_view scope, std::string_view name, Nanodollars limit,
                     Nanodollars spent) {
  const Labels labels{{"scope", std::string(scope)}, {"budget", std::string(name)}};
  impl_->budget_limit.Add(labels).Set(dollars(limit));
  impl_->budget_spent.Add(labels).Set(dollars(spent));
}

void Metrics::budget_overshoot(Nanodollars amount) {
  impl_->overshoot.Add({}).Increment(dollars(amount));
}

void Metrics::inflight(std::int64_t requests) {
  impl_->inflight.Add({}).Set(static_cast<double>(requests));
}

void Metrics::upstream_healthy(const TargetId& target, bool healthy) {
  impl_->healthy.Add(with(target)).Set(healthy ? 1 : 0);
}

void Metrics::price_table_updated(std::int64_t unix_s) {
  impl_->price_table.Add({}).Set(static_cast<double>(unix_s));
}

void Metrics::config_reloaded(std::int64_t unix_s, bool success) {
  if (success) impl_->reload_time.Add({}).Set(static_cast<double>(unix_s));
  impl_->reload_ok.Add({}).Set(success ? 1 : 0);
}

void Metrics::ledger(bool healthy, std::int64_t queued) {
  impl_->ledger_healthy.Add({}).Set(healthy ? 1 : 0);
  impl_->ledger_queue.Add({}).Set(static_cast<double>(queued));
}

void Metrics::usage_suspicious(const TargetId& target) {
  impl_->suspicious.Add(with(target)).Increment();
}

std::string Metrics::text() {
  impl_->touch_process();
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  std::unordered_set<std::string> with_series;
  for (const prometheus::MetricFamily& family : families) with_series.insert(family.name);
  for (const prometheus::MetricFamily& family : impl_->described)
    if (!with_series.contains(family.name)) families.push_back(family);
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace jevons
