// What a budget's alert says to its webhook; that it arrives is in tests/e2e/test_budget.py.
#include "gateway/alerts.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("an alert names the budget, whose it is, what was spent, and the window") {
  BudgetAlert alert;
  alert.budget.name = "search-month";
  alert.budget.limit = Nanodollars{500'000'000'000};
  alert.budget.window = Window::month;
  alert.budget.hard = false;
  alert.scope = "team search";
  alert.share = 0.8;
  alert.spent = Nanodollars{400'000'000'001};
  alert.window = {.begin = 1'793'491'200, .end = 1'796'083'200};
  CHECK(alert_json(alert) ==
        R"({"event":"budget_alert","budget":"search-month","scope":"team search","kind":"soft",)"
        R"("share":0.8,"spent_usd":400.000000001,"limit_usd":500,"window":"month",)"
        R"("from":"2026-11-01T00:00:00Z","until":"2026-12-01T00:00:00Z"})");
}
