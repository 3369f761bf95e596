#include "router/eval.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "router/calibration.h"
#include "router/estimate.h"
#include "router/judge.h"
#include "router/learned.h"
#include "router/reword.h"

namespace jevons {
namespace {

constexpr std::size_t platt_outcomes = 200;
constexpr std::size_t flip_rows_max = 1'000;
constexpr int resamples = 200;
// Nothing is known of the two models but their order.
constexpr double ability_of_weak = 0.6, ability_of_strong = 0.85;

std::uint64_t mixed(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

struct Scored {
  const TrainRow* row = nullptr;
  double weak = 0, strong = 0;
  ServedChance chance;
  double gain = 0;
};

struct Curve {
  double apgr = 0.5, cpt50 = 100, cpt80 = 100;
};

// `times[i]`: how often row i was drawn; rows stand in falling order of their gain.
Curve curve_of(const std::vector<Scored>& rows, const std::vector<int>& times) {
  double gap = 0, n = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    gap += times[i] * (rows[i].strong - rows[i].weak);
    n += times[i];
  }
  Curve curve;
  if (gap <= 0) return curve;
  double recovered = 0, area = 0, called = 0;
  bool half = false, most = false;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (int k = 0; k < times[i]; ++k) {
      recovered += (rows[i].strong - rows[i].weak) / gap;
      area += recovered;
      called += 1;
      if (!half && recovered >= 0.5) half = true, curve.cpt50 = 100 * called / n;
      if (!most && recovered >= 0.8) most = true, curve.cpt80 = 100 * called / n;
    }
  }
  curve.apgr = area / (n + 1);
  return curve;
}

void set_interval(const std::vector<Scored>& rows, EvalReport& report) {
  std::vector<double> values;
  for (int r = 0; r < resamples; ++r) {
    std::vector<int> times(rows.size(), 0);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ++times[mixed(static_cast<std::uint64_t>(r) * 1'000'003 + i) % rows.size()];
    }
    values.push_back(curve_of(rows, times).apgr);
  }
  std::sort(values.begin(), values.end());
  report.apgr_low = values[resamples * 25 / 1000];
  report.apgr_high = values[resamples * 975 / 1000];
}

// What a gateway would do: learn from the first outcomes, be judged on the rest.
double error_after_platt(const std::vector<Scored>& rows, bool strong) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [](std::size_t a, std::size_t b) { return mixed(a) < mixed(b); });
  std::vector<Judged> first, rest;
  const std::size_t learned = std::min(platt_outcomes, rows.size() / 2);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Scored& row = rows[order[i]];
    const double p = strong ? row.chance.strong : row.chance.weak;
    (i < learned ? first : rest).push_back({.p = p, .outcome = strong ? row.strong : row.weak});
  }
  const Platt platt = fit_platt(first);
  for (Judged& judged : rest) judged.p = platt(judged.p);
  return calibration_error(rest);
}

double flip_rate(const Brain* brain, const std::vector<Scored>& rows) {
  const double middle = rows[rows.size() / 2].gain;
  const std::size_t stride = std::max<std::size_t>(1, rows.size() / flip_rows_max);
  double flips = 0, tries = 0;
  for (std::size_t i = 0; i < rows.size(); i += stride) {
    for (std::size_t how = 0; how < rewording_count; ++how) {
      const std::string text =
          reword(rows[i].row->prompt, static_cast<Rewording>(how), i * 977 + how);
      const double gain = served_chance(brain, features_of_prompt(text, rows[i].row->tools,
                                                                  rows[i].row->schema_bytes))
                              .gain();
      flips += (gain > middle) != (rows[i].gain > middle) ? 1 : 0;
      tries += 1;
    }
  }
  return tries > 0 ? flips / tries : 0;
}

Target target_of(double ability) {
  Target target;
  target.ability = {{"overall", ability}};
  return target;
}

Classification classified(const Brain* brain, const Features& features) {
  Classification classification;
  classification.task = task_of_text(features);
  const Judgement judgement = judge(features, classification.task, brain);
  classification.difficulty = judgement.difficulty;
  classification.trunk = judgement.trunk;
  return classification;
}

// A prompt as the heads of the two models see it.
struct BothModels {
  double weak = 0, strong = 0;
  HeadInput weak_input, strong_input;
};

