#include "gateway/teach.h"

#include <algorithm>
#include <cmath>

#include "gateway/weak_answer.h"
#include "router/estimate.h"

namespace jevons {
namespace {

Learn learn_of(const Exchange& x) {
  return x.decision.policy ? x.decision.policy->learn : Learn::all;
}

bool learns(const Exchange& x) {
  return x.services.learning && learn_of(x) != Learn::none && x.endpoint != Endpoint::embeddings;
}

ServedAnswer answer_of(const Exchange& x, std::size_t target) {
  ServedAnswer answer;
  answer.request = x.id;
  answer.key = x.caller.key_name;
  answer.target = x.target(target).name;
  answer.input = head_input(x.target(target), x.classification);
  answer.learn = learn_of(x);
  return answer;
}

bool asks_for_form(const ChatRequest& request) {
  return request.response_format.kind == ResponseFormat::Kind::json_object ||
         request.response_format.kind == ResponseFormat::Kind::json_schema;
}

// Every sign that an answer can show by itself, by falling weight.
const Policy& all_signs() {
  static const Policy policy = [] {
    Policy all;
    all.escalate_on = {EscalateOn::invalid_json, EscalateOn::invalid_tool_call, EscalateOn::refusal,
                       EscalateOn::truncated};
    return all;
  }();
  return policy;
}

// Of a streamed answer that was not kept: several choices, or too long to be checked.
AnswerSign sign_of_end(const Exchange& x) {
  if (x.finish == FinishReason::content_filter) return AnswerSign::refused;
  const bool cut = x.finish == FinishReason::length && !x.request.max_completion_tokens;
  return cut ? AnswerSign::truncated : AnswerSign::fine;
}

// How long the answer was beside what was predicted, where the upstream counted it.
void teach_length(Exchange& x, const ServedAnswer& answer) {
  const double predicted = typical_completion(x.request, x.classification, x.target(*x.served_by));
  if (x.answer_tokens <= 0 || predicted <= 0) return;
  const auto choices = static_cast<double>(std::max<std::int64_t>(1, x.request.n));
  const double tokens = std::max(1.0, static_cast<double>(x.answer_tokens) / choices);
  x.services.learning->answered(answer, std::log(tokens / predicted),
                                x.finish == FinishReason::length, x.started_unix_s());
}

}  // namespace

AnswerSign sign_of(const ChatRequest& request, const ChatResponse& response) {
  bool called = false, cut = false;
  for (const Choice& choice : response.choices) {
    called = called || !choice.tool_calls.empty();
    cut = cut || choice.finish == FinishReason::length;
  }
  // JSON that the client's own cap cut off says nothing of the target.
  if (cut && request.max_completion_tokens) return AnswerSign::fine;
  const auto weak = weak_answer(all_signs(), request, response);
  if (!weak) return asks_for_form(request) || called ? AnswerSign::checked : AnswerSign::fine;
  if (*weak == EscalateOn::truncated) return AnswerSign::truncated;
  return *weak == EscalateOn::refusal ? AnswerSign::refused : AnswerSign::invalid;
}

bool learns_from_answers(const Exchange& x) { return learns(x) && learn_of(x) == Learn::all; }

void teach_from_answer(Exchange& x, const Attempt& attempt) {
  if (!learns_from_answers(x) || !attempt.whole()) return;
  AnswerSign sign = sign_of(x.request, *attempt.whole());
  if (sign == AnswerSign::truncated && attempt.capped_by_budget()) sign = AnswerSign::fine;
  x.services.learning->observed(answer_of(x, attempt.target_index()), sign, x.started_unix_s());
}

void teach_when_served(Exchange& x) {
  if (!learns(x)) return;
  ServedAnswer answer = answer_of(x, *x.served_by);
  if (x.request.stream && x.finish != FinishReason::unset) {
    const AnswerSign sign = x.streamed ? sign_of(x.request, *x.streamed) : sign_of_end(x);
    x.services.learning->observed(answer, sign, x.started_unix_s());
  }
  teach_length(x, answer);
  answer.prompt_hash = prompt_hash(x.caller.key_name, x.request);
  x.services.learning->served(std::move(answer), x.services.clock.steady_ms());
}

void teach_from_feedback(Exchange& x, const Feedback& feedback) {
  if (!x.services.learning) return;
  x.services.learning->reported(feedback.request, feedback.key, feedback.score, feedback.source,
                                x.started_unix_s());
}

}  // namespace jevons
