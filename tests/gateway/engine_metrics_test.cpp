#include "gateway/engine_metrics.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("engine metrics: one series an engine, names as the dashboards ask for them") {
  CHECK(engine_metrics_text({}) == "");
  CHECK(stats_of({}).empty());
  engine::Stats busy;
  busy.running = 3;
  busy.waiting = 2;
  busy.kv_usage = 0.25;
  busy.prefix_queries_tokens = 100;
  busy.prefix_hits_tokens = 40;
  busy.generated_tokens = 12'345'678;
  busy.step_ms = 5;
  const std::string text = engine_metrics_text({{"idle", {}}, {"say \"hi\"", busy}});
  const auto has = [&](const char* line) {
    CAPTURE(line);
    CHECK(text.find(std::string(line) + "\n") != std::string::npos);
  };
  has("# TYPE jevons_engine_running_requests gauge");
  has("jevons_engine_running_requests{model=\"idle\"} 0");
  has("jevons_engine_running_requests{model=\"say \\\"hi\\\"\"} 3");
  has("jevons_engine_waiting_requests{model=\"say \\\"hi\\\"\"} 2");
  has("jevons_engine_kv_cache_usage_ratio{model=\"say \\\"hi\\\"\"} 0.25");
  has("# TYPE jevons_engine_prefix_cache_queries_total counter");
  has("jevons_engine_prefix_cache_queries_total{model=\"say \\\"hi\\\"\"} 100");
  has("jevons_engine_prefix_cache_hits_total{model=\"say \\\"hi\\\"\"} 40");
  has("jevons_engine_preemptions_total{model=\"idle\"} 0");
  has("jevons_engine_generated_tokens_total{model=\"say \\\"hi\\\"\"} 12345678");
  has("jevons_engine_step_seconds{model=\"say \\\"hi\\\"\"} 0.005");
}
