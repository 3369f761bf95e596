#include "router/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace jevons {

double logit_of(double p) {
  const double clamped = std::clamp(p, 0.001, 0.999);
  return std::log(clamped / (1.0 - clamped));
}

double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double Platt::operator()(double p) const { return sigmoid_of(slope * logit_of(p) + shift); }

Platt fit_platt(const std::vector<Judged>& judged, double prior) {
  Platt fit;
  for (int step = 0; step < 20; ++step) {
    // The pull towards slope 1, shift 0 as if `prior` outcomes at p = 0.5 had said so.
    double g0 = prior / 4 * (fit.slope - 1), g1 = prior / 4 * fit.shift;
    double h00 = prior / 4, h01 = 0, h11 = prior / 4;
    for (const Judged& j : judged) {
      const double x = logit_of(j.p), p = sigmoid_of(fit.slope * x + fit.shift);
      const double error = j.weight * (p - j.outcome), curve = j.weight * p * (1 - p);
      g0 += error * x;
      g1 += error;
      h00 += curve * x * x;
      h01 += curve * x;
      h11 += curve;
    }
    const double determinant = h00 * h11 - h01 * h01;
    if (!(determinant > 1e-12)) break;
    const double d0 = (h11 * g0 - h01 * g1) / determinant;
    const double d1 = (h00 * g1 - h01 * g0) / determinant;
    fit.slope = std::clamp(fit.slope - std::clamp(d0, -1.0, 1.0), 0.0, 10.0);
    fit.shift = std::clamp(fit.shift - std::clamp(d1, -2.0, 2.0), -10.0, 10.0);
    if (std::abs(d0) + std::abs(d1) < 1e-9) break;
  }
  return fit;
}

double Isotonic::operator()(double p) const {
  if (points_.empty()) return p;
  // Between groups in a straight line, beyond them level; a tenth of p itself keeps ranks.
  constexpr double own_share = 0.1;
  const auto after =
      std::upper_bound(points_.begin(), points_.end(), p, [](double value, const Point& point) {
        return value < static_cast<double>(point.predicted);
      });
  double mapped = 0;
  if (after == points_.begin()) {
    mapped = static_cast<double>(points_.front().happened);
  } else if (after == points_.end()) {
    mapped = static_cast<double>(points_.back().happened);
  } else {
    const Point& low = *(after - 1);
    const double from = static_cast<double>(low.predicted), to = static_cast<double>(low.happened);
    const double width = static_cast<double>(after->predicted) - from;
    mapped = to + (static_cast<double>(after->happened) - to) * (p - from) / width;
  }
  return own_share * p + (1 - own_share) * mapped;
}

Isotonic fit_isotonic(std::vector<Judged> judged) {
  constexpr std::size_t group_size = 50, groups_min = 3, groups_max = 20;
  std::stable_sort(judged.begin(), judged.end(),
                   [](const Judged& a, const Judged& b) { return a.p < b.p; });
  struct Group {
    double first = 0, last = 0;  // mean predictions of its first and last members
    double happened = 0, weight = 0;
    double mean() const { return happened / weight; }
  };
  std::vector<Group> groups;
  const std::size_t count = std::clamp(judged.size() / group_size, groups_min, groups_max);
  for (std::size_t g = 0; g < count; ++g) {
    Group group;
    double predicted = 0;
    for (std::size_t i = judged.size() * g / count; i < judged.size() * (g + 1) / count; ++i) {
      predicted += judged[i].weight * judged[i].p;
      group.happened += judged[i].weight * judged[i].outcome;
      group.weight += judged[i].weight;
    }
    if (!(group.weight > 0)) continue;
    group.first = group.last = predicted / group.weight;
    groups.push_back(group);
    // Falling, or predicted the same: one group.
    while (groups.size() > 1) {
      const Group& last = groups.back();
      Group& before = groups[groups.size() - 2];
      if (last.mean() > before.mean() && last.first - before.last > 1e-4) break;
      before.last = last.last;
      before.happened += last.happened;
      before.weight += last.weight;
      groups.pop_back();
    }
  }
  Isotonic fit;
  for (const Group& group : groups) {
    const auto happened = static_cast<float>(group.mean());
    fit.points_.push_back({.predicted = static_cast<float>(group.first), .happened = happened});
    if (group.last - group.first > 1e-4)
      fit.points_.push_back({.predicted = static_cast<float>(group.last), .happened = happened});
  }
  return fit;
}

double calibration_error(const std::vector<Judged>& judged) {
  struct Bin {
    double predicted = 0, happened = 0, weight = 0;
  };
  std::array<Bin, 10> bins{};
  double total = 0;
  for (const Judged& j : judged) {
    Bin& bin = bins[static_cast<std::size_t>(std::clamp(j.p * 10, 0.0, 9.0))];
    bin.predicted += j.weight * j.p;
    bin.happened += j.weight * j.outcome;
    bin.weight += j.weight;
    total += j.weight;
  }
  double error = 0;
  for (const Bin& bin : bins) error += std::abs(bin.predicted - bin.happened);
  return total > 0 ? error / total : 0;
}

}  // namespace jevons
