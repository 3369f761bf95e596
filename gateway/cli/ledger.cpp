#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <filesystem>

#include "gateway/cli/ledger_client.h"
#include "gateway/cli/ledger_commands.h"

namespace jevons {

Exit ledger_backup_command(const Config& config, const std::string& file, const CliIo& io) {
  std::error_code problem;
  const std::string absolute = std::filesystem::absolute(file, problem).string();
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.StartObject();
  writer.Key("file");
  writer.String(absolute.data(), static_cast<rapidjson::SizeType>(absolute.size()));
  writer.EndObject();
  const auto answer = ask_ledger(config, {.method = "POST",
                                          .path = "/admin/v1/ledger/backup",
                                          .query = {},
                                          .body = {buffer.GetString(), buffer.GetSize()}});
  if (!answer) return report_failure(io, answer.error());
  io.err << "The ledger is copied to " << absolute
         << ". The pepper beside the ledger is not in it: keep a copy of that too.\n";
  return Exit::good;
}

Exit ledger_verify_command(const Config& config, bool json, const CliIo& io) {
  const auto answer = ask_ledger(
      config, {.method = "GET", .path = "/admin/v1/ledger/verify", .query = {}, .body = {}});
  if (!answer) return report_failure(io, answer.error());
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(answer->data(), answer->size());
  const bool plain = !json && !document.HasParseError() && document.IsObject() &&
                     document.HasMember("result") && document["result"].IsString();
  io.out << (plain ? std::string(document["result"].GetString()) : *answer) << '\n';
  return Exit::good;
}

Exit ledger_export_command(const Config& config, const CliIo& io) {
  const auto answer = ask_ledger(
      config, {.method = "GET", .path = "/admin/v1/ledger/export", .query = {}, .body = {}});
  if (!answer) return report_failure(io, answer.error());
  io.out << *answer;
  return Exit::good;
}

}  // namespace jevons
