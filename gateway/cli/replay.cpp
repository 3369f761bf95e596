#include "gateway/cli/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "gateway/admin/decisions_report.h"
#include "gateway/admin/spend_report.h"
#include "gateway/cli/ledger_client.h"
#include "gateway/cli/table.h"
#include "router/config_load.h"

namespace jevons {
namespace {

constexpr std::int64_t page_rows = 5'000;
constexpr std::int64_t ns_a_second = 1'000'000'000;

// The new policy, checked against the catalog like every other; empty after printing why.
std::optional<Policy> read_policy(const Config& config, const ConfigSources& sources,
                                  const std::string& path, const CliIo& io) {
  std::string why;
  auto text = sources.read_file(path, why);
  if (!text) {
    io.err << path << ": cannot read the policy: " << why << '\n';
    return std::nullopt;
  }
  std::vector<ConfigError> errors;
  Policy policy = load_policy({path, std::move(*text)}, config.catalog, errors);
  if (errors.empty()) check_policies({policy}, config.catalog, errors);
  if (errors.empty()) return policy;
  io.err << config_errors_text(errors);
  return std::nullopt;
}

void show_progress(const CliIo& io, const DecisionPage& page, std::int64_t at) {
  if (!io.tty) return;
  const std::int64_t whole = std::max<std::int64_t>(1, page.last - page.first + 1);
  const std::int64_t done = std::clamp<std::int64_t>(at - page.first + 1, 0, whole);
  io.err << "\r\033[K" << bar(done, whole, 30) << ' ' << done * 100 / whole << " %" << std::flush;
}

void end_progress(const CliIo& io) {
  if (io.tty) io.err << "\r\033[K" << std::flush;
}

// Requests that named their target were decided by no policy, and would be by no other.
Result<void> feed(Replay& replay, const Config& config, const std::vector<std::string>& only,
                  ReplayTitle& title, const CliIo& io) {
  std::int64_t after = 0;
  std::set<std::string> policies(only.begin(), only.end());
  while (true) {
    LedgerCall call{.method = "GET", .path = "/admin/v1/decisions", .query = {}, .body = {}};
    call.query = fmt::format("from={}&until={}&after={}&limit={}", title.from_unix_s * ns_a_second,
                             title.until_unix_s * ns_a_second, after, page_rows);
    const auto answer = ask_ledger(config, call);
    if (!answer) return answer.error();
    const auto page = read_decisions_json(*answer);
    if (!page) return page.error();
    for (const LoggedDecision& one : page->rows) {
      after = one.seq;
      const std::string& policy = one.request.policy;
      if (!only.empty() && std::find(only.begin(), only.end(), policy) == only.end()) continue;
      if (policy.empty()) {
        ++title.pinned;
        continue;
      }
      policies.insert(policy);
      replay.add(one, config.policy(policy));
    }
    show_progress(io, *page, after);
    if (!page->more) break;
  }
  title.today = fmt::format("{}", fmt::join(policies, ", "));
  return {};
}

}  // namespace

Exit replay_command(const Config& config, const ConfigSources& sources,
                    const ReplayOptions& options, std::int64_t now_unix_s, const CliIo& io) {
  const auto changed = read_policy(config, sources, options.policy_file, io);
  if (!changed) return Exit::config;
  const auto from = report_instant(options.since, now_unix_s);
  if (!from) return report_failure(io, from.error());
  const auto until = options.until.empty() ? Result<std::int64_t>(now_unix_s + 1)
                                           : report_instant(options.until, now_unix_s);
  if (!until) return report_failure(io, until.error());
  ReplayTitle title;
  title.changed = changed->name;
  title.from_unix_s = *from;
  title.until_unix_s = *until;
  Replay replay(config.catalog, *changed);
  const Result<void> fed = feed(replay, config, options.from_policies, title, io);
  end_progress(io);
  if (fed.has_error()) return report_failure(io, fed.error());
  const ReplayReport report = replay.report();
  if (options.json)
    io.out << replay_json(report, title) << '\n';
  else
    io.out << replay_table(report, title, io.color, options.width);
  return Exit::good;
}

}  // namespace jevons
