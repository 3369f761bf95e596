// The spend report (contract.md 9): asked in words, answered as JSON, shown as table or CSV.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/ledger/ledger.h"

namespace jevons {

// As a person or a URL says it.
struct SpendWords {
  std::vector<std::string> by;  // empty: model
  std::string since;            // "7d", "24h", "4w", "2026-11-01", "today", "month"; empty: 7d
  std::string until;            // the same, empty: now
  std::string tz;               // empty: UTC
};

// "7d" before now, "today", a date, an instant, as unix seconds in UTC. Errors: invalid_value with
// what can be written instead.
Result<std::int64_t> report_instant(std::string_view text, std::int64_t now_s);

struct SpendReport {
  std::vector<std::string> by;
  std::int64_t from_unix_s = 0, until_unix_s = 0;
  std::string tz = "UTC";
  std::vector<SpendRow> rows;
  SpendRow total;
};

// Errors: invalid_value with what can be written instead.
Result<SpendReport> spend_report(Ledger& ledger, const SpendWords& words, std::int64_t now_unix_ns);

// The exact keys of contract.md 9.
std::string spend_json(const SpendReport& report);
// Errors: Fault::internal for what is not such a document.
Result<SpendReport> read_spend_json(std::string_view json);

std::string spend_csv(const SpendReport& report);
// `width`: columns of the terminal; bars take what the numbers leave.
std::string spend_table(const SpendReport& report, bool color, std::size_t width);

}  // namespace jevons
