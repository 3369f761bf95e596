// What the scripted upstream does with one request: control endpoints, answers and the bill.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>

#include "tests/upstream/bill.h"
#include "tests/upstream/framing.h"
#include "tests/upstream/http.h"
#include "tests/upstream/script.h"

namespace upstream {

// A request being answered. `call` is what will be billed once it is known how it ended.
struct Exchange {
  Response response;
  bool billable = false;
  bool bodyless = false;  // no bytes at all: the connection is dropped
  BilledCall call;
  std::string service_tier;
};

class Handler {
 public:
  Handler(Script script, Bill& bill, std::size_t keep_requests);

  Exchange handle(const HttpRequest& request);
  // The exchange ended after `sent` output tokens; `whole` when all of it left.
  void finish(Exchange& exchange, bool whole, std::int64_t sent);

 private:
  Exchange control(const HttpRequest& request);
  Exchange refuse(const HttpRequest& request, const Call& call, const Behaviour& how, int status,
                  const std::string& message);
  Exchange answer(const HttpRequest& request, const Call& call, const Behaviour& how);
  void remember(const HttpRequest& request);
  std::string requests_json() const;

  Script script_;
  Bill& bill_;
  std::size_t keep_requests_ = 0;
  std::deque<HttpRequest> requests_;
  std::int64_t numbered_ = 0;
  std::int64_t open_ = 0;
  std::int64_t open_max_ = 0;
};

}  // namespace upstream
