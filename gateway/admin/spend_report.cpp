#include "gateway/admin/spend_report.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>

#include "gateway/cli/table.h"
#include "gateway/time_zone.h"

namespace jevons {
namespace {

constexpr std::int64_t ns_a_second = 1'000'000'000;
constexpr std::size_t by_max = 4;

Error bad_time(std::string_view text) {
  return Error(Fault::invalid_value,
               fmt::format("'{}' is not a time; write 7d, 24h, 4w, today, month, 2026-11-23 or "
                           "2026-11-23T14:05:00Z",
                           text));
}

// "7d" before now, or the start of a day or month in the zone.
Result<std::int64_t> instant_of(std::string_view text, const TimeZone& zone, std::int64_t now_s) {
  if (text == "now") return now_s;
  if (text == "today") return window_at(Window::day, zone, now_s).begin;
  if (text == "week") return window_at(Window::week, zone, now_s).begin;
  if (text == "month") return window_at(Window::month, zone, now_s).begin;
  std::int64_t count = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (problem == std::errc() && unit.size() == 1 && count >= 0 && count <= 100'000) {
    switch (unit.front()) {
      case 'm':
        return now_s - count * 60;
      case 'h':
        return now_s - count * 3'600;
      case 'd':
        return now_s - count * 86'400;
      case 'w':
        return now_s - count * 604'800;
      default:
        break;
    }
  }
  if (auto date = parse_date(text, zone)) return date;
  return bad_time(text);
}

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void number(Writer& writer, const char* name, std::int64_t value) {
  writer.Key(name);
  writer.Int64(value);
}

void write_sums(Writer& writer, const SpendRow& row) {
  number(writer, "requests", row.requests);
  number(writer, "attempts", row.attempts);
  writer.Key("tokens");
  writer.StartObject();
  number(writer, "prompt", row.prompt);
  number(writer, "cached", row.cached);
  number(writer, "cache_write", row.cache_write);
  number(writer, "completion", row.completion);
  number(writer, "reasoning", row.reasoning);
  writer.EndObject();
  number(writer, "cost_nanodollars", row.cost.value);
  number(writer, "baseline_nanodollars", row.baseline.value);
  number(writer, "savings_nanodollars", (row.baseline - row.cost).value);
  number(writer, "overhead_nanodollars", row.overhead.value);
  number(writer, "unpriced_requests", row.unpriced_requests);
  number(writer, "estimated_requests", row.estimated_requests);
}

void text(Writer& writer, std::string_view value) {
  writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

std::int64_t integer_at(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  return member != object.MemberEnd() && member->value.IsInt64() ? member->value.GetInt64() : 0;
}

std::string text_at(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return {};
  return {member->value.GetString(), member->value.GetStringLength()};
}

SpendRow read_sums(const rapidjson::Value& object) {
  SpendRow row;
  if (!object.IsObject()) return row;
  row.requests = integer_at(object, "requests");
  row.attempts = integer_at(object, "attempts");
  const auto tokens = object.FindMember("tokens");
  if (tokens != object.MemberEnd() && tokens->value.IsObject()) {
    row.prompt = integer_at(tokens->value, "prompt");
    row.cached = integer_at(tokens->value, "cached");
    row.cache_write = integer_at(tokens->value, "cache_write");
    row.completion = integer_at(tokens->value, "completion");
    row.reasoning = integer_at(tokens->value, "reasoning");
  }
  row.cost = {integer_at(object, "cost_nanodollars")};
  row.baseline = {integer_at(object, "baseline_nanodollars")};
  row.overhead = {integer_at(object, "overhead_nanodollars")};
  row.unpriced_requests = integer_at(object, "unpriced_requests");
  row.estimated_requests = integer_at(object, "estimated_requests");
  return row;
}

// "$12.34", and for less than a dollar as many decimals as show it: "$0.0041".
std::string usd(Nanodollars amount) {
  const std::int64_t value = std::abs(amount.value);
  const char* sign = amount.value < 0 ? "-" : "";
  if (value >= ns_a_second || value == 0) {
    const std::int64_t cents = value / 10'000'000 + (value % 10'000'000 >= 5'000'000);
    return fmt::format("{}${}.{:02}", sign, grouped(cents / 100), cents % 100);
  }
  // Two significant digits, at least cents.
  std::int64_t unit = 10'000'000;
  while (unit > 1 && value / unit < 10) unit /= 10;
  int decimals = 2;
  for (std::int64_t at = unit; at < 10'000'000; at *= 10) ++decimals;
  const std::int64_t rounded = (value + unit / 2) / unit * unit;
  const std::string digits = fmt::format("{:09}", rounded % ns_a_second);
  return fmt::format("{}${}.{}", sign, rounded / ns_a_second,
                     digits.substr(0, static_cast<std::size_t>(decimals)));
}

std::vector<std::string> cells_of(const SpendRow& row) {
  // Unknown is never shown as nothing.
  const bool unknown = row.cost.value == 0 && row.unpriced_requests > 0;
  return {grouped(row.requests),
          grouped(row.prompt),
          grouped(row.cached),
          grouped(row.completion),
          unknown ? "unknown" : usd(row.cost),
          usd(row.baseline),
          unknown ? "unknown" : usd(row.baseline - row.cost)};
}

std::string share_text(Nanodollars part, Nanodollars whole) {
  if (whole.value <= 0) return {};
  const double percent = 100.0 * static_cast<double>(part.value) / static_cast<double>(whole.value);
  return fmt::format(" ({:.1f} %)", percent);
}

std::string requests_of(std::int64_t count) {
  return grouped(count) + (count == 1 ? " request" : " requests");
}

std::string notes_of(const SpendRow& total) {
  std::string notes;
  if (total.overhead.value > 0) {
    notes += fmt::format("{} of it went to attempts whose answer was not delivered.\n",
                         usd(total.overhead));
  }
  if (total.unpriced_requests > 0) {
    const bool one = total.unpriced_requests == 1;
    notes += fmt::format("{} had no price: {} cost is unknown and not in the sums.\n",
                         requests_of(total.unpriced_requests), one ? "its" : "their");
  }
  if (total.estimated_requests > 0) {
    const bool one = total.estimated_requests == 1;
    notes += fmt::format("{} {} token counts that we estimated.\n",
                         requests_of(total.estimated_requests), one ? "has" : "have");
  }
  return notes;
}

}  // namespace

Result<std::int64_t> report_instant(std::string_view text, std::int64_t now_s) {
  return instant_of(text, TimeZone(), now_s);
}

Result<SpendReport> spend_report(Ledger& ledger, const SpendWords& words,
                                 std::int64_t now_unix_ns) {
  SpendReport report;
  report.by = words.by.empty() ? std::vector<std::string>{"model"} : words.by;
  if (report.by.size() > by_max)
    return Error(Fault::invalid_value, fmt::format("at most {} groupings", by_max))
        .with_param("by");
  report.tz = words.tz.empty() ? "UTC" : words.tz;
  const auto zone = TimeZone::load(report.tz);
  if (!zone) return Error(Fault::invalid_value, zone.error().message()).with_param("tz");
  const std::int64_t now_s = now_unix_ns / ns_a_second;
  const auto from = instant_of(words.since.empty() ? "7d" : words.since, *zone, now_s);
  if (!from) return from.error().with_param("since");
  // A report up to now holds what was asked for in this very second.
  const auto until =
      words.until.empty() ? Result<std::int64_t>(now_s + 1) : instant_of(words.until, *zone, now_s);
  if (!until) return until.error().with_param("until");
  if (*until < *from)
    return Error(Fault::invalid_value, "the report would end before it begins").with_param("until");
  report.from_unix_s = *from;
  report.until_unix_s = *until;
  SpendQuery query;
  query.by = report.by;
  query.from_unix_ns = *from * ns_a_second;
  query.until_unix_ns = *until * ns_a_second;
  query.tz = report.tz;
  auto rows = ledger.spend(query);
  if (!rows) return rows.error();
  report.rows = std::move(*rows);
  query.by.clear();
  auto total = ledger.spend(query);
  if (!total) return total.error();
  if (!total->empty()) report.total = std::move(total->front());
  return report;
}

std::string spend_json(const SpendReport& report) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("from");
  text(writer, utc_text(report.from_unix_s));
  writer.Key("until");
  text(writer, utc_text(report.until_unix_s));
  writer.Key("tz");
  text(writer, report.tz);
  writer.Key("rows");
  writer.StartArray();
  for (const SpendRow& row : report.rows) {
    writer.StartObject();
    writer.Key("by");
    writer.StartObject();
    for (std::size_t i = 0; i < report.by.size() && i < row.by.size(); ++i) {
      writer.Key(report.by[i].c_str());
      text(writer, row.by[i]);
    }
    writer.EndObject();
    write_sums(writer, row);
    writer.EndObject();
  }
  writer.EndArray();
  writer.Key("total");
  writer.StartObject();
  write_sums(writer, report.total);
  writer.EndObject();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

Result<SpendReport> read_spend_json(std::string_view json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  const auto bad = [] { return Error(Fault::internal, "the gateway sent no spend report"); };
  if (document.HasParseError() || !document.IsObject()) return bad();
  const auto rows = document.FindMember("rows"), total = document.FindMember("total");
  if (rows == document.MemberEnd() || !rows->value.IsArray()) return bad();
  if (total == document.MemberEnd() || !total->value.IsObject()) return bad();
  SpendReport report;
  report.tz = text_at(document, "tz");
  const auto from = parse_date(text_at(document, "from"), TimeZone());
  const auto until = parse_date(text_at(document, "until"), TimeZone());
  if (!from || !until) return bad();
  report.from_unix_s = *from;
  report.until_unix_s = *until;
  for (const auto& object : rows->value.GetArray()) {
    SpendRow row = read_sums(object);
    const auto by = object.IsObject() ? object.FindMember("by") : object.MemberEnd();
    if (!object.IsObject() || by == object.MemberEnd() || !by->value.IsObject()) return bad();
    report.by.clear();
    for (const auto& member : by->value.GetObject()) {
      if (!member.value.IsString()) return bad();
      report.by.emplace_back(member.name.GetString(), member.name.GetStringLength());
      row.by.emplace_back(member.value.GetString(), member.value.GetStringLength());
    }
    report.rows.push_back(std::move(row));
  }
  report.total = read_sums(total->value);
  return report;
}

std::string spend_csv(const SpendReport& report) {
  std::string out;
  for (const std::string& name : report.by) out += csv_field(name) + ",";
  out +=
      "requests,attempts,prompt_tokens,cached_tokens,cache_write_tokens,completion_tokens,"
      "reasoning_tokens,cost_nanodollars,baseline_nanodollars,savings_nanodollars,"
      "overhead_nanodollars,unpriced_requests,estimated_requests\r\n";
  for (const SpendRow& row : report.rows) {
    for (const std::string& value : row.by) out += csv_field(value) + ",";
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n", row.requests, row.attempts,
                       row.prompt, row.cached, row.cache_write, row.completion, row.reasoning,
                       row.cost.value, row.baseline.value, (row.baseline - row.cost).value,
                       row.overhead.value, row.unpriced_requests, row.estimated_requests);
  }
  return out;
}

std::string spend_table(const SpendReport& report, bool color, std::size_t width) {
  const std::string period = fmt::format(
      "Spend from {} until {}{}\n", utc_text(report.from_unix_s), utc_text(report.until_unix_s),
      report.tz == "UTC" ? "" : fmt::format(", days of {}", report.tz));
  if (report.rows.empty()) return period + "Nothing was spent in this time.\n";
  std::vector<TableColumn> columns;
  for (const std::string& name : report.by) columns.push_back({name, false});
  for (const char* name :
       {"requests", "prompt", "cached", "completion", "cost", "baseline", "savings"})
    columns.push_back({name, true});
  columns.push_back({"", false});
  std::int64_t dearest = 0;
  for (const SpendRow& row : report.rows) dearest = std::max(dearest, row.cost.value);
  const auto fill = [&](std::size_t bar_width) {
    Table table(columns);
    const auto add = [&](std::vector<std::string> cells, const SpendRow& row, bool with_bar) {
      for (std::string& cell : cells_of(row)) cells.push_back(std::move(cell));
      if (with_bar && bar_width > 0) cells.push_back(bar(row.cost.value, dearest, bar_width));
      table.add(std::move(cells));
    };
    for (const SpendRow& row : report.rows) {
      std::vector<std::string> cells;
      for (const std::string& value : row.by)
        cells.push_back(value.empty() ? "-" : printable(value));
      add(std::move(cells), row, true);
    }
    table.rule();
    std::vector<std::string> cells(report.by.size());
    cells.front() = "total";
    add(std::move(cells), report.total, false);
    return table.text(color);
  };
  // The bars take what the numbers leave.
  const std::string plain = fill(0);
  const std::size_t used = display_width(plain.substr(plain.rfind('\n', plain.size() - 2) + 1));
  const std::size_t room = width > used + 4 ? width - used - 4 : 0;
  const Nanodollars savings = report.total.baseline - report.total.cost;
  return period + fill(std::min<std::size_t>(room, 30)) +
         fmt::format("Saved {}{} against the baseline.\n", usd(savings),
                     share_text(savings, report.total.baseline)) +
         notes_of(report.total);
}

}  // namespace jevons
