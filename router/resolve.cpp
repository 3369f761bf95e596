// What a requested model name means, and how an infeasible decision is told to the client.
#include <algorithm>
#include <initializer_list>

#include "router/decision.h"
#include "router/utf8.h"

namespace jevons {
namespace {

const Policy* find_policy(const std::vector<Policy>& policies, std::string_view name) {
  for (const Policy& policy : policies) {
    if (policy.name == name) return &policy;
  }
  return nullptr;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool serves(const Policy& policy, std::string_view model) {
  return std::any_of(policy.serves.begin(), policy.serves.end(),
                     [model](const std::string& pattern) { return glob_match(pattern, model); });
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + quoted(name);
  return text;
}

// A pinned decision is judged by its own target alone: the others were never meant to serve.
bool meant_to_serve(const Decision& decision, const Candidate& candidate) {
  return !decision.pinned || !decision.baseline || candidate.target == *decision.baseline;
}

// The names of the targets that a reason excludes, at most a few: the message stays readable.
std::string excluded_names(const Decision& decision, const Catalog& catalog, WhyNot why) {
  constexpr std::size_t names_max = 5;
  std::vector<std::string> names;
  std::size_t count = 0;
  for (const Candidate& candidate : decision.candidates) {
    if (candidate.why_not != why || !meant_to_serve(decision, candidate)) continue;
    if (++count <= names_max) names.push_back(catalog.targets[candidate.target].name);
  }
  std::string text = listed(names);
  if (count > names_max) text += " and " + std::to_string(count - names_max) + " more";
  return text;
}

std::string summary(const Decision& decision, const Catalog& catalog) {
  std::string text;
  for (unsigned i = 1; i <= static_cast<unsigned>(WhyNot::quality_floor); ++i) {
    const auto why = static_cast<WhyNot>(i);
    const std::string names = excluded_names(decision, catalog, why);
    if (names.empty()) continue;
    text += text.empty() ? "" : "; ";
    text.append(why_not_name(why)).append(": ").append(names);
  }
  return text;
}

// With one reason for all, whatever else holds beside it, that reason is the answer.
bool excludes_all(const Decision& decision, WhyNot why) {
  bool any = false;
  for (const Candidate& candidate : decision.candidates) {
    if (!meant_to_serve(decision, candidate)) continue;
    if (candidate.why_not != why) return false;
    any = true;
  }
  return any;
}

bool excludes_some_alone(const Decision& decision, WhyNot why) {
  if (excludes_all(decision, why)) return true;
  return std::any_of(decision.candidates.begin(), decision.candidates.end(),
                     [why](const Candidate& candidate) { return candidate.excluded_only_by(why); });
}

}  // namespace

Result<Resolution> resolve_model(const Catalog& catalog, const std::vector<Policy>& policies,
                                 const std::vector<std::string>& allowed, std::string_view named,
                                 std::string_view requested_model, Endpoint endpoint) {
  Resolution resolution;
  if (!named.empty()) {
    resolution.policy = find_policy(policies, named);
    // One answer for both, so that a key cannot ask which policies exist.
    if (resolution.policy == nullptr || !contains(allowed, named)) {
      return Error(Fault::policy_not_allowed, Origin::client,
                   "this key may not use the policy " + quoted(named) +
                       "; it may use: " + (allowed.empty() ? "none" : listed(allowed)))
          .with_param("x-jevons-policy");
    }
  }
  if (const Target* target = catalog.find(requested_model)) {
    resolution.pinned = static_cast<std::size_t>(target - catalog.targets.data());
    for (const std::string& name : allowed) {
      if (resolution.policy == nullptr) resolution.policy = find_policy(policies, name);
    }
    return resolution;
  }
  if (endpoint == Endpoint::embeddings) {
    return Error(Fault::model_not_found, Origin::client,
                 "model " + quoted(requested_model) +
                     " is not in the catalog; embeddings need an exact name, because vectors of "
                     "different models do not mix (GET /v1/models lists them)")
        .with_param("model");
  }
  if (resolution.policy != nullptr) return resolution;
  for (const std::string& name : allowed) {
    const Policy* policy = find_policy(policies, name);
    if (policy == nullptr || !serves(*policy, requested_model)) continue;
    resolution.policy = policy;
    return resolution;
  }
  return Error(Fault::model_not_found, Origin::client,
               "model " + quoted(requested_model) +
                   " is not in the catalog and no policy of this key serves it "
                   "(GET /v1/models lists what there is)")
      .with_param("model");
}

Error infeasible_error(const Decision& decision, const Catalog& catalog) {
  if (!decision.refuse_message.empty()) {
    return Error(Fault::refused_by_policy, Origin::gateway, decision.refuse_message);
  }
  const std::string why = summary(decision, catalog);
  const auto error = [&why](Fault fault, std::string_view what) {
    return Error(fault, Origin::gateway, std::string(what) + " (" + why + ")");
  };
  if (excludes_some_alone(decision, WhyNot::breaker)) {
    return error(Fault::no_target_available,
                 "no target can take this request now; try again shortly")
        .with_retry(true);
  }
  if (excludes_some_alone(decision, WhyNot::budget)) {
    return error(Fault::budget_exceeded, "what is left of the budget cannot pay for this request");
  }
  if (excludes_some_alone(decision, WhyNot::allow_list)) {
    return error(Fault::model_not_allowed, "this key may not use a target that could serve this");
  }
  if (excludes_some_alone(decision, WhyNot::price_unknown)) {
    return error(Fault::price_unknown,
                 "the price of a target that could serve this is unknown; add it to the price "
                 "table or say 'unpriced: allow' in the policy");
  }
  if (excludes_all(decision, WhyNot::context)) {
    return error(Fault::context_length_exceeded,
                 "the prompt is longer than the context of every target that could serve this")
        .with_param("messages");
  }
  return error(Fault::no_eligible_target, "no target of the catalog can serve this request");
}

}  // namespace jevons
