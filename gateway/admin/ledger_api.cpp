#include "gateway/admin/ledger_api.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "gateway/admin/decisions_report.h"
#include "gateway/admin/spend_report.h"
#include "gateway/http_error.h"
#include "gateway/keys.h"
#include "gateway/time_zone.h"

namespace jevons {
namespace {

constexpr std::int64_t ns_a_second = 1'000'000'000;
constexpr std::int64_t overlap_max_s = 366 * 86'400;

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void text(Writer& writer, const char* name, std::string_view value) {
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

// null for "never".
void time(Writer& writer, const char* name, std::int64_t unix_s) {
  if (unix_s != 0) return text(writer, name, utc_text(unix_s));
  writer.Key(name);
  writer.Null();
}

LedgerAnswer answer(const rapidjson::StringBuffer& buffer) {
  return {.status = 200,
          .content_type = "application/json",
          .body = {buffer.GetString(), buffer.GetSize()}};
}

LedgerAnswer refusal(const Error& error) {
  return {.status = http_status(error, Dialect::openai),
          .content_type = "application/json",
          .body = error_body(error, Dialect::openai, "")};
}

Error bad(const char* param, std::string message) {
  return Error(Fault::invalid_value, std::move(message)).with_param(param);
}

// A JSON object of known members, each of the right type; anything else is an error.
class Body {
 public:
  explicit Body(std::string_view json) {
    document_.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
    if (document_.HasParseError() || !document_.IsObject())
      error_ = Error(Fault::invalid_json, "the body is not a JSON object");
  }
  std::string text(const char* name) {
    const auto* value = take(name);
    if (!value) return {};
    if (!value->IsString()) return wrong(name, "a text"), std::string();
    return {value->GetString(), value->GetStringLength()};
  }
  std::int64_t integer(const char* name, std::int64_t last) {
    const auto* value = take(name);
    if (!value) return 0;
    if (value->IsInt64() && value->GetInt64() >= 0 && value->GetInt64() <= last)
      return value->GetInt64();
    wrong(name, fmt::format("a number from 0 to {}", last).c_str());
    return 0;
  }
  double share(const char* name) {
    const auto* value = take(name);
    if (!value) return 0;
    if (value->IsNumber() && value->GetDouble() >= 0 && value->GetDouble() <= 1)
      return value->GetDouble();
    wrong(name, "a number from 0 to 1");
    return 0;
  }
  std::vector<std::string> words(const char* name) {
    std::vector<std::string> list;
    const auto* value = take(name);
    if (!value) return list;
    if (!value->IsArray()) return wrong(name, "a list of texts"), list;
    for (const auto& word : value->GetArray()) {
      if (!word.IsString()) return wrong(name, "a list of texts"), list;
      list.emplace_back(word.GetString(), word.GetStringLength());
    }
    return list;
  }
  Tags tags(const char* name) {
    Tags tags;
    const auto* value = take(name);
    if (!value) return tags;
    if (!value->IsObject()) return wrong(name, "an object of texts"), tags;
    for (const auto& member : value->GetObject()) {
      if (!member.value.IsString()) return wrong(name, "an object of texts"), tags;
      tags.emplace(std::string(member.name.GetString(), member.name.GetStringLength()),
                   std::string(member.value.GetString(), member.value.GetStringLength()));
    }
    return tags;
  }
  // After all members were read: what was wrong, unknown members included.
  std::optional<Error> problem() const {
    if (error_) return error_;
    for (const auto& member : document_.GetObject()) {
      const std::string name(member.name.GetString(), member.name.GetStringLength());
      if (std::find(known_.begin(), known_.end(), name) == known_.end())
        return Error(Fault::invalid_value, fmt::format("unknown member '{}'", name))
            .with_param(name);
    }
    return std::nullopt;
  }

 private:
  const rapidjson::Value* take(const char* name) {
    known_.emplace_back(name);
    if (error_) return nullptr;
    const auto member = document_.FindMember(name);
    return member == document_.MemberEnd() ? nullptr : &member->value;
  }
  void wrong(const char* name, const char* form) {
    if (!error_) error_ = bad(name, fmt::format("'{}' must be {}", name, form));
  }
  rapidjson::Document document_;
  std::vector<std::string> known_;
  std::optional<Error> error_;
};

LedgerAnswer spend(const LedgerApi& api, const LedgerCall& call) {
  SpendWords asked;
  for (auto& [name, value] : query_pairs(call.query)) {
    if (name == "by")
      asked.by.push_back(std::move(value));
    else if (name == "since")
      asked.since = std::move(value);
    else if (name == "until")
      asked.until = std::move(value);
    else if (name == "tz")
      asked.tz = std::move(value);
    else
      return refusal(bad("query", fmt::format("unknown parameter '{}'", name)));
  }
  // What was answered before this call is in the report, also what still waits for its commit. A
  // ledger that cannot write reports what it has.
  (void)api.ledger.flush();
  const auto report = spend_report(api.ledger, asked, api.clock.unix_ns());
  if (!report) return refusal(report.error());
  return {.status = 200, .content_type = "application/json", .body = spend_json(*report)};
}

LedgerAnswer decisions(const LedgerApi& api, const LedgerCall& call) {
  const auto query = decision_query(query_pairs(call.query));
  if (!query) return refusal(query.error());
  const auto page = api.ledger.decisions(*query);
  if (!page) return refusal(page.error());
  return {.status = 200, .content_type = "application/json", .body = decisions_json(*page)};
}

const char* state_of(const KeyRecord& key, std::int64_t now_s) {
  if (key.revoked_unix_s != 0 && key.revoked_unix_s <= now_s) return "revoked";
  if (key.expires_unix_s != 0 && key.expires_unix_s <= now_s) return "expired";
  return key.revoked_unix_s != 0 ? "ending" : "active";
}

// Everything but the hash: a digest is printed once, when the key is made.
void write_key(Writer& writer, const KeyRecord& key, std::int64_t now_s) {
  writer.StartObject();
  text(writer, "name", key.name);
  text(writer, "id", key.id);
  text(writer, "state", state_of(key, now_s));
  text(writer, "source", key.from_config ? "config" : "ledger");
  words(writer, "policies", key.policies);
  words(writer, "models", key.models);
  writer.Key("min_quality");
  writer.Double(key.min_quality);
  writer.Key("tags");
  writer.StartObject();
  for (const auto& [name, value] : key.tags) text(writer, name.c_str(), value);
  writer.EndObject();
  words(writer, "require_tags", key.require_tags);
  writer.Key("requests_per_minute");
  writer.Int64(key.requests_per_minute);
  writer.Key("tokens_per_minute");
  writer.Int64(key.tokens_per_minute);
  time(writer, "created", key.created_unix_s);
  time(writer, "expires", key.expires_unix_s);
  time(writer, "revoked", key.revoked_unix_s);
  writer.EndObject();
}

LedgerAnswer list_keys(const LedgerApi& api, const LedgerCall&) {
  const auto stored = api.ledger.keys();
  if (!stored) return refusal(stored.error());
  const std::int64_t now_s = api.clock.unix_ns() / ns_a_second;
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("keys");
  writer.StartArray();
  for (KeyRecord key : api.configured_keys) {
    key.from_config = true;
    write_key(writer, key, now_s);
  }
  for (const KeyRecord& key : *stored) write_key(writer, key, now_s);
  writer.EndArray();
  writer.EndObject();
  return answer(buffer);
}

LedgerAnswer new_key(const LedgerApi& api, const Result<NewKey>& made) {
  if (!made) return refusal(made.error());
  if (api.keys_changed) api.keys_changed();
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  text(writer, "name", made->record.name);
  text(writer, "id", made->record.id);
  text(writer, "key", made->text);
  text(writer, "hash", made->record.hash);
  writer.EndObject();
  return answer(buffer);
}

LedgerAnswer create(const LedgerApi& api, const LedgerCall& call) {
  Body body(call.body);
  KeyRecord key;
  key.name = body.text("name");
  key.policies = body.words("policies");
  key.models = body.words("models");
  key.min_quality = body.share("min_quality");
  key.tags = body.tags("tags");
  key.require_tags = body.words("require_tags");
  key.requests_per_minute = body.integer("requests_per_minute", 1'000'000'000);
  key.tokens_per_minute = body.integer("tokens_per_minute", 1'000'000'000'000);
  const std::string expires = body.text("expires");
  if (const auto problem = body.problem()) return refusal(*problem);
  if (!expires.empty()) {
    const auto at = parse_date(expires, TimeZone());
    if (!at) return refusal(at.error().with_param("expires"));
    key.expires_unix_s = *at;
  }
  return new_key(api, create_key(api.ledger, api.pepper, std::move(key), api.who, api.clock));
}

LedgerAnswer rotate(const LedgerApi& api, const LedgerCall& call) {
  Body body(call.body);
  const std::string name = body.text("name");
  const std::int64_t overlap = body.integer("overlap_s", overlap_max_s);
  if (const auto problem = body.problem()) return refusal(*problem);
  return new_key(api, rotate_key(api.ledger, api.pepper, name, overlap, api.who, api.clock));
}

LedgerAnswer revoke(const LedgerApi& api, const LedgerCall& call) {
  Body body(call.body);
  const std::string name = body.text("name");
  if (const auto problem = body.problem()) return refusal(*problem);
  const auto revoked = revoke_key(api.ledger, name, api.who, api.clock);
  if (!revoked) return refusal(revoked.error());
  if (api.keys_changed) api.keys_changed();
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  write_key(writer, *revoked, api.clock.unix_ns() / ns_a_second);
  return answer(buffer);
}

LedgerAnswer audit(const LedgerApi& api, const LedgerCall& call) {
  std::int64_t from = 0;
  for (const auto& [name, value] : query_pairs(call.query)) {
    if (name != "since") return refusal(bad("query", fmt::format("unknown parameter '{}'", name)));
    const auto at = parse_date(value, TimeZone());
    if (!at) return refusal(at.error().with_param("since"));
    from = *at * ns_a_second;
  }
  const auto rows = api.ledger.audit_rows(from);
  if (!rows) return refusal(rows.error());
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  writer.Key("rows");
  writer.StartArray();
  for (const AuditRow& row : *rows) {
    writer.StartObject();
    time(writer, "time", row.time_unix_ns / ns_a_second);
    text(writer, "who", row.who);
    text(writer, "what", row.what);
    text(writer, "detail", row.detail);
    text(writer, "before", row.before_hash);
    text(writer, "after", row.after_hash);
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return answer(buffer);
}

LedgerAnswer one_text(const char* name, std::string_view value) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  text(writer, name, value);
  writer.EndObject();
  return answer(buffer);
}

LedgerAnswer verify(const LedgerApi& api, const LedgerCall&) {
  const auto result = api.ledger.verify();
  return result ? one_text("result", *result) : refusal(result.error());
}

LedgerAnswer backup(const LedgerApi& api, const LedgerCall& call) {
  Body body(call.body);
  const std::string file = body.text("file");
  if (const auto problem = body.problem()) return refusal(*problem);
  if (!std::filesystem::path(file).is_absolute())
    return refusal(bad("file", "the backup's file name must be absolute"));
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored))
    return refusal(bad("file", fmt::format("{} exists already; name another file", file)));
  const auto done = api.ledger.backup(file);
  if (!done) return refusal(done.error());
  api.ledger.audit({.time_unix_ns = api.clock.unix_ns(),
                    .who = api.who,
                    .what = "ledger.backup",
                    .detail = file,
                    .before_hash = {},
                    .after_hash = {}});
  return one_text("file", file);
}

LedgerAnswer export_csv(const LedgerApi& api, const LedgerCall&) {
  LedgerAnswer result{.status = 200, .content_type = "text/csv; charset=utf-8", .body = {}};
  const auto done = api.ledger.export_csv([&](std::string_view piece) { result.body += piece; });
  return done ? result : refusal(done.error());
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (text[i] == '%' && high >= 0 && low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::string encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> query_pairs(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!query.empty()) {
    const auto end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    pairs.emplace_back(decoded(pair.substr(0, equals)), equals == std::string_view::npos
                                                            ? std::string()
                                                            : decoded(pair.substr(equals + 1)));
  }
  return pairs;
}

std::string query_pair(std::string_view name, std::string_view value) {
  return encoded(name) + "=" + encoded(value);
}

namespace {

struct LedgerRoute {
  std::string_view method, path;
  LedgerAnswer (*act)(const LedgerApi&, const LedgerCall&);
};
constexpr std::array<LedgerRoute, 10> routes{{
    {"GET", "/admin/v1/spend", spend},
    {"GET", "/admin/v1/decisions", decisions},
    {"GET", "/admin/v1/keys", list_keys},
    {"POST", "/admin/v1/keys", create},
    {"POST", "/admin/v1/keys/rotate", rotate},
    {"POST", "/admin/v1/keys/revoke", revoke},
    {"GET", "/admin/v1/audit", audit},
    {"GET", "/admin/v1/ledger/verify", verify},
    {"GET", "/admin/v1/ledger/export", export_csv},
    {"POST", "/admin/v1/ledger/backup", backup},
}};

}  // namespace

std::string ledger_methods(std::string_view path) {
  std::string methods;
  for (const LedgerRoute& route : routes)
    if (route.path == path) methods.append(methods.empty() ? "" : ", ").append(route.method);
  return methods;
}

std::optional<LedgerAnswer> answer_ledger_call(const LedgerApi& api, const LedgerCall& call) {
  for (const LedgerRoute& route : routes)
    if (route.path == call.path && route.method == call.method) return route.act(api, call);
  return std::nullopt;
}

}  // namespace jevons
