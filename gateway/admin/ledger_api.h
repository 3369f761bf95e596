// Reports, keys, audit and upkeep of the ledger in the words of the admin listener. The command
// line speaks the same words: to a running gateway over HTTP, else to the file it opened itself, so
// that both give the same answer.
//   GET  /admin/v1/spend?by=..&by=..&since=..&until=..&tz=..
//   GET  /admin/v1/decisions?from=..&until=..&after=..&limit=..   (unix nanoseconds)
//   GET  /admin/v1/keys      POST /admin/v1/keys {"name",...}
//   POST /admin/v1/keys/rotate {"name","overlap_s"}   POST /admin/v1/keys/revoke {"name"}
//   GET  /admin/v1/audit?since=..
//   GET  /admin/v1/ledger/verify   GET /admin/v1/ledger/export   POST /admin/v1/ledger/backup
//   {"file"}
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gateway/clock.h"
#include "gateway/ledger/ledger.h"

namespace jevons {

struct LedgerCall {
  std::string method = "GET", path, query, body;
};

struct LedgerAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

struct LedgerApi {
  Ledger& ledger;
  Clock& clock;
  std::string pepper;
  std::vector<KeyRecord> configured_keys;  // listed beside the stored ones
  std::string who = "admin";               // for the audit
  std::function<void()> keys_changed;      // may be empty
};

// The methods that a path above takes, as an Allow header lists them; empty for any other path.
std::string ledger_methods(std::string_view path);

// Blocking. Empty for a path that is none of the above, or a method that it does not take. Failures
// are answers:
// {"error":{"message","code","param"}}.
std::optional<LedgerAnswer> answer_ledger_call(const LedgerApi& api, const LedgerCall& call);

// "a=1&a=2&b=x%20y" to pairs, percent and plus decoded; a bad escape stays as it is.
std::vector<std::pair<std::string, std::string>> query_pairs(std::string_view query);
// One "name=value" for a query, percent-encoded.
std::string query_pair(std::string_view name, std::string_view value);

}  // namespace jevons
