#include <doctest/doctest.h>

#include "gateway/cli/replay.h"
#include "providers/json.h"

using namespace jevons;

namespace {

ReplayReport sample() {
  ReplayReport report;
  report.decisions = 1'200;
  report.reproduced = 1'199;
  report.changed = 700;
  report.gone = 3;
  report.today.cost = {2'000'000'000};
  report.today.input = {500'000'000};
  report.today.output = {1'500'000'000};
  report.today.targets["opus"] = {.requests = 1'200, .cost = {2'000'000'000}};
  report.today.quality = {.value = 0.9, .low = 0.88, .high = 0.92, .scored = 400, .enough = true};
  report.changed_policy.cost = {1'000'000'000};
  report.changed_policy.targets["mini"] = {.requests = 700, .cost = {100'000'000}};
  report.changed_policy.targets["opus"] = {.requests = 500, .cost = {900'000'000}};
  report.changed_policy.quality.why_not_enough =
      "58 % of its choices were never tried; `explore` would try them";
  report.unknown_escalations = {"mini"};
  return report;
}

const ReplayTitle title{.today = "default",
                        .changed = "cheap",
                        .from_unix_s = 1'795'305'600,
                        .until_unix_s = 1'795'392'000};

}  // namespace

TEST_CASE("replay report: a terminal shows both policies and what the data cannot say") {
  const std::string text = replay_table(sample(), title, false, 100);
  for (const char* part :
       {"1,200 decisions of policy 'default' from 2026-11-22T00:00:00Z to 2026-11-23T00:00:00Z, "
        "tried under 'cheap'\n",
        "today's policy decides 1,199 of them as recorded; the new one sends 700 elsewhere\n",
        "-50.0 %", "0.900 (0.880 to 0.920)", "not enough support", "mini", "█",
        "quality of the new policy: not enough support: 58 % of its choices were never tried; "
        "`explore` would try them\n",
        "escalations from mini are not in the cost: too few requests began there\n",
        "3 decisions chose a target that left the catalog and are left out\n"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("replay report: several policies, one of them gone, and requests without one") {
  ReplayReport report = sample();
  report.policy_gone = 12;
  ReplayTitle several = title;
  several.today = "default, private";
  several.pinned = 7;
  const std::string text = replay_table(report, several, false, 100);
  for (const char* part :
       {"1,200 decisions of the policies default, private from 2026-11-22",
        "12 decisions were made by a policy that is no longer configured: today is as recorded\n",
        "7 requests named their target themselves and are left out\n"}) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

TEST_CASE("replay report: without decisions there is no table") {
  CHECK(replay_table({}, title, false, 100).find("cost") == std::string::npos);
}

TEST_CASE("replay report: JSON has integers for money and null where support is missing") {
  const std::string text = replay_json(sample(), title);
  JsonDocument document;
  const auto root = document.parse(text);
  REQUIRE(root.has_value());
  CHECK((*root)["savings_nanodollars"].integer() == 1'000'000'000);
  CHECK((*root)["today"]["quality"]["estimate"].number() == 0.9);
  const JsonView quality = (*root)["new"]["quality"];
  CHECK(quality["estimate"].null());
  CHECK_FALSE(quality["enough_support"].boolean());
  CHECK(quality["why_not"].text() ==
        "not enough support: 58 % of its choices were never tried; `explore` would try them");
}
