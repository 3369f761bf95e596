#include <doctest/doctest.h>

#include <sstream>

#include "gateway/cli/router_commands.h"
#include "providers/json.h"
#include "tests/gateway/cli/routing_files.h"

using namespace jevons;

namespace {

struct Run {
  RowsFolder folder;
  std::ostringstream out, err;
  Exit eval(RouterEvalOptions options) { return run_router_eval({out, err}, options); }
};

}  // namespace

TEST_CASE("router eval --json: exactly the keys of the contract, in range") {
  Run run;
  const std::string rows = run.folder.write("toy.jsonl", learnable_rows(90));
  REQUIRE(run.eval({.file = rows, .weak = "weak", .strong = "strong", .json = true}) == Exit::good);
  JsonDocument document;
  REQUIRE(document.parse(run.out.str()).has_value());
  const JsonView json = document.root();
  std::string keys;
  for (auto at = json.begin(); at != json.end(); ++at) keys += std::string(at.key()) + " ";
  CHECK(keys ==
        "n gap apgr apgr_low apgr_high cpt50 cpt80 decide_us_p50 decide_us_p99 ece flip_rate ");
  CHECK(json["n"].integer() == 90);
  CHECK(*json["gap"].number() == doctest::Approx(1.0 / 3).epsilon(0.001));
  CHECK(*json["apgr_low"].number() <= *json["apgr"].number());
  CHECK(*json["apgr_high"].number() >= *json["apgr"].number());
  CHECK(*json["cpt50"].number() <= *json["cpt80"].number());
  CHECK(*json["decide_us_p50"].number() <= *json["decide_us_p99"].number());
  CHECK(*json["flip_rate"].number() >= 0);
  CHECK(*json["flip_rate"].number() <= 1);
  CHECK(run.err.str() == "");
}

TEST_CASE("router eval: proofs are ranked before greetings by the weights and by the static rule") {
  for (const bool static_rule : {false, true}) {
    CAPTURE(static_rule);
    Run run;
    const std::string rows = run.folder.write("toy.jsonl", learnable_rows(90));
    REQUIRE(run.eval({.file = rows,
                      .weak = "weak",
                      .strong = "strong",
                      .static_rule = static_rule,
                      .json = true}) == Exit::good);
    JsonDocument document;
    REQUIRE(document.parse(run.out.str()).has_value());
    CHECK(*document.root()["apgr"].number() > 0.75);
  }
}

TEST_CASE("router eval: the table names every figure") {
  Run run;
  const std::string rows = run.folder.write("toy.jsonl", learnable_rows(30));
  REQUIRE(run.eval({.file = rows, .weak = "weak", .strong = "strong"}) == Exit::good);
  for (const char* word :
       {"prompts", "gap", "APGR", "CPT(50 %)", "calibration error", "flip rate", "us p50"}) {
    CAPTURE(word);
    CHECK(run.out.str().find(word) != std::string::npos);
  }
}

TEST_CASE("router eval: what cannot be judged is said, and exits 1") {
  Run run;
  const std::string rows = run.folder.write("toy.jsonl", learnable_rows(6));
  CHECK(run.eval({.file = rows, .weak = "weak", .strong = "absent"}) == Exit::failure);
  CHECK(run.err.str() == rows + ": no row has a score of both 'weak' and 'absent'\n");
  run.err.str("");
  CHECK(run.eval({.file = "/nowhere/x", .weak = "a", .strong = "b"}) == Exit::failure);
  CHECK(run.err.str() == "/nowhere/x: cannot be read\n");
  run.err.str("");
  const std::string bad = run.folder.write("w.bin", "no weights");
  CHECK(run.eval({.file = rows, .weak = "weak", .strong = "strong", .weights = bad}) ==
        Exit::failure);
  CHECK(run.err.str() == bad + ": weights: this is not a weight file\n");
  run.err.str("");
  CHECK(run.eval({.file = rows, .weak = "weak", .strong = "strong", .weights = "/nowhere/w"}) ==
        Exit::failure);
  CHECK(run.err.str() == "/nowhere/w: cannot be read\n");
  CHECK(run.out.str() == "");
}
