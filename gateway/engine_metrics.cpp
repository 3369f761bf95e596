#include "gateway/engine_metrics.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string_view>

namespace jevons {
namespace {

struct EngineMetric {
  std::string_view name, type, help;
  double (*value)(const engine::Stats&);
};

template <auto Field>
double field(const engine::Stats& stats) {
  return static_cast<double>(stats.*Field);
}
double step_seconds(const engine::Stats& stats) { return stats.step_ms / 1e3; }

using engine::Stats;
constexpr std::array<EngineMetric, 12> kMetrics = {{
    {"running_requests", "gauge", "Requests in the batch.", field<&Stats::running>},
    {"waiting_requests", "gauge", "Requests accepted and waiting.", field<&Stats::waiting>},
    {"kv_cache_usage_ratio", "gauge", "KV blocks held by running requests, 0 to 1.",
     field<&Stats::kv_usage>},
    {"prefix_cache_queries_total", "counter", "Prompt tokens looked up in the prefix cache.",
     field<&Stats::prefix_queries_tokens>},
    {"prefix_cache_hits_total", "counter", "Prompt tokens found in the prefix cache.",
     field<&Stats::prefix_hits_tokens>},
    {"preemptions_total", "counter", "Requests set aside for want of KV blocks.",
     field<&Stats::preemptions>},
    {"prompt_tokens_total", "counter", "Prompt tokens computed.", field<&Stats::prompt_tokens>},
    {"generated_tokens_total", "counter", "Tokens generated.", field<&Stats::generated_tokens>},
    {"requests_done_total", "counter", "Requests that ran to an end.", field<&Stats::jobs_done>},
    {"requests_refused_total", "counter", "Requests refused: queue full or not servable.",
     field<&Stats::jobs_refused>},
    {"tokens_per_second", "gauge", "Tokens generated a second, over ten seconds of work.",
     field<&Stats::tokens_per_second>},
    {"step_seconds", "gauge", "Moving average of a step.", step_seconds},
}};

std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    out += c;
  }
  return out;
}

}  // namespace

std::string engine_metrics_text(const std::map<std::string, engine::Stats>& engines) {
  std::string out;
  if (engines.empty()) return out;
  for (const EngineMetric& metric : kMetrics) {
    fmt::format_to(std::back_inserter(out),
                   "# HELP jevons_engine_{0} {1}\n# TYPE jevons_engine_{0} {2}\n", metric.name,
                   metric.help, metric.type);
    for (const auto& [name, stats] : engines) {
      fmt::format_to(std::back_inserter(out), "jevons_engine_{}{{model=\"{}\"}} {}\n", metric.name,
                     label(name), metric.value(stats));
    }
  }
  return out;
}

std::map<std::string, engine::Stats> stats_of(
    const std::map<std::string, std::shared_ptr<engine::Engine>>& engines) {
  std::map<std::string, engine::Stats> out;
  for (const auto& [name, engine] : engines) out.emplace(name, engine->stats());
  return out;
}

}  // namespace jevons
