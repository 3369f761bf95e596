#include "gateway/finish.h"

#include "gateway/attempt.h"
#include "gateway/http_error.h"
#include "gateway/log.h"
#include "gateway/teach.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

std::string milliseconds(std::int64_t us) { return std::to_string(us / 1'000); }

void log_request(const Exchange& x, const Result<void>& served, std::int64_t duration_us) {
  if (!x.services.access_log) return;
  const std::string target = x.served_by ? x.target(*x.served_by).name : "";
  log_event(LogLevel::info, "request",
            {{"id", x.id_text},
             {"key", x.caller.key_name},
             {"endpoint", std::string(endpoint_name(x.endpoint))},
             {"task", std::string(task_name(x.classification.task))},
             {"target", target},
             {"status", std::to_string(x.status)},
             {"code", served.has_error() ? std::string(fault_code(served.error().fault())) : "ok"},
             {"attempts", std::to_string(x.attempts)},
             {"duration_ms", milliseconds(duration_us)},
             {"cost_usd", x.unpriced ? "unknown" : dollars_text(x.cost)},
             {"saved_usd", dollars_text(x.baseline - x.cost)},
             {"reason", std::string(reason_name(x.decision.reason))}});
}

}  // namespace

void watch_client(Exchange& x) {
  const auto interrupted = [&x](Interrupt why) {
    (why == Interrupt::stopping ? x.stopping : x.client_gone) = true;
    for (Attempt* attempt : x.running) attempt->interrupt(why);
  };
  x.responder.on_interrupt(interrupted);
}

void note_decision(Exchange& x) {
  const std::string_view target =
      x.decision.target ? std::string_view(x.target(*x.decision.target).name) : "none";
  x.services.metrics.decided(x.policy_name(), x.decision.rule, target,
                             reason_name(x.decision.reason));
}

asio::awaitable<void> refuse(Exchange& x, const Error& error) {
  HttpAnswer answer = http_error(error, x.request.dialect, x.id_text);
  x.status = answer.status;
  if (x.client_gone) co_return;
  for (const Header& header : x.answer_headers) answer.headers.push_back(header);
  if (x.attempts > 0)
    answer.headers.push_back(Header{"x-jevons-attempts", std::to_string(x.attempts)});
  co_await x.responder.send(answer.status, std::move(answer.headers), std::move(answer.body));
}

void finish(Exchange& x, const Result<void>& served) {
  const std::int64_t duration_us = x.services.clock.steady_us() - x.started_us;
  FinishedRequest sample;
  sample.endpoint = endpoint_name(x.endpoint);
  sample.policy = x.policy_name();
  // A request that reached no target has no target label.
  const std::optional<std::size_t> target = x.served_by ? x.served_by : x.decision.target;
  if (target) {
    sample.target = x.target(*target).name;
    sample.provider = x.target(*target).provider;
    sample.model = x.target(*target).reported_model();
  }
  sample.status = x.status;
  sample.duration_s = static_cast<double>(duration_us) / 1e6;
  sample.overhead_s = static_cast<double>(duration_us - x.upstream_us) / 1e6;
  if (!x.unpriced && x.attempts > 0) sample.cost = x.cost;
  x.services.metrics.finished(sample);
  // What cost an unknown amount keeps all that was held.
  if (x.exploring && !x.unpriced) x.services.exploration.settle(*x.exploring, x.cost);
  if (x.committed && x.served_by) {
    teach_when_served(x);
    if (!x.caller.session.empty())
      x.services.sessions.served(x.caller.key_name, x.caller.session, x.target(*x.served_by).name,
                                 x.session_tokens, x.services.clock.steady_ms());
    const std::int64_t taken =
        x.classification.prompt_tokens + x.classification.completion_tokens_p50;
    x.services.rate_limits.correct(*x.key, x.used_tokens - taken, x.services.clock.steady_ms());
  }
  log_request(x, served, duration_us);
}

}  // namespace jevons
