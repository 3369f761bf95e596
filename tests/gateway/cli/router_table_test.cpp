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
};

}  // namespace

TEST_CASE("router eval of files: each in distribution and left out, with lengths where they are") {
  Run run;
  std::string rows = learnable_rows(90);
  // Every third row is held out; answers of the strong model are ten times as long.
  for (std::size_t at = 0, line = 0; (at = rows.find("\"train\"", at)) != std::string::npos; ++line)
    rows.replace(at, 7, line % 3 == 1 ? "\"dev\"" : "\"train\""), ++at;
  std::string with_lengths;
  for (std::size_t at = 0; at < rows.size();) {
    const std::size_t end = rows.find('\n', at);
    with_lengths += rows.substr(at, end - at - 1) + R"(,"out_chars":{"weak":80,"strong":800}})"
                                                    "\n";
    at = end + 1;
  }
  const std::string one = run.folder.write("one.jsonl", rows);
  const std::string two = run.folder.write("two.jsonl", with_lengths);
  REQUIRE(run_router_table({run.out, run.err}, {.files = {one, two}, .json = true}) == Exit::good);
  JsonDocument document;
  REQUIRE(document.parse(run.out.str()).has_value());
  const JsonView pairs = document.root()["pairs"];
  REQUIRE(pairs.size() == 2);
  for (const JsonView pair : pairs) {
    CHECK(pair["weak"].text() == "weak");
    CHECK(pair["strong"].text() == "strong");
    CHECK(pair["in_distribution"]["n"].integer() == 30);
    CHECK(pair["left_out"]["n"].integer() == 90);
    CHECK(*pair["left_out"]["apgr"].number() > 0.7);
  }
  const JsonView lengths = document.root()["lengths"];
  REQUIRE(lengths.size() == 1);
  const JsonView left_out = (*lengths.begin())["left_out"];
  CHECK(left_out["answers"].integer() == 80);
  // The models differ tenfold, which only their answers tell.
  CHECK(*left_out["cold"].number() > 2);
  CHECK(*left_out["factor"].number() < 1.3);
}
