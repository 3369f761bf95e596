#include <doctest/doctest.h>

#include <sstream>

#include "gateway/cli/router_commands.h"
#include "providers/json.h"
#include "tests/gateway/cli/routing_files.h"

using namespace jevons;

TEST_CASE("router train: the same rows give the same file, which eval can load") {
  const RowsFolder folder;
  const std::string rows = folder.write("toy.jsonl", learnable_rows(60));
  const std::string first = folder.path("a.bin"), second = folder.path("b.bin");
  std::ostringstream out, err;
  const CliIo io{out, err};
  REQUIRE(run_router_train(io, {.files = {rows}, .out = first, .json = true}) == Exit::good);
  JsonDocument document;
  REQUIRE(document.parse(out.str()).has_value());
  CHECK(document.root()["rows"].integer() == 60);
  CHECK(document.root()["id"].text().starts_with("w"));
  CHECK(document.root()["bytes"].integer() ==
        static_cast<std::int64_t>(std::filesystem::file_size(first)));
  REQUIRE(run_router_train(io, {.files = {rows}, .out = second}) == Exit::good);
  const auto bytes = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  CHECK(bytes(first) == bytes(second));
  out.str("");
  CHECK(
      run_router_eval(
          io, {.file = rows, .weak = "weak", .strong = "strong", .weights = first, .json = true}) ==
      Exit::good);
  CHECK(err.str() == "");
}

TEST_CASE("router train: a missing file and a place that cannot be written are failures") {
  const RowsFolder folder;
  std::ostringstream out, err;
  const CliIo io{out, err};
  CHECK(run_router_train(io, {.files = {"/nowhere/x.jsonl"}}) == Exit::failure);
  CHECK(err.str() == "/nowhere/x.jsonl: cannot be read\n");
  err.str("");
  const std::string rows = folder.write("toy.jsonl", learnable_rows(6));
  CHECK(run_router_train(io, {.files = {rows}, .out = rows + "/w.bin"}) == Exit::failure);
  CHECK(err.str() == rows + "/w.bin: Not a directory\n");
  err.str("");
  CHECK(run_router_train(io, {.files = {rows}, .vectors = "/nowhere/v.json"}) == Exit::failure);
  CHECK(err.str() == "/nowhere/v.json: cannot be read\n");
  CHECK(out.str() == "");
}
