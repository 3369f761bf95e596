#include "gateway/cli/ledger_client.h"
#include "gateway/cli/ledger_commands.h"

namespace jevons {

Exit spend_command(const Config& config, const SpendOptions& options, const CliIo& io) {
  LedgerCall call{.method = "GET", .path = "/admin/v1/spend", .query = {}, .body = {}};
  const auto ask = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    if (!call.query.empty()) call.query += '&';
    call.query += query_pair(name, value);
  };
  for (const std::string& by : options.words.by) ask("by", by);
  ask("since", options.words.since);
  ask("until", options.words.until);
  ask("tz", options.words.tz);
  const auto answer = ask_ledger(config, call);
  if (!answer) return report_failure(io, answer.error());
  if (options.json) {
    io.out << *answer << '\n';
    return Exit::good;
  }
  auto report = read_spend_json(*answer);
  if (!report) return report_failure(io, report.error());
  report->by = options.words.by.empty() ? std::vector<std::string>{"model"} : options.words.by;
  io.out << (options.csv ? spend_csv(*report) : spend_table(*report, io.color, options.width));
  return Exit::good;
}

}  // namespace jevons
