#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <charconv>
#include <optional>

#include "gateway/cli/ledger_client.h"
#include "gateway/cli/ledger_commands.h"
#include "gateway/cli/table.h"

namespace jevons {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void text(Writer& writer, const char* name, const std::string& value) {
  writer.Key(name);
  writer.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void words(Writer& writer, const char* name, const std::vector<std::string>& list) {
  writer.Key(name);
  writer.StartArray();
  for (const std::string& word : list)
    writer.String(word.data(), static_cast<rapidjson::SizeType>(word.size()));
  writer.EndArray();
}

std::string text_at(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd()) return {};
  if (member->value.IsInt64()) return std::to_string(member->value.GetInt64());
  if (!member->value.IsString()) return {};
  return {member->value.GetString(), member->value.GetStringLength()};
}

std::string list_at(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  std::string joined;
  if (member == object.MemberEnd()) return joined;
  const auto add = [&](const std::string& word) {
    joined += (joined.empty() ? "" : ",") + printable(word);
  };
  if (member->value.IsArray())
    for (const auto& word : member->value.GetArray())
      if (word.IsString()) add(std::string(word.GetString(), word.GetStringLength()));
  if (member->value.IsObject())
    for (const auto& tag : member->value.GetObject())
      add(std::string(tag.name.GetString()) + "=" + text_at(member->value, tag.name.GetString()));
  return joined;
}

// "24h", "7d", "30m", "90s" or a bare number of seconds.
std::optional<std::int64_t> seconds_of(const std::string& duration) {
  std::int64_t count = 0;
  const char* const last = duration.data() + duration.size();
  const auto [end, problem] = std::from_chars(duration.data(), last, count);
  if (problem != std::errc() || count < 0 || count > 1'000'000'000) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(last - end));
  if (unit.empty() || unit == "s") return count;
  if (unit == "m") return count * 60;
  if (unit == "h") return count * 3'600;
  if (unit == "d") return count * 86'400;
  return std::nullopt;
}

Exit usage(const CliIo& io, const std::string& message) {
  return report_failure(io, Error(Fault::invalid_value, message));
}

// The key on `out`, alone, so that a script can take it; everything else on `err`.
Exit show_new_key(const Result<std::string>& answer, bool json, const std::string& advice,
                  const CliIo& io) {
  if (!answer) return report_failure(io, answer.error());
  if (json) {
    io.out << *answer << '\n';
    return Exit::good;
  }
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(answer->data(), answer->size());
  if (document.HasParseError() || !document.IsObject())
    return report_failure(io, Error(Fault::internal, "the gateway sent no key"));
  io.out << text_at(document, "key") << '\n';
  io.err << "This is the only time it is shown. " << advice << '\n'
         << "In jevons.yaml instead of the ledger: {name: " << text_at(document, "name")
         << ", hash: \"" << text_at(document, "hash") << "\"}\n";
  return Exit::good;
}

}  // namespace

Exit keys_create_command(const Config& config, const NewKeyOptions& options, const CliIo& io) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  text(writer, "name", options.name);
  words(writer, "policies", options.policies);
  words(writer, "models", options.models);
  words(writer, "require_tags", options.require_tags);
  writer.Key("tags");
  writer.StartObject();
  for (const std::string& tag : options.tags) {
    const auto equals = tag.find('=');
    if (equals == std::string::npos || equals == 0)
      return usage(io, fmt::format("'{}' is not a tag; write --tag team=search", tag));
    text(writer, tag.substr(0, equals).c_str(), tag.substr(equals + 1));
  }
  writer.EndObject();
  writer.Key("min_quality");
  writer.Double(options.min_quality);
  writer.Key("requests_per_minute");
  writer.Int64(options.requests_per_minute);
  writer.Key("tokens_per_minute");
  writer.Int64(options.tokens_per_minute);
  if (!options.expires.empty()) text(writer, "expires", options.expires);
  writer.EndObject();
  const auto answer = ask_ledger(config, {.method = "POST",
                                          .path = "/admin/v1/keys",
                                          .query = {},
                                          .body = {buffer.GetString(), buffer.GetSize()}});
  return show_new_key(answer, options.json,
                      fmt::format("Undo: jevons keys revoke {}", options.name), io);
}

Exit keys_list_command(const Config& config, bool json, const CliIo& io) {
  const auto answer =
      ask_ledger(config, {.method = "GET", .path = "/admin/v1/keys", .query = {}, .body = {}});
  if (!answer) return report_failure(io, answer.error());
  if (json) {
    io.out << *answer << '\n';
    return Exit::good;
  }
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(answer->data(), answer->size());
  const bool good = !document.HasParseError() && document.IsObject() &&
                    document.HasMember("keys") && document["keys"].IsArray();
  if (!good) return report_failure(io, Error(Fault::internal, "the gateway sent no keys"));
  if (document["keys"].Empty()) {
    io.err << "There are no keys; make one with: jevons keys create NAME\n";
    return Exit::good;
  }
  Table table({{"name"},
               {"id"},
               {"state"},
               {"from"},
               {"tags"},
               {"models"},
               {"policies"},
               {"rpm", true},
               {"tpm", true},
               {"created"},
               {"expires"},
               {"revoked"}});
  for (const auto& key : document["keys"].GetArray()) {
    if (!key.IsObject()) continue;
    const auto limit = [&](const char* name) {
      const std::string value = text_at(key, name);
      return value == "0" ? std::string("-") : value;
    };
    table.add({printable(text_at(key, "name")), text_at(key, "id"), text_at(key, "state"),
               text_at(key, "source"), list_at(key, "tags"), list_at(key, "models"),
               list_at(key, "policies"), limit("requests_per_minute"), limit("tokens_per_minute"),
               text_at(key, "created"), text_at(key, "expires"), text_at(key, "revoked")});
  }
  io.out << table.text(io.color);
  return Exit::good;
}

Exit keys_revoke_command(const Config& config, const std::string& name, bool json,
                         const CliIo& io) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  text(writer, "name", name);
  writer.EndObject();
  const auto answer = ask_ledger(config, {.method = "POST",
                                          .path = "/admin/v1/keys/revoke",
                                          .query = {},
                                          .body = {buffer.GetString(), buffer.GetSize()}});
  if (!answer) return report_failure(io, answer.error());
  if (json)
    io.out << *answer << '\n';
  else
    io.err << "Key " << name << " is revoked; a new one: jevons keys create " << name << '\n';
  return Exit::good;
}

Exit keys_rotate_command(const Config& config, const std::string& name, const std::string& overlap,
                         bool json, const CliIo& io) {
  const auto seconds = seconds_of(overlap);
  if (!seconds)
    return usage(io, fmt::format("'{}' is not a length of time; write 24h, 7d or 0", overlap));
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  text(writer, "name", name);
  writer.Key("overlap_s");
  writer.Int64(*seconds);
  writer.EndObject();
  const auto answer = ask_ledger(config, {.method = "POST",
                                          .path = "/admin/v1/keys/rotate",
                                          .query = {},
                                          .body = {buffer.GetString(), buffer.GetSize()}});
  return show_new_key(answer, json,
                      *seconds == 0 ? std::string("The old key has ended.")
                                    : fmt::format("The old key works for {} more.", overlap),
                      io);
}

}  // namespace jevons
