// Which experts a token goes to, and with what weights. One scalar reference for all backends.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

namespace jevons::engine {

enum class RouterScore : std::uint8_t {
  softmax_all,       // probabilities over all experts, then the best k
  softmax_selected,  // the best k logits, softmax over those only (gpt-oss)
};

struct RouterSpec {
  std::uint32_t experts = 0;
  std::uint32_t used = 0;
  RouterScore score = RouterScore::softmax_all;
  bool renormalise = false;  // weights of the chosen sum to one
  float scale = 1;
};

struct Route {
  std::uint32_t expert = 0;
  float weight = 0;
};

// `logits` has spec.experts values, biases added, and is overwritten; `routes` spec.used entries,
// best first. Of equal logits the lower expert wins. A NaN counts as the lowest.
inline void route_token(const RouterSpec& spec, std::span<float> logits, std::span<Route> routes) {
  float top = -INFINITY;
  for (float& logit : logits) {
    if (std::isnan(logit)) logit = -INFINITY;
    top = std::max(top, logit);
  }
  if (std::isinf(top)) top = 0;
  float all = 0;
  for (const float logit : logits) all += std::exp(logit - top);
  float chosen = 0;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    std::size_t best = 0;
    bool found = false;
    for (std::size_t e = 0; e < logits.size(); ++e) {
      const bool taken =
          std::any_of(routes.begin(), routes.begin() + static_cast<std::ptrdiff_t>(i),
                      [&](const Route& r) { return r.expert == e; });
      if (taken || (found && !(logits[e] > logits[best]))) continue;
      best = e;
      found = true;
    }
    routes[i] = {static_cast<std::uint32_t>(best), std::exp(logits[best] - top)};
    chosen += routes[i].weight;
  }
  const bool over_chosen = spec.renormalise || spec.score == RouterScore::softmax_selected;
  // The smallest normal f16, as the reference models guard this division.
  const float sum = over_chosen ? std::max(chosen, 6.103515625e-5F * all) : all;
  for (Route& route : routes) route.weight *= spec.scale / (sum > 0 ? sum : 1.0F);
}

}  // namespace jevons::engine