// Learns from the first `outcomes` rows of the order, is judged on the rest.
LearningReport learned_report(const std::vector<BothModels>& rows,
                              const std::vector<std::size_t>& order, std::size_t outcomes) {
  TargetOutcomes weak, strong;
  for (std::size_t i = 0; i < outcomes; ++i) {
    const BothModels& row = rows[order[i]];
    const bool of_strong = i % 2 != 0;
    OutcomeSample sample{.id = i + 1, .key = "eval"};
    sample.input = of_strong ? row.strong_input : row.weak_input;
    sample.score = of_strong ? row.strong : row.weak;
    (of_strong ? strong : weak).learn(std::move(sample));
  }
  const TargetHeads weak_heads = weak.heads(), strong_heads = strong.heads();
  const Head &weak_head = weak_heads.head_for("eval"), &strong_head = strong_heads.head_for("eval");
  std::vector<Scored> scored;
  std::vector<Judged> judged_weak, judged_strong;
  for (std::size_t i = outcomes; i < order.size(); ++i) {
    const BothModels& row = rows[order[i]];
    const double p_weak = weak_head.p_ok(row.weak_input);
    const double p_strong = strong_head.p_ok(row.strong_input);
    scored.push_back({.weak = row.weak, .strong = row.strong, .gain = p_strong - p_weak});
    judged_weak.push_back({.p = p_weak, .outcome = row.weak});
    judged_strong.push_back({.p = p_strong, .outcome = row.strong});
  }
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.gain > b.gain; });
  return {.outcomes = outcomes,
          .apgr = curve_of(scored, std::vector<int>(scored.size(), 1)).apgr,
          .ece = (calibration_error(judged_weak) + calibration_error(judged_strong)) / 2};
}

}  // namespace

ServedChance served_chance(const Brain* brain, const Features& features) {
  const Classification classification = classified(brain, features);
  return {.weak = p_ok_of(target_of(ability_of_weak), classification),
          .strong = p_ok_of(target_of(ability_of_strong), classification)};
}

std::vector<LearningReport> evaluate_learning(const Brain* brain, const std::vector<TrainRow>& rows,
                                              const std::string& weak, const std::string& strong) {
  constexpr std::size_t draws = 3, judged_min = 200;
  std::vector<BothModels> known;
  for (const TrainRow& row : rows) {
    const auto w = row.scores.find(weak), s = row.scores.find(strong);
    if (w == row.scores.end() || s == row.scores.end()) continue;
    const Features features = features_of_prompt(row.prompt, row.tools, row.schema_bytes);
    const Classification classification = classified(brain, features);
    known.push_back({.weak = w->second,
                     .strong = s->second,
                     .weak_input = head_input(target_of(ability_of_weak), classification),
                     .strong_input = head_input(target_of(ability_of_strong), classification)});
  }
  std::vector<LearningReport> reports;
  for (const std::size_t outcomes : learning_outcomes) {
    if (known.size() < outcomes + judged_min) break;
    LearningReport mean{.outcomes = outcomes, .apgr = 0, .ece = 0};
    for (std::size_t draw = 0; draw < draws; ++draw) {
      std::vector<std::size_t> order(known.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      std::sort(order.begin(), order.end(), [draw](std::size_t a, std::size_t b) {
        return mixed(a * draws + draw) < mixed(b * draws + draw);
      });
      const LearningReport one = learned_report(known, order, outcomes);
      mean.apgr += one.apgr / double(draws);
      mean.ece += one.ece / double(draws);
    }
    reports.push_back(mean);
  }
  return reports;
}

EvalReport evaluate(const Brain* brain, const std::vector<TrainRow>& rows, const std::string& weak,
                    const std::string& strong) {
  std::vector<Scored> scored;
  for (const TrainRow& row : rows) {
    const auto w = row.scores.find(weak), s = row.scores.find(strong);
    if (w == row.scores.end() || s == row.scores.end()) continue;
    const Features features = features_of_prompt(row.prompt, row.tools, row.schema_bytes);
    Scored one{.row = &row, .weak = w->second, .strong = s->second};
    one.chance = served_chance(brain, features);
    one.gain = one.chance.gain();
    scored.push_back(one);
  }
  EvalReport report{.n = scored.size()};
  if (scored.empty()) return report;
  for (const Scored& row : scored) report.gap += (row.strong - row.weak) / double(scored.size());
  std::stable_sort(scored.begin(), scored.end(),
                   [](const Scored& a, const Scored& b) { return a.gain > b.gain; });
  const Curve curve = curve_of(scored, std::vector<int>(scored.size(), 1));
  report.apgr = curve.apgr;
  report.cpt50 = curve.cpt50;
  report.cpt80 = curve.cpt80;
  set_interval(scored, report);
  report.ece = (error_after_platt(scored, true) + error_after_platt(scored, false)) / 2;
  report.flip_rate = flip_rate(brain, scored);
  return report;
}

}  // namespace jevons
