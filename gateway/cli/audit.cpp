#include <rapidjson/document.h>

#include "gateway/cli/ledger_client.h"
#include "gateway/cli/ledger_commands.h"
#include "gateway/cli/table.h"

namespace jevons {
namespace {

std::string text_at(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return {};
  return printable({member->value.GetString(), member->value.GetStringLength()});
}

// Twelve letters tell hashes apart; --json has them whole.
std::string shortened(std::string hash) {
  constexpr std::size_t letters = 12;
  return hash.substr(0, letters);
}

}  // namespace

Exit audit_command(const Config& config, const std::string& since, bool json, const CliIo& io) {
  const auto answer =
      ask_ledger(config, {.method = "GET",
                          .path = "/admin/v1/audit",
                          .query = since.empty() ? std::string() : query_pair("since", since),
                          .body = {}});
  if (!answer) return report_failure(io, answer.error());
  if (json) {
    io.out << *answer << '\n';
    return Exit::good;
  }
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(answer->data(), answer->size());
  const bool good = !document.HasParseError() && document.IsObject() &&
                    document.HasMember("rows") && document["rows"].IsArray();
  if (!good) return report_failure(io, Error(Fault::internal, "the gateway sent no audit rows"));
  Table table({{"time"}, {"who"}, {"what"}, {"detail"}, {"before"}, {"after"}});
  for (const auto& row : document["rows"].GetArray()) {
    if (!row.IsObject()) continue;
    table.add({text_at(row, "time"), text_at(row, "who"), text_at(row, "what"),
               text_at(row, "detail"), shortened(text_at(row, "before")),
               shortened(text_at(row, "after"))});
  }
  io.out << table.text(io.color);
  return Exit::good;
}

}  // namespace jevons
