// What an attempt writes elsewhere, field by field: the intent row, the upstream's options, the
// identity that the client sees.
#include "gateway/attempt.h"
#include "gateway/weak_answer.h"
#include "router/efforts.h"

namespace jevons {
namespace {

RequestRecord request_record(Exchange& x) {
  RequestRecord record;
  record.id = x.id;
  record.time_unix_ns = x.started_unix_ns;
  record.key = x.caller.key_name;
  record.tags = x.caller.tags;
  const auto team = x.caller.tags.find("team");
  if (team != x.caller.tags.end()) record.team = team->second;
  record.session = x.caller.session;
  record.endpoint = x.endpoint;
  record.requested_model = x.request.requested_model;
  record.policy = std::string(x.policy_name());
  record.rule = x.decision.rule;
  record.reason = std::string(reason_name(x.decision.reason));
  record.task = std::string(task_name(x.classification.task));
  record.difficulty = x.classification.difficulty;
  record.uncertainty = x.classification.uncertainty;
  if (x.decision.baseline) record.baseline_target = x.target(*x.decision.baseline).name;
  record.propensity = x.decision.propensity;
  record.weights_id = std::string(weights_id());
  // Once: the row of a request is written with its first attempt.
  record.decision = std::move(x.decision_record);
  record.target_layout = x.config->target_layout;
  return record;
}

}  // namespace

AttemptIntent Attempt::intent() const {
  AttemptIntent row;
  row.request = request_record(x_);
  row.attempt = number_;
  row.on = std::string(plan_on_name(on_));
  row.time_unix_ns = x_.services.clock.unix_ns();
  row.target = catalog_target_.name;
  row.provider = catalog_target_.provider;
  row.model = catalog_target_.reported_model();
  AttemptFacts expected = facts();
  row.estimated_usage = estimated_usage(x_.classification, hold_.output_cap);
  const AttemptCost cost = attempt_cost(expected, row.estimated_usage);
  row.price_id = cost.price_id;
  row.priced = cost.cost.has_value();
  if (cost.cost) row.estimated = cost.cost->total;
  // How long the local engine will work is not known; what decide expected stands for it.
  if (catalog_target_.local_cost_per_hour)
    row.estimated = x_.decision.candidates[target_].expected_cost.value_or(Nanodollars{});
  row.reserved = std::max(hold_.amount, row.estimated);
  return row;
}

EncodeOptions Attempt::encode_options() const {
  EncodeOptions options;
  // An embedding has no output to cap, and a whole answer is asked for whole.
  options.stream = x_.request.stream;
  options.output_cap = x_.endpoint == Endpoint::embeddings ? 0 : hold_.output_cap;
  options.effort = x_.decision.effort;
  if (options.effort.empty() && !states_effort(x_.request))
    options.effort = effort_of(catalog_target_);
  if (const Policy* policy = x_.decision.policy)
    options.logprobs = wants_logprobs(*policy, x_.request, catalog_target_);
  options.strict_params = x_.decision.policy && x_.decision.policy->strict_params;
  if (const ProviderConfig* provider = x_.config->provider(catalog_target_.provider))
    options.quirks = provider->quirks;
  return options;
}

AnswerMeta Attempt::meta() const {
  AnswerMeta meta;
  const std::string_view digits = std::string_view(x_.id_text).substr(2);
  meta.id = (x_.endpoint == Endpoint::completions ? "cmpl-" : "chatcmpl-") + std::string(digits);
  meta.created = x_.started_unix_s();
  meta.model = catalog_target_.reported_model();
  meta.request_id = x_.id_text;
  return meta;
}

StreamEnd Attempt::stream_end() const {
  StreamEnd end;
  end.usage = final_usage_;
  if (!x_.unpriced) end.account.cost = x_.cost;
  if (final_cost_.cost) end.account.baseline = x_.baseline;
  end.account.target = catalog_target_.name;
  end.account.attempts = x_.attempts;
  if (capped_by_budget_ && finish_ == FinishReason::length) end.account.ended = "budget";
  return end;
}

}  // namespace jevons
