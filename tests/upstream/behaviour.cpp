#include "tests/upstream/behaviour.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <functional>
#include <string_view>

namespace upstream {
namespace {

using Value = rapidjson::Value;
using Setter = std::function<bool(const Value&, Behaviour&)>;

std::string to_text(const Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string string_of(const Value& value) { return {value.GetString(), value.GetStringLength()}; }

Setter text_field(std::string Behaviour::*field) {
  return [field](const Value& v, Behaviour& b) {
    if (!v.IsString()) return false;
    b.*field = string_of(v);
    return true;
  };
}

Setter text_field(std::optional<std::string> Behaviour::*field) {
  return [field](const Value& v, Behaviour& b) {
    if (!v.IsString() && !v.IsNull()) return false;
    b.*field = v.IsNull() ? std::nullopt : std::optional(string_of(v));
    return true;
  };
}

Setter int_field(std::int64_t Behaviour::*field, std::int64_t scale = 1) {
  return [field, scale](const Value& v, Behaviour& b) {
    if (!v.IsNumber()) return false;
    b.*field = v.IsInt64() ? v.GetInt64() * scale
                           : static_cast<std::int64_t>(v.GetDouble() * static_cast<double>(scale));
    return true;
  };
}

Setter int_field(std::optional<std::int64_t> Behaviour::*field) {
  return [field](const Value& v, Behaviour& b) {
    if (!v.IsInt64() && !v.IsNull()) return false;
    b.*field = v.IsNull() ? std::nullopt : std::optional(v.GetInt64());
    return true;
  };
}

Setter bool_field(bool Behaviour::*field) {
  return [field](const Value& v, Behaviour& b) {
    if (!v.IsBool()) return false;
    b.*field = v.GetBool();
    return true;
  };
}

template <class T>
Setter damage_field(T Damage::*field) {
  return [field](const Value& v, Behaviour& b) {
    if constexpr (std::is_same_v<T, bool>) {
      if (!v.IsBool()) return false;
      b.damage.*field = v.GetBool();
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!v.IsString()) return false;
      b.damage.*field = string_of(v);
    } else {
      if (!v.IsInt64()) return false;
      b.damage.*field = v.GetInt64();
    }
    return true;
  };
}

bool set_tool_calls(const Value& v, Behaviour& b) {
  if (!v.IsArray()) return false;
  b.tool_calls.clear();
  for (const Value& item : v.GetArray()) {
    if (!item.IsObject() || !item.HasMember("name") || !item["name"].IsString()) return false;
    ToolCall call;
    call.name = string_of(item["name"]);
    call.id = item.HasMember("id") ? string_of(item["id"]) : "";
    if (!item.HasMember("arguments")) {
      call.arguments = "{}";
    } else {
      const Value& arguments = item["arguments"];
      call.arguments = arguments.IsString() ? string_of(arguments) : to_text(arguments);
    }
    b.tool_calls.push_back(std::move(call));
  }
  return true;
}

// "raw:..." passes verbatim (numbers that are no JSON), null removes the key.
bool set_usage_patch(const Value& v, Behaviour& b) {
  if (!v.IsObject()) return false;
  b.usage_patch.clear();
  for (const auto& member : v.GetObject()) {
    std::string text = member.value.IsNull() ? "" : to_text(member.value);
    if (member.value.IsString() && string_of(member.value).starts_with("raw:"))
      text = string_of(member.value).substr(4);
    b.usage_patch.emplace_back(string_of(member.name), std::move(text));
  }
  return true;
}

bool set_headers(const Value& v, Behaviour& b) {
  if (!v.IsObject()) return false;
  b.headers.clear();
  for (const auto& member : v.GetObject()) {
    if (!member.value.IsString()) return false;
    b.headers.emplace_back(string_of(member.name), string_of(member.value));
  }
  return true;
}

bool set_key_status(const Value& v, Behaviour& b) {
  if (!v.IsObject()) return false;
  b.key_status.clear();
  for (const auto& member : v.GetObject()) {
    if (!member.value.IsInt()) return false;
    b.key_status[string_of(member.name)] = member.value.GetInt();
  }
  return true;
}

bool set_status(const Value& v, Behaviour& b) {
  if (!v.IsInt()) return false;
  b.status = v.GetInt();
  return true;
}

const std::map<std::string, Setter, std::less<>>& answer_fields() {
  using B = Behaviour;
  static const std::map<std::string, Setter, std::less<>> table = {
      {"quirk", text_field(&B::quirk)},
      {"text", text_field(&B::text)},
      {"echo", bool_field(&B::echo)},
      {"tokens", int_field(&B::tokens)},
      {"completion_tokens", int_field(&B::completion_tokens)},
      {"reasoning_tokens", int_field(&B::reasoning_tokens)},
      {"hide_reasoning", bool_field(&B::hide_reasoning)},
      {"tool_calls", set_tool_calls},
      {"use_tools", bool_field(&B::use_tools)},
      {"finish_reason", text_field(&B::finish_reason)},
      {"refusal", text_field(&B::refusal)},
      {"logprob_thousandths", int_field(&B::logprob_thousandths)},
      {"service_tier", text_field(&B::service_tier)},
      {"model", text_field(&B::model)},
      {"ignore_max_tokens", bool_field(&B::ignore_max_tokens)},
      {"raw_body", text_field(&B::raw_body)},
      {"pad_bytes", int_field(&B::pad_bytes)},
      {"prompt_tokens", int_field(&B::prompt_tokens)},
      {"cached_tokens", int_field(&B::cached_tokens)},
      {"cache_write_5m", int_field(&B::cache_write_5m)},
      {"cache_write_1h", int_field(&B::cache_write_1h)},
      {"cached_outside", bool_field(&B::cached_outside)},
      {"usage_mode", text_field(&B::usage_mode)},
      {"usage_patch", set_usage_patch},
  };
  return table;
}

const std::map<std::string, Setter, std::less<>>& transport_fields() {
  using B = Behaviour;
  using D = Damage;
  static const std::map<std::string, Setter, std::less<>> table = {
      {"status", set_status},
      {"error_message", text_field(&B::error_message)},
      {"error_type", text_field(&B::error_type)},
      {"error_code", text_field(&B::error_code)},
      {"headers", set_headers},
      {"giant_header_bytes", int_field(&B::giant_header_bytes)},
      {"content_type", text_field(&B::content_type)},
      {"key_status", set_key_status},
      {"require_key", text_field(&B::require_key)},
      {"drop", text_field(&B::drop)},
      {"error_event", text_field(&B::error_event)},
      {"delay_ms", int_field(&B::delay_us, 1000)},
      {"first_chunk_ms", int_field(&B::first_chunk_us, 1000)},
      {"chunk_ms", int_field(&B::chunk_us, 1000)},
      {"stamp", bool_field(&B::stamp)},
      {"fault", damage_field(&D::fault)},
      {"after_chunks", damage_field(&D::after_chunks)},
      {"newline", damage_field(&D::newline)},
      {"bom", damage_field(&D::bom)},
      {"slice", damage_field(&D::slice)},
      {"coalesce", damage_field(&D::coalesce)},
      {"comments", damage_field(&D::comments)},
      {"blank_lines", damage_field(&D::blank_lines)},
      {"huge_line_bytes", damage_field(&D::huge_line_bytes)},
      {"duplicate", damage_field(&D::duplicate)},
      {"reorder", damage_field(&D::reorder)},
      {"split_data", damage_field(&D::split_data)},
      {"with_id", damage_field(&D::with_id)},
      {"nul", damage_field(&D::nul)},
      {"invalid_utf8", damage_field(&D::invalid_utf8)},
      {"framing", damage_field(&D::framing)},
  };
  return table;
}

}  // namespace

std::optional<std::string> overlay(const rapidjson::Value& json, Behaviour& base) {
  if (!json.IsObject()) return "a behaviour must be an object";
  for (const auto& member : json.GetObject()) {
    const std::string name = string_of(member.name);
    auto found = answer_fields().find(name);
    if (found == answer_fields().end()) {
      found = transport_fields().find(name);
      if (found == transport_fields().end()) return "unknown behaviour field '" + name + "'";
    }
    if (!found->second(member.value, base)) return "wrong type for behaviour field '" + name + "'";
  }
  return std::nullopt;
}

}  // namespace upstream
