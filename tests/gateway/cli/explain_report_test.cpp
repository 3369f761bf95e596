#include <doctest/doctest.h>

#include <sstream>

#include "gateway/cli/explain.h"
#include "providers/json.h"
#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

World promised() {
  World world;
  world.policy.quality_floor = 0;
  world.policy.fail_at_most = 0.1;
  world.snapshot.targets[mini].failures_at_most = 0.25;
  return world;
}

std::string printed(const Explained& explained, bool json) {
  std::ostringstream out, err;
  print_explained(explained, json, CliIo{out, err});
  return out.str();
}

void check_parts(const std::string& text, std::initializer_list<const char*> parts) {
  CAPTURE(text);
  for (const char* part : parts) {
    CAPTURE(part);
    CHECK(text.find(part) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("explain: a promise shows what is proven and what the best serves for") {
  const World world = promised();
  const Decision decision = world.decide();
  check_parts(
      printed({.input = world.input(), .decision = decision}, false),
      {"ttft ms  total ms  fails <=  why not\n", "unproven  quality_floor\n",
       "25.0 %    quality_floor\n", "opus: best_until_proven under policy default\n",
       "it serves because it is the best: a target that ranks before it lacks the proof that it "
       "fails\nat most 10.0 % of the time, from this key's own feedback\n",
       "  mini                    outcomes that prove it fails at most 10.0 % of the time (now "
       "25.0 %)\n",
       "outcomes that prove it fails at most 10.0 % of the time (now nothing is proven)\n"});
  World usual = promised();
  usual.policy.fail_at_most.reset();
  const Decision cheap = usual.decide();
  CHECK(printed({.input = usual.input(), .decision = cheap}, false).find("fails <=") ==
        std::string::npos);
}

TEST_CASE("explain: JSON is the dry run's and says what would have to change") {
  const World world = promised();
  const Decision decision = world.decide();
  JsonDocument document;
  const auto root = document.parse(printed({.input = world.input(), .decision = decision}, true));
  REQUIRE(root.has_value());
  CHECK((*root)["target"].text() == "opus");
  CHECK((*root)["reason"].text() == "best_until_proven");
  CHECK_FALSE((*root)["request"].is_object());
  std::string changes;
  for (const JsonView row : (*root)["what_would_win"]) {
    changes += std::string(row["target"].text()) + (row["possible"].boolean() ? ": " : "? ");
    for (const JsonView change : row["changes"]) changes += std::string(change.text()) + "; ";
  }
  CHECK(changes ==
        "local-moe: outcomes that prove it fails at most 10.0 % of the time (now nothing is "
        "proven); mini: outcomes that prove it fails at most 10.0 % of the time (now 25.0 %); "
        "sonnet: outcomes that prove it fails at most 10.0 % of the time (now nothing is "
        "proven); ");
}

TEST_CASE(
    "explain: a past request with its attempts, its feedback and whether it comes out again") {
  const World world = promised();
  const Decision decision = world.decide();
  LoggedDecision logged;
  logged.request.id = {.high = 1, .low = 2};
  logged.request.time_unix_ns = 1'795'392'000'000'000'000;
  logged.request.key = "ci";
  logged.request.requested_model = "auto";
  logged.request.policy = "default";
  logged.request.reason = "best_until_proven";
  logged.score = 0.5;
  logged.attempts = {
      {.attempt = 1, .on = "start", .target = "opus", .cost = Nanodollars{5'000}, .usage = {}},
      {.attempt = 2, .on = "fallback", .target = "sonnet", .delivered = true, .usage = {}}};
  RecordedDecision recorded;
  recorded.plan = {{"opus", PlanOn::start}};
  Explained explained{.input = world.input(),
                      .decision = decision,
                      .logged = &logged,
                      .recorded = &recorded,
                      .reproduced = true};
  check_parts(
      printed(explained, false),
      {"request r-00000000000000010000000000000002 of 2026-11-23T00:00:00Z by key ci, "
       "asked for auto: opus, best_until_proven\n",
       "  attempt 1 (start) opus: $0.000005, 0 + 0 tokens\n",
       "  attempt 2 (fallback) sonnet: unpriced, 0 + 0 tokens, delivered\n", "  feedback 0.50\n",
       "decided again from what was known then, the same comes out:\n"});
  explained.reproduced = false;
  check_parts(printed(explained, false),
              {"its policy or the catalog changed since; with what was known then it would now "
               "be:\n"});
  JsonDocument document;
  const auto root = document.parse(printed(explained, true));
  REQUIRE(root.has_value());
  const JsonView request = (*root)["request"];
  CHECK(request["request_id"].text() == "r-00000000000000010000000000000002");
  CHECK(request["target"].text() == "opus");
  CHECK_FALSE(request["reproduced"].boolean());
  CHECK(request["score"].number() == 0.5);
  std::string attempts;
  for (const JsonView attempt : request["attempts"])
    attempts += std::string(attempt["target"].text()) +
                (attempt["delivered"].boolean() ? " delivered; " : "; ");
  CHECK(attempts == "opus; sonnet delivered; ");
}
