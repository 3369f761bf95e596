// The words for enumerators, as contract.md spells them: clients, policies and reports see these.
#include <array>

#include "router/chat.h"
#include "router/classification.h"
#include "router/decision.h"
#include "router/policy.h"
#include "router/target.h"

namespace jevons {
namespace {

constexpr std::array<std::string_view, task_count> task_names = {
    "chat",        "code",      "math",     "reasoning", "knowledge", "extraction",
    "translation", "summarise", "classify", "tool-use",  "agent-step"};

}  // namespace

std::string_view endpoint_name(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::chat:
      return "chat";
    case Endpoint::completions:
      return "completions";
    case Endpoint::embeddings:
      return "embeddings";
    case Endpoint::responses:
      return "responses";
    case Endpoint::messages:
      return "messages";
    case Endpoint::count_tokens:
      return "count_tokens";
    case Endpoint::route:
      return "route";
    case Endpoint::feedback:
      return "feedback";
    case Endpoint::models:
      return "models";
  }
  return "chat";
}

std::string_view role_name(Role role) {
  switch (role) {
    case Role::system:
      return "system";
    case Role::developer:
      return "developer";
    case Role::user:
      return "user";
    case Role::assistant:
      return "assistant";
    case Role::tool:
      return "tool";
  }
  return "user";
}

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::unset:
      return "";
    case FinishReason::stop:
      return "stop";
    case FinishReason::length:
      return "length";
    case FinishReason::tool_calls:
      return "tool_calls";
    case FinishReason::content_filter:
      return "content_filter";
    case FinishReason::error:
      return "error";
  }
  return "";
}

std::string_view task_name(Task task) { return task_names[static_cast<std::size_t>(task)]; }

std::optional<Task> task_of(std::string_view name) {
  for (std::size_t i = 0; i < task_names.size(); ++i) {
    if (task_names[i] == name) return static_cast<Task>(i);
  }
  return std::nullopt;
}

std::string_view tier_name(Tier tier) {
  switch (tier) {
    case Tier::local:
      return "local";
    case Tier::budget:
      return "budget";
    case Tier::premium:
      return "premium";
  }
  return "budget";
}

std::string_view capability_name(Capability capability) {
  switch (capability) {
    case Capability::chat:
      return "chat";
    case Capability::stream:
      return "stream";
    case Capability::tools:
      return "tools";
    case Capability::json_schema:
      return "json_schema";
    case Capability::vision:
      return "vision";
    case Capability::thinking:
      return "thinking";
    case Capability::audio:
      return "audio";
    case Capability::file:
      return "file";
    case Capability::logprobs:
      return "logprobs";
    case Capability::embeddings:
      return "embeddings";
  }
  return "chat";
}

std::string_view objective_name(Objective objective) {
  switch (objective) {
    case Objective::cheapest:
      return "cheapest";
    case Objective::best:
      return "best";
    case Objective::fastest:
      return "fastest";
    case Objective::value:
      return "value";
  }
  return "cheapest";
}

std::string_view relax_name(Relax relax) {
  switch (relax) {
    case Relax::sla_ttft:
      return "sla.ttft_p95";
    case Relax::sla_total:
      return "sla.total_p95";
    case Relax::max_cost:
      return "sla.max_cost_usd";
    case Relax::quality_floor:
      return "quality.floor";
  }
  return "quality.floor";
}

std::string_view why_not_name(WhyNot why) {
  switch (why) {
    case WhyNot::none:
      return "";
    case WhyNot::context:
      return "context";
    case WhyNot::capability:
      return "capability";
    case WhyNot::label:
      return "label";
    case WhyNot::allow_list:
      return "allow_list";
    case WhyNot::rule:
      return "rule";
    case WhyNot::price_unknown:
      return "price_unknown";
    case WhyNot::budget:
      return "budget";
    case WhyNot::breaker:
      return "breaker";
    case WhyNot::sla_ttft:
      return "sla_ttft";
    case WhyNot::sla_total:
      return "sla_total";
    case WhyNot::max_cost:
      return "max_cost";
    case WhyNot::quality_floor:
      return "quality_floor";
  }
  return "";
}

std::string_view reason_name(Reason reason) {
  switch (reason) {
    case Reason::cheapest_above_floor:
      return "cheapest_above_floor";
    case Reason::best:
      return "best";
    case Reason::fastest:
      return "fastest";
    case Reason::best_value:
      return "best_value";
    case Reason::rule:
      return "rule";
    case Reason::pinned_model:
      return "pinned_model";
    case Reason::session_sticky:
      return "session_sticky";
    case Reason::best_until_proven:
      return "best_until_proven";
    case Reason::only_eligible:
      return "only_eligible";
    case Reason::relaxed:
      return "relaxed";
    case Reason::explore:
      return "explore";
  }
  return "cheapest_above_floor";
}

std::string_view plan_on_name(PlanOn on) {
  switch (on) {
    case PlanOn::start:
      return "start";
    case PlanOn::retry:
      return "retry";
    case PlanOn::escalate:
      return "escalate";
    case PlanOn::fallback:
      return "fallback";
    case PlanOn::hedge:
      return "hedge";
    case PlanOn::sample:
      return "sample";
  }
  return "start";
}

}  // namespace jevons
