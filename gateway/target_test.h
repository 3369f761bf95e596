// `jevons targets test`: one cheap live call to a target, through the whole request path, so that
// it is reserved, written down and paid for like any other.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "gateway/services.h"

namespace jevons {

struct TargetTest {
  std::string target;
  int status = 0;        // 200: it answered
  std::string code;      // stable code of the failure, empty: none
  std::string message;   // what to do about it, empty: none
  std::string cost_usd;  // nine decimals, empty: unknown
  std::int64_t duration_ms = 0;
};

// Targets by name, or all that are not local, one after the other.
boost::asio::awaitable<std::vector<TargetTest>> test_targets(Worker& worker,
                                                             std::vector<std::string> names);

std::string target_tests_json(const std::vector<TargetTest>& tests);

}  // namespace jevons
