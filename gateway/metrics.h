// The Prometheus metrics of the gateway: names and labels are contract (contract.md 9). Label
// values come from configuration only, never from a client.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "router/ledger_record.h"
#include "router/target.h"

namespace jevons {

struct TargetId {
  std::string target, provider, model;
};

struct FinishedAttempt {
  std::string_view policy, target, provider, model;
  Outcome outcome = Outcome::ok;
  const Usage* usage = nullptr;
  std::optional<CostBreakdown> cost;  // empty: unpriced
  Nanodollars baseline;
  std::int64_t ttft_ms = -1;
  std::int64_t duration_ms = 0;
  bool delivered = false;
};

struct FinishedRequest {
  std::string_view endpoint, policy, target, provider, model;
  int status = 0;
  double duration_s = 0;
  double overhead_s = -1;  // time spent in the gateway, upstream waits excluded; -1: not measured
  std::optional<Nanodollars> cost;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // Pre-creates series at 0 for every target and policy, so that rates work from the first scrape.
  void configure(const Catalog& catalog, const std::vector<std::string>& policies);

  void finished(const FinishedAttempt& attempt);
  void finished(const FinishedRequest& request);
  void decided(std::string_view policy, std::string_view rule, std::string_view model,
               std::string_view reason);
  void fell_back(std::string_view from, std::string_view to, std::string_view reason);
  void budget(std::string_view scope, std::string_view name, Nanodollars limit, Nanodollars spent);
  void budget_overshoot(Nanodollars amount);
  void inflight(std::int64_t requests);
  void upstream_healthy(const TargetId& target, bool healthy);
  void price_table_updated(std::int64_t unix_s);
  void config_reloaded(std::int64_t unix_s, bool success);
  void ledger(bool healthy, std::int64_t queued);
  void usage_suspicious(const TargetId& target);

  // Prometheus text format 0.0.4.
  std::string text();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace jevons
