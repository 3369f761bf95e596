#include <doctest/doctest.h>

#include <set>
#include <string>

#include "router/decision.h"
#include "router/ledger_record.h"

using namespace jevons;

TEST_CASE("enumerators have the contract's words") {
  const auto joined = [](auto name_of, int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text.append(name_of(i)).append(" ");
    return text;
  };
  CHECK(joined([](int i) { return task_name(static_cast<Task>(i)); }, 11) ==
        "chat code math reasoning knowledge extraction translation summarise classify tool-use "
        "agent-step ");
  CHECK(joined([](int i) { return why_not_name(static_cast<WhyNot>(i)); }, 13) ==
        " context capability label allow_list rule price_unknown budget breaker sla_ttft sla_total "
        "max_cost quality_floor ");
  CHECK(joined([](int i) { return reason_name(static_cast<Reason>(i)); }, 11) ==
        "cheapest_above_floor best fastest best_value rule pinned_model session_sticky "
        "only_eligible relaxed explore best_until_proven ");
  CHECK(joined([](int i) { return plan_on_name(static_cast<PlanOn>(i)); }, 5) ==
        "start retry escalate fallback hedge ");
  CHECK(joined([](int i) { return relax_name(static_cast<Relax>(i)); }, 4) ==
        "sla.ttft_p95 sla.total_p95 sla.max_cost_usd quality.floor ");
  CHECK(joined([](int i) { return outcome_name(static_cast<Outcome>(i)); }, 10) ==
        "ok client_error upstream_error gateway_error timeout cancelled cut budget refused "
        "superseded ");
  CHECK(joined([](int i) { return endpoint_name(static_cast<Endpoint>(i)); }, 9) ==
        "chat completions embeddings responses messages count_tokens route feedback models ");
}

TEST_CASE("task names are read back") {
  for (std::size_t i = 0; i < task_count; ++i) {
    CHECK(task_of(task_name(static_cast<Task>(i))) == static_cast<Task>(i));
  }
  CHECK_FALSE(task_of("tool_use"));
}

TEST_CASE("request ids have one spelling") {
  const RequestId id{.high = 0x0123456789abcdef, .low = 0xf};
  CHECK(request_id_text(id) == "r-0123456789abcdef000000000000000f");
  CHECK(request_id_of("r-0123456789abcdef000000000000000f") == id);
  for (const char* bad :
       {"", "r-", "r-0123456789ABCDEF000000000000000f", "r-0123456789abcdef000000000000000",
        "x-0123456789abcdef000000000000000f", "r-0123456789abcdef000000000000000f0",
        "r-0123456789abcdef00000000000000'f"}) {
    CAPTURE(bad);
    CHECK_FALSE(request_id_of(bad));
  }
}
