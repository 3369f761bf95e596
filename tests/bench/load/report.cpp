#include "tests/bench/load/report.h"

#include <algorithm>
#include <numeric>

namespace load {
namespace {

std::string microseconds(double nanoseconds) {
  std::string text = std::to_string(nanoseconds / 1000.0);
  return text.substr(0, text.size() - 3);
}

}  // namespace

std::string Samples::to_json() {
  std::sort(nanoseconds.begin(), nanoseconds.end());
  if (nanoseconds.empty()) return "null";
  const auto at = [this](double share) {
    const auto last = static_cast<double>(nanoseconds.size() - 1);
    return microseconds(
        static_cast<double>(nanoseconds[static_cast<std::size_t>(last * share + 0.5)]));
  };
  const double sum = std::accumulate(nanoseconds.begin(), nanoseconds.end(), 0.0);
  return "{\"count\":" + std::to_string(nanoseconds.size()) +
         ",\"mean\":" + microseconds(sum / static_cast<double>(nanoseconds.size())) +
         ",\"p50\":" + at(0.5) + ",\"p90\":" + at(0.9) + ",\"p99\":" + at(0.99) +
         ",\"p999\":" + at(0.999) + ",\"max\":" + at(1.0) + "}";
}

std::string Report::to_json() {
  std::string by_status;
  for (const auto& [status, count] : statuses) {
    if (!by_status.empty()) by_status += ',';
    by_status += "\"" + std::to_string(status) + "\":" + std::to_string(count);
  }
  return "{\"completed\":" + std::to_string(completed) + ",\"late\":" + std::to_string(late) +
         ",\"broken\":" + std::to_string(broken) + ",\"unanswered\":" + std::to_string(unanswered) +
         ",\"seconds\":" + std::to_string(seconds) + ",\"statuses\":{" + by_status +
         "},\"latency_us\":" + latency.to_json() +
         ",\"refusal_latency_us\":" + refusal_latency.to_json() +
         ",\"chunk_delay_us\":" + chunk_delay.to_json() + "}";
}

}  // namespace load
