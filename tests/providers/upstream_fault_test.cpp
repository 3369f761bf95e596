#include "providers/upstream_fault.h"

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

using namespace jevons;

TEST_CASE("credentials in messages are replaced, words are not") {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"key sk-proj-abcdefgh1234 is wrong", "key [redacted] is wrong"},
      {"key=sk-ant-api03-aaaaaaaa,", "key=[redacted],"},
      {"AIzaSyA1234567890abcdefghijklmnopqrstuv", "[redacted]"},
      {"Authorization: Bearer abcdefghijkl", "Authorization: [redacted]"},
      {"gsk_abcdefghijkl xai-abcdefghijkl jv-abc-secret", "[redacted] [redacted] [redacted]"},
      {"\"sk-abcdefghijkl\"", "\"[redacted]\""},
      {"a task-oriented risk-averse model", "a task-oriented risk-averse model"},
      {"the prefix sk- alone", "the prefix sk- alone"},
      {"Bearer of news", "Bearer of news"},
      {"", ""},
  };
  for (const auto& [text, scrubbed] : rows) {
    const std::string given(text);  // clang captures no structured binding
    CAPTURE(given);
    CHECK(scrub_secrets(given) == scrubbed);
  }
}

TEST_CASE("a rejected request keeps the upstream's words, but neither secrets nor endless text") {
  const Error error = upstream_fault(
      400, {},
      R"({"error":{"message":"max_tokens too large; key sk-abcdefghijkl","param":"max_tokens"}})");
  CHECK(error.fault() == Fault::upstream_rejected);
  CHECK(error.message() == "max_tokens too large; key [redacted]");
  CHECK(error.param() == "max_tokens");
  CHECK(!error.retryable());
  CHECK(!error.maybe_billed());
  const std::string endless = R"({"error":{"message":")" + std::string(100'000, 'x') + "\"}}";
  CHECK(upstream_fault(400, {}, endless).message().size() == 2'000);
  CHECK(upstream_fault(400, {}, "").message() ==
        "The upstream refused the request with status 400.");
}

TEST_CASE("waits that make no sense are no waits") {
  const auto wait = [](const char* value) {
    const std::vector<Header> headers = {{"Retry-After", value}};
    return upstream_fault(429, headers, "{}").retry_after_ms();
  };
  CHECK(wait("2") == 2'000);
  CHECK(wait("0.5") == 500);
  CHECK(!wait("-1"));
  CHECK(!wait("soon"));
  CHECK(!wait("1e300"));
  CHECK(!wait(""));
  CHECK(!wait("Sun, 06 Nov 1994 08:49:37 GMT"));  // without a Date header
}

TEST_CASE("which statuses rotate the provider key") {
  for (const int status : {401, 429}) CHECK(upstream_fault(status, {}, "").rotates_key());
  for (const int status : {400, 403, 404, 500})
    CHECK(!upstream_fault(status, {}, "").rotates_key());
}
