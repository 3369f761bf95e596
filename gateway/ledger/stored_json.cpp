#include "gateway/ledger/stored_json.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace jevons {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void write_tags(Writer& writer, const std::map<std::string, std::string>& tags) {
  writer.StartObject();
  for (const auto& [name, value] : tags) {
    writer.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
    writer.String(value);
  }
  writer.EndObject();
}

void write_list(Writer& writer, const char* name, const std::vector<std::string>& words) {
  writer.Key(name);
  writer.StartArray();
  for (const std::string& word : words) writer.String(word);
  writer.EndArray();
}

std::string text_of(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

std::map<std::string, std::string> tags_of(const rapidjson::Value& value) {
  std::map<std::string, std::string> tags;
  if (!value.IsObject()) return tags;
  for (const auto& member : value.GetObject())
    if (member.value.IsString()) tags.emplace(text_of(member.name), text_of(member.value));
  return tags;
}

std::vector<std::string> list_of(const rapidjson::Value& object, const char* name) {
  std::vector<std::string> words;
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsArray()) return words;
  for (const auto& word : member->value.GetArray())
    if (word.IsString()) words.push_back(text_of(word));
  return words;
}

std::int64_t integer_of(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  return member != object.MemberEnd() && member->value.IsInt64() ? member->value.GetInt64() : 0;
}

}  // namespace

std::string tags_json(const std::map<std::string, std::string>& tags) {
  if (tags.empty()) return {};
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  write_tags(writer, tags);
  return {buffer.GetString(), buffer.GetSize()};
}

std::map<std::string, std::string> tags_of_json(std::string_view json) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError()) return {};
  return tags_of(document);
}

std::string key_limits_json(const KeyRecord& key) {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  writer.StartObject();
  write_list(writer, "policies", key.policies);
  write_list(writer, "models", key.models);
  writer.Key("min_quality");
  writer.Double(key.min_quality);
  writer.Key("tags");
  write_tags(writer, key.tags);
  write_list(writer, "require_tags", key.require_tags);
  writer.Key("requests_per_minute");
  writer.Int64(key.requests_per_minute);
  writer.Key("tokens_per_minute");
  writer.Int64(key.tokens_per_minute);
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

void read_key_limits(std::string_view json, KeyRecord& key) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(json.data(), json.size());
  if (document.HasParseError() || !document.IsObject()) return;
  key.policies = list_of(document, "policies");
  key.models = list_of(document, "models");
  const auto quality = document.FindMember("min_quality");
  if (quality != document.MemberEnd() && quality->value.IsNumber())
    key.min_quality = quality->value.GetDouble();
  const auto tags = document.FindMember("tags");
  if (tags != document.MemberEnd()) key.tags = tags_of(tags->value);
  key.require_tags = list_of(document, "require_tags");
  key.requests_per_minute = integer_of(document, "requests_per_minute");
  key.tokens_per_minute = integer_of(document, "tokens_per_minute");
}

}  // namespace jevons
