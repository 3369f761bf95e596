// `jevons router eval`: how well prompts are ranked for a weak and a strong model (contract.md 9).
#include "router/eval.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "gateway/cli/router_commands.h"
#include "gateway/cli/routing_rows.h"
#include "providers/json.h"
#include "router/decision.h"
#include "router/judge.h"

namespace jevons {
namespace {

struct Times {
  double p50 = 0, p99 = 0;
};

// Microseconds of a whole classification, over the first thousand prompts.
Times decide_times(const Brain* brain, const std::vector<TrainRow>& rows) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  for (std::size_t i = 0; i < rows.size() && i < 1'000; ++i) {
    ChatRequest request;
    request.messages.resize(1);
    request.messages[0].parts = {{.text = rows[i].prompt}};
    const auto start = Clock::now();
    const Classification classification = classify(request, brain);
    const auto end = Clock::now();
    if (classification.prompt_tokens >= 0) {
      times.push_back(std::chrono::duration<double, std::micro>(end - start).count());
    }
  }
  if (times.empty()) return {};
  std::sort(times.begin(), times.end());
  return {.p50 = times[times.size() / 2], .p99 = times[times.size() * 99 / 100]};
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

std::string report_json(const EvalReport& report, const Times& times) {
  std::string text = "{\"n\":" + std::to_string(report.n);
  const auto add = [&text](const char* key, double value) {
    text += std::string(",\"") + key + "\":" + number(value);
  };
  add("gap", report.gap);
  add("apgr", report.apgr);
  add("apgr_low", report.apgr_low);
  add("apgr_high", report.apgr_high);
  add("cpt50", report.cpt50);
  add("cpt80", report.cpt80);
  add("decide_us_p50", times.p50);
  add("decide_us_p99", times.p99);
  add("ece", report.ece);
  add("flip_rate", report.flip_rate);
  return text + "}\n";
}

void print_lengths(std::ostream& out, const LengthReport& lengths) {
  if (lengths.answers == 0) return;
  out << "length error       factor " << number(lengths.learned) << "  ("
      << number(lengths.learned_low) << " to " << number(lengths.learned_high) << " after "
      << lengths_learned_from << " answers of a model, " << number(lengths.cold)
      << " before the first)\n";
}

void print_report(std::ostream& out, const EvalReport& report, const Times& times) {
  out << "prompts            " << report.n << "\n"
      << "gap                " << number(report.gap) << "\n"
      << "APGR               " << number(report.apgr) << "  (" << number(report.apgr_low) << " to "
      << number(report.apgr_high) << ", random 0.5)\n"
      << "CPT(50 %)          " << number(report.cpt50) << " % strong calls\n"
      << "CPT(80 %)          " << number(report.cpt80) << " % strong calls\n"
      << "calibration error  " << number(report.ece) << "  (after 200 outcomes)\n"
      << "flip rate          " << number(report.flip_rate)
      << "  (decisions that a rewording turns)\n"
      << "time               " << number(times.p50) << " us p50, " << number(times.p99)
      << " us p99\n";
}

bool load_weights(const std::string& path, std::optional<Brain>& brain, std::string& why) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  if (!file) {
    why = path + ": cannot be read";
    return false;
  }
  auto loaded = Brain::load(bytes.str());
  if (!loaded) {
    why = path + ": " + loaded.error().message();
    return false;
  }
  brain.emplace(std::move(*loaded));
  return true;
}

}  // namespace

Exit run_router_eval(const CliIo& io, const RouterEvalOptions& options) {
  std::vector<TrainRow> rows;
  std::string why;
  std::optional<Brain> loaded;
  if (!read_routing_rows(options.file, options.split, rows, why) ||
      (!options.weights.empty() && !load_weights(options.weights, loaded, why))) {
    io.err << why << "\n";
    return Exit::failure;
  }
  std::erase_if(rows, [&options](const TrainRow& row) {
    return !options.set.empty() && row.set.find(options.set) == std::string::npos;
  });
  const Brain* brain = loaded ? &*loaded : builtin_brain();
  if (options.static_rule) brain = nullptr;
  if (brain == nullptr && !options.static_rule) {
    io.err << "the static rule is used: " << builtin_brain_error() << "\n";
  }
  const EvalReport report = evaluate(brain, rows, options.weak, options.strong);
  if (report.n == 0) {
    io.err << options.file << ": no row has a score of both '" << options.weak << "' and '"
           << options.strong << "'\n";
    return Exit::failure;
  }
  const Times times = decide_times(brain, rows);
  if (options.json) {
    io.out << report_json(report, times);
  } else {
    print_report(io.out, report, times);
    print_lengths(io.out, evaluate_lengths(brain, rows));
  }
  return Exit::good;
}

}  // namespace jevons
