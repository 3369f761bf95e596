#include "providers/claude_model.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace jevons;

TEST_CASE("a Claude model's name tells its generation") {
  struct Row {
    const char* name;
    int major, minor;
    bool refuses_sampling, adaptive, xhigh;
  };
  const std::vector<Row> rows = {
      {"claude-3-7-sonnet-20250219", 3, 7, false, false, false},
      {"claude-3-haiku-20240307", 3, 0, false, false, false},
      {"claude-sonnet-4-20250514", 4, 0, false, false, false},
      {"claude-sonnet-4-5-20250929", 4, 5, false, false, false},
      {"claude-sonnet-4-6", 4, 6, false, true, false},
      {"claude-opus-4-6", 4, 6, false, true, false},
      {"claude-opus-4-7-20260301", 4, 7, true, true, true},
      {"claude-opus-5-5", 5, 5, true, true, true},
      {"claude-sonnet-5", 5, 0, true, true, true},
      {"claude-fable-5-1", 5, 1, true, true, true},
      {"claude-haiku-5", 5, 0, false, true, false},
      {"anthropic.claude-opus-4-8-v1:0", 4, 8, true, true, true},
      {"my-own-name", 0, 0, false, false, false},
      {"claude-sonnet-latest", 0, 0, false, false, false},
      {"", 0, 0, false, false, false},
  };
  for (const Row& row : rows) {
    CAPTURE(std::string(row.name));
    const ClaudeModel model = claude_model(row.name);
    CHECK(model.major == row.major);
    CHECK(model.minor == row.minor);
    CHECK(model.refuses_sampling == row.refuses_sampling);
    CHECK(model.adaptive_thinking == row.adaptive);
    CHECK(model.effort_xhigh == row.xhigh);
  }
}
