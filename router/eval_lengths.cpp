// Predicted answer lengths against recorded ones, as a gateway meets them: each target starts from
// the prediction that is made of the request alone and learns from its own answers.
#include <algorithm>
#include <cmath>
#include <map>

#include "router/decision.h"
#include "router/eval.h"
#include "router/lengths.h"

namespace jevons {
namespace {

constexpr int resamples = 200;

std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

struct Predicted {
  const TrainRow* row = nullptr;
  double log_tokens = 0;
  Task task = Task::chat;
};

double median_factor(std::vector<double>& errors) {
  if (errors.empty()) return 1;
  const auto middle = errors.begin() + static_cast<std::ptrdiff_t>(errors.size() / 2);
  std::nth_element(errors.begin(), middle, errors.end());
  return std::exp(*middle);
}

std::vector<Predicted> predictions(const Brain* brain, const std::vector<TrainRow>& rows) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i].tokens.empty()) order.push_back(i);
  }
  std::sort(order.begin(), order.end(),
            [](std::size_t a, std::size_t b) { return mixed(a) < mixed(b); });
  std::vector<Predicted> predicted;
  for (const std::size_t i : order) {
    ChatRequest request;
    request.messages.resize(1);
    request.messages[0].parts = {{.text = rows[i].prompt}};
    const Classification c = classify(request, brain);
    predicted.push_back({.row = &rows[i],
                         .log_tokens = std::log(static_cast<double>(c.uncapped_p50)),
                         .task = c.task});
  }
  return predicted;
}

void set_interval(const std::vector<std::vector<double>>& by_prompt, LengthReport& report) {
  std::vector<double> factors;
  for (std::uint64_t r = 0; r < resamples; ++r) {
    std::vector<double> errors;
    for (std::size_t i = 0; i < by_prompt.size(); ++i) {
      const auto& drawn = by_prompt[mixed(r * 1'000'003 + i) % by_prompt.size()];
      errors.insert(errors.end(), drawn.begin(), drawn.end());
    }
    factors.push_back(median_factor(errors));
  }
  std::sort(factors.begin(), factors.end());
  report.learned_low = factors[resamples * 25 / 1000];
  report.learned_high = factors[resamples * 975 / 1000];
}

}  // namespace

LengthReport evaluate_lengths(const Brain* brain, const std::vector<TrainRow>& rows) {
  struct Followed {
    LengthWindow window;
    TargetLengths known;
  };
  std::map<std::string, Followed> targets;
  LengthReport report;
  std::vector<double> cold;
  std::vector<std::vector<double>> learned;
  for (const Predicted& one : predictions(brain, rows)) {
    std::vector<double> errors;
    for (const auto& [model, tokens] : one.row->tokens) {
      Followed& target = targets[model];
      const double residual = std::log(tokens) - one.log_tokens;
      cold.push_back(std::abs(residual));
      if (target.window.count() < lengths_learned_from) {
        target.window.learn({.key = "eval", .task = one.task, .residual = residual});
        target.known = target.window.lengths();
        continue;
      }
      const LengthShift& shift = target.known.shift_for("eval");
      errors.push_back(std::abs(
          residual - static_cast<double>(shift.shift[static_cast<std::size_t>(one.task)])));
    }
    report.answers += errors.size();
    if (!errors.empty()) learned.push_back(std::move(errors));
  }
  report.cold = median_factor(cold);
  if (learned.empty()) return report;
  std::vector<double> all;
  for (const auto& errors : learned) all.insert(all.end(), errors.begin(), errors.end());
  report.learned = median_factor(all);
  set_interval(learned, report);
  return report;
}

}  // namespace jevons
