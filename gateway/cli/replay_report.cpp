// A replay's report as JSON and for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "gateway/cli/replay.h"
#include "gateway/cli/table.h"
#include "gateway/time_zone.h"
#include "providers/json.h"

namespace jevons {
namespace {

void quality_json(JsonWriter& json, const ReplaySide& side) {
  const QualityEstimate& quality = side.quality;
  json.key("quality").begin_object();
  json.key("enough_support").boolean(quality.enough);
  json.key("why_not");
  if (quality.enough)
    json.null();
  else
    json.string("not enough support: " + quality.why_not_enough);
  for (const auto& [name, value] :
       {std::pair("estimate", quality.value), std::pair("low", quality.low),
        std::pair("high", quality.high)}) {
    json.key(name);
    if (quality.enough)
      json.number(value);
    else
      json.null();
  }
  json.key("scored_requests").integer(quality.scored);
  json.key("effective_requests").number(quality.effective);
  json.key("never_tried_share").number(quality.unsupported);
  json.key("predicted").number(side.predicted_quality);
  json.end_object();
}

void side_json(JsonWriter& json, std::string_view name, std::string_view policy,
               const ReplaySide& side) {
  json.key(name).begin_object();
  json.key("policy").string(policy);
  json.key("cost_nanodollars").integer(side.cost.value);
  json.key("input_nanodollars").integer(side.input.value);
  json.key("output_nanodollars").integer(side.output.value);
  json.key("predicted_requests").integer(side.predicted);
  json.key("unpriced_requests").integer(side.unpriced);
  json.key("refused_requests").integer(side.refused);
  json.key("expected_ttft_ms").number(side.ttft_ms);
  quality_json(json, side);
  json.key("targets").begin_array();
  for (const auto& [target, share] : side.targets) {
    json.begin_object().key("target").string(target);
    json.key("requests").integer(share.requests);
    json.key("cost_nanodollars").integer(share.cost.value).end_object();
  }
  json.end_array().end_object();
}

std::string money(Nanodollars amount) { return "$" + dollars_text(amount); }

// "-23.1 %", empty where there is nothing to compare with.
std::string change(double before, double after) {
  if (before <= 0) return "";
  return fmt::format("{:+.1f} %", (after / before - 1) * 100);
}

std::string change(Nanodollars before, Nanodollars after) {
  return change(static_cast<double>(before.value), static_cast<double>(after.value));
}

std::string quality_text(const QualityEstimate& quality) {
  if (!quality.enough) return "not enough support";
  return fmt::format("{:.3f} ({:.3f} to {:.3f})", quality.value, quality.low, quality.high);
}

std::string sums_table(const ReplayReport& report, bool color) {
  const ReplaySide& a = report.today;
  const ReplaySide& b = report.changed_policy;
  Table table({{.title = ""},
               {.title = "today", .right = true},
               {.title = "new", .right = true},
               {.title = "change", .right = true}});
  table.add({"cost", money(a.cost), money(b.cost), change(a.cost, b.cost)});
  table.add({"  input, exact", money(a.input), money(b.input), change(a.input, b.input)});
  table.add({"  output, predicted where new", money(a.output), money(b.output),
             change(a.output, b.output)});
  table.add({"quality from feedback", quality_text(a.quality), quality_text(b.quality), ""});
  table.add({"quality as the router believes", fmt::format("{:.3f}", a.predicted_quality),
             fmt::format("{:.3f}", b.predicted_quality), ""});
  table.add({"first token, ms", fmt::format("{:.0f}", a.ttft_ms), fmt::format("{:.0f}", b.ttft_ms),
             change(a.ttft_ms, b.ttft_ms)});
  table.add({"no target may serve", grouped(a.refused), grouped(b.refused), ""});
  return table.text(color);
}

std::string of_policies(const std::string& names) {
  if (names.empty()) return "";
  return names.find(',') == std::string::npos ? " of policy '" + names + "'"
                                              : " of the policies " + names;
}

// Two bars a target: today's cost above the new one's.
std::string bars(const ReplayReport& report, std::size_t width) {
  std::set<std::string> names;
  Nanodollars most;
  std::size_t longest = 6;
  for (const ReplaySide* side : {&report.today, &report.changed_policy})
    for (const auto& [name, share] : side->targets) {
      names.insert(name);
      most = std::max(most, share.cost);
      longest = std::max(longest, display_width(name));
    }
  const std::size_t numbers = 34;
  const std::size_t cells = std::max<std::size_t>(10, width - std::min(width, longest + numbers));
  std::string out;
  for (const std::string& name : names) {
    const auto line = [&](const ReplaySide& side, std::string_view head, std::string_view which) {
      const auto found = side.targets.find(name);
      const ReplayShare share = found == side.targets.end() ? ReplayShare{} : found->second;
      out += fmt::format("{}{} {:<5} {:>9} {:>15} {}", head,
                         std::string(longest - std::min(longest, display_width(head)), ' '), which,
                         grouped(share.requests), money(share.cost),
                         bar(share.cost.value, most.value, cells));
      while (out.back() == ' ') out.pop_back();
      out += '\n';
    };
    line(report.today, name, "today");
    line(report.changed_policy, "", "new");
  }
  return out;
}

void note_gaps(std::string& out, const ReplayReport& report) {
  for (const auto& [name, quality] : {std::pair("today's", report.today.quality),
                                      std::pair("the new", report.changed_policy.quality)})
    if (!quality.enough)
      out += fmt::format("quality of {} policy: not enough support: {}\n", name,
                         quality.why_not_enough);
  for (const std::string& target : report.unknown_escalations)
    out += fmt::format("escalations from {} are not in the cost: too few requests began there\n",
                       target);
  if (report.gone > 0)
    out += fmt::format("{} decisions chose a target that left the catalog and are left out\n",
                       grouped(report.gone));
  if (report.policy_gone > 0)
    out += fmt::format(
        "{} decisions were made by a policy that is no longer configured: today is as recorded\n",
        grouped(report.policy_gone));
  if (report.unreadable > 0)
    out +=
        fmt::format("{} decisions cannot be read and are left out\n", grouped(report.unreadable));
  if (report.changed_policy.unpriced > 0)
    out += fmt::format("{} requests have no known price under the new policy\n",
                       grouped(report.changed_policy.unpriced));
}

}  // namespace

std::string replay_json(const ReplayReport& report, const ReplayTitle& title) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("from").string(utc_text(title.from_unix_s));
  json.key("until").string(utc_text(title.until_unix_s));
  json.key("decisions").integer(report.decisions);
  json.key("reproduced").integer(report.reproduced);
  json.key("changed").integer(report.changed);
  json.key("left_the_catalog").integer(report.gone);
  json.key("unreadable").integer(report.unreadable);
  json.key("policy_no_longer_configured").integer(report.policy_gone);
  json.key("pinned").integer(title.pinned);
  side_json(json, "today", title.today, report.today);
  side_json(json, "new", title.changed, report.changed_policy);
  json.key("savings_nanodollars").integer((report.today.cost - report.changed_policy.cost).value);
  json.key("unknown_escalations").begin_array();
  for (const std::string& target : report.unknown_escalations) json.string(target);
  json.end_array().end_object();
  return out;
}

std::string replay_table(const ReplayReport& report, const ReplayTitle& title, bool color,
                         std::size_t width) {
  std::string out = fmt::format(
      "{} decisions{} from {} to {}, tried under '{}'\n"
      "today's policy decides {} of them as recorded; the new one sends {} elsewhere\n\n",
      grouped(report.decisions), of_policies(title.today), utc_text(title.from_unix_s),
      utc_text(title.until_unix_s), title.changed, grouped(report.reproduced),
      grouped(report.changed));
  if (report.decisions > 0) {
    out += sums_table(report, color) + "\n";
    out += bars(report, width) + "\n";
  }
  note_gaps(out, report);
  if (title.pinned > 0)
    out += fmt::format("{} requests named their target themselves and are left out\n",
                       grouped(title.pinned));
  return out;
}

}  // namespace jevons
