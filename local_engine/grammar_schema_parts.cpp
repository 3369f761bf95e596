#include "local_engine/grammar_schema_parts.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <cmath>

namespace jevons::engine {

using Json = rapidjson::Value;

void fail(const std::string& path, const std::string& what) {
  throw SchemaError("the schema at '" + path + "' " + what);
}

void refuse(const std::string& path, std::string_view keyword) {
  fail(path, "uses '" + std::string(keyword) + "', which is not supported");
}

const Json* member(const Json& object, std::string_view name) {
  if (!object.IsObject()) return nullptr;
  const auto found = object.FindMember(
      Json(rapidjson::StringRef(name.data(), static_cast<rapidjson::SizeType>(name.size()))));
  return found == object.MemberEnd() ? nullptr : &found->value;
}

std::string json_text(const Json& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::uint32_t kind_of(const Json& value) {
  if (value.IsNull()) return kNullKind;
  if (value.IsBool()) return kBooleanKind;
  if (value.IsNumber()) return kNumberKind;
  if (value.IsString()) return kStringKind;
  return value.IsArray() ? kArrayKind : kObjectKind;
}

bool is_constraint(std::string_view keyword) {
  constexpr std::string_view annotations[] = {
      "title",       "description", "default",         "examples",
      "example",     "deprecated",  "readOnly",        "writeOnly",
      "$schema",     "$id",         "$comment",        "$defs",
      "definitions", "$anchor",     "contentEncoding", "contentMediaType"};
  return !keyword.starts_with("x-") && std::find(std::begin(annotations), std::end(annotations),
                                                 keyword) == std::end(annotations);
}

namespace {

std::uint32_t kind_named(std::string_view name, const std::string& path) {
  constexpr std::pair<std::string_view, std::uint32_t> names[] = {
      {"null", kNullKind},      {"boolean", kBooleanKind}, {"number", kNumberKind},
      {"integer", kNumberKind}, {"string", kStringKind},   {"array", kArrayKind},
      {"object", kObjectKind}};
  for (const auto& [known, kind] : names) {
    if (known == name) return kind;
  }
  fail(path, "has the unknown type '" + std::string(name) + "'");
}

// What a schema without a type is about, by its keywords.
std::uint32_t implied_kind(const Json& schema) {
  constexpr std::pair<std::string_view, std::uint32_t> keywords[] = {
      {"properties", kObjectKind},
      {"required", kObjectKind},
      {"additionalProperties", kObjectKind},
      {"items", kArrayKind},
      {"prefixItems", kArrayKind},
      {"minItems", kArrayKind},
      {"maxItems", kArrayKind},
      {"pattern", kStringKind},
      {"minLength", kStringKind},
      {"maxLength", kStringKind},
      {"minimum", kNumberKind},
      {"maximum", kNumberKind},
      {"format", kStringKind},
      {"uniqueItems", kArrayKind},
      {"multipleOf", kNumberKind},
      {"exclusiveMinimum", kNumberKind},
      {"exclusiveMaximum", kNumberKind},
      {"minProperties", kObjectKind},
      {"maxProperties", kObjectKind}};
  for (const auto& [keyword, kind] : keywords) {
    if (member(schema, keyword) != nullptr) return kind;
  }
  return kAnyKind;
}

bool names_integer_only(const Json& schema) {
  const Json* type = member(schema, "type");
  if (type == nullptr) return false;
  if (type->IsString()) return text_of(*type) == "integer";
  bool integer = false, number = false;
  if (type->IsArray()) {
    for (const Json& name : type->GetArray()) {
      integer |= name.IsString() && text_of(name) == "integer";
      number |= name.IsString() && text_of(name) == "number";
    }
  }
  return integer && !number;
}

}  // namespace

std::uint32_t kinds_of(const Json& schema, const std::string& path) {
  std::uint32_t kinds = 0;
  const Json* type = member(schema, "type");
  if (type == nullptr) {
    const bool literals = member(schema, "enum") != nullptr || member(schema, "const") != nullptr;
    kinds = literals ? std::uint32_t{kAnyKind} : implied_kind(schema);
  } else if (type->IsString()) {
    kinds = kind_named(text_of(*type), path);
  } else if (type->IsArray()) {
    for (const Json& name : type->GetArray()) {
      if (!name.IsString()) fail(path, "has a 'type' that is not a name");
      kinds |= kind_named(text_of(name), path);
    }
  } else {
    fail(path, "has a 'type' that is not a name");
  }
  const Json* nullable = member(schema, "nullable");
  if (nullable != nullptr && nullable->IsBool() && nullable->GetBool()) kinds |= kNullKind;
  if (kinds == 0) fail(path, "allows no type");
  return kinds;
}

bool fits_simply(const Json& value, const Json& schema) {
  if (value.IsNumber() && names_integer_only(schema)) {
    const double number = value.GetDouble();
    if (number != std::floor(number)) return false;
  }
  for (const auto& entry : schema.GetObject()) {
    const std::string_view keyword = text_of(entry.name);
    if (!is_constraint(keyword) || keyword == "type" || keyword == "enum" || keyword == "const" ||
        keyword == "nullable" || keyword == "format") {
      continue;
    }
    // Other keywords restrict a value of their kind in ways not looked into here.
    Json alone(rapidjson::kObjectType);
    rapidjson::Document::AllocatorType memory;
    alone.AddMember(Json(entry.name, memory), Json(rapidjson::kNullType), memory);
    const std::uint32_t about = implied_kind(alone);
    if (about == kAnyKind || (about & kind_of(value)) != 0) return false;
  }
  return true;
}

std::size_t count_of(const Json& schema, std::string_view keyword, std::size_t fallback,
                     const std::string& path) {
  constexpr std::uint64_t limit = 4096;
  const Json* value = member(schema, keyword);
  if (value == nullptr) return fallback;
  const bool whole = value->IsUint64() ||
                     (value->IsDouble() && value->GetDouble() >= 0 && value->GetDouble() < 1e9 &&
                      value->GetDouble() == std::floor(value->GetDouble()));
  if (!whole) fail(path, "has a '" + std::string(keyword) + "' that is not a count");
  const std::uint64_t count =
      value->IsUint64() ? value->GetUint64() : static_cast<std::uint64_t>(value->GetDouble());
  if (count > limit) {
    fail(path, "has a '" + std::string(keyword) + "' above 4096, which is not supported");
  }
  return static_cast<std::size_t>(count);
}

std::vector<std::string> required_of(const Json& schema, const std::string& path) {
  std::vector<std::string> names;
  const Json* required = member(schema, "required");
  if (required == nullptr) return names;
  if (!required->IsArray()) fail(path, "has 'required' that is not a list");
  for (const Json& name : required->GetArray()) {
    if (!name.IsString()) fail(path, "has 'required' that is not a list of names");
    if (std::find(names.begin(), names.end(), text_of(name)) == names.end()) {
      names.emplace_back(text_of(name));
    }
  }
  return names;
}

void check_property_counts(const Json& schema, std::size_t required, const std::string& path) {
  const std::size_t least = count_of(schema, "minProperties", 0, path);
  if (least > required) refuse(path, "minProperties");
  if (member(schema, "maxProperties") != nullptr) refuse(path, "maxProperties");
}

namespace {

using Memory = rapidjson::Document::AllocatorType;

std::optional<double> number_at(const Json& value) {
  if (!value.IsNumber()) return std::nullopt;
  return value.GetDouble();
}

bool merge_bounds(std::string_view keyword, Json& ours, const Json& theirs, Memory& memory) {
  const bool lower = keyword == "minimum" || keyword == "exclusiveMinimum" ||
                     keyword == "minLength" || keyword == "minItems" || keyword == "minProperties";
  const bool upper = keyword == "maximum" || keyword == "exclusiveMaximum" ||
                     keyword == "maxLength" || keyword == "maxItems";
  const auto a = number_at(ours), b = number_at(theirs);
  if ((!lower && !upper) || !a || !b) return false;
  if (lower ? *b > *a : *b < *a) ours.CopyFrom(theirs, memory);
  return true;
}

void merge_lists(Json& ours, const Json& theirs, bool both, Memory& memory) {
  Json out(rapidjson::kArrayType);
  const auto has = [](const Json& list, const Json& item) {
    return std::find(list.Begin(), list.End(), item) != list.End();
  };
  for (const Json& item : ours.GetArray()) {
    if (!both || has(theirs, item)) out.PushBack(Json(item, memory), memory);
  }
  for (const Json& item : theirs.GetArray()) {
    if (!both && !has(ours, item)) out.PushBack(Json(item, memory), memory);
  }
  ours = out;
}

void merge_properties(Json& ours, const Json& theirs, Memory& memory) {
  for (const auto& entry : theirs.GetObject()) {
    const auto found = ours.FindMember(entry.name);
    if (found == ours.MemberEnd()) {
      ours.AddMember(Json(entry.name, memory), Json(entry.value, memory), memory);
    } else if (!(found->value == entry.value)) {
      Json all(rapidjson::kArrayType);
      all.PushBack(Json(found->value, memory), memory);
      all.PushBack(Json(entry.value, memory), memory);
      Json both(rapidjson::kObjectType);
      both.AddMember("allOf", all, memory);
      found->value = both;
    }
  }
}

bool closed(const Json& schema) {
  for (const char* keyword : {"additionalProperties", "unevaluatedProperties"}) {
    const Json* extra = member(schema, keyword);
    if (extra != nullptr && !(extra->IsBool() && extra->GetBool())) return true;
  }
  return false;
}

// Whether `schema` declares a property that `other`, closed to undeclared ones, does not.
bool declares_more(const Json& schema, const Json& other) {
  const Json* ours = member(schema, "properties");
  const Json* theirs = member(other, "properties");
  if (ours == nullptr || !ours->IsObject()) return false;
  return std::any_of(ours->MemberBegin(), ours->MemberEnd(), [&](const auto& entry) {
    return theirs == nullptr || member(*theirs, text_of(entry.name)) == nullptr;
  });
}

// Whether `schema` speaks of first elements that `other` takes for some of its 'items'.
bool splits_items(const Json& schema, const Json& other) {
  const Json* first = member(schema, "prefixItems");
  const Json* theirs = member(other, "prefixItems");
  if (first == nullptr || member(other, "items") == nullptr) return false;
  return theirs == nullptr || *theirs != *first;
}

}  // namespace

void merge_schema(Json& into, const Json& from, Memory& memory, const std::string& path) {
  if (from.IsBool() && from.GetBool()) return;
  if (!from.IsObject() || !into.IsObject()) fail(path, "combines schemas that are not objects");
  if ((closed(into) && declares_more(from, into)) || (closed(from) && declares_more(into, from))) {
    fail(path, "combines properties with an 'additionalProperties' that excludes them");
  }
  if (splits_items(into, from) || splits_items(from, into)) {
    fail(path, "combines 'prefixItems' with the 'items' of another schema, which is not supported");
  }
  for (const auto& entry : from.GetObject()) {
    const std::string_view keyword = text_of(entry.name);
    const auto found = into.FindMember(entry.name);
    if (found == into.MemberEnd()) {
      into.AddMember(Json(entry.name, memory), Json(entry.value, memory), memory);
      continue;
    }
    Json& ours = found->value;
    const bool lists = ours.IsArray() && entry.value.IsArray();
    if (ours == entry.value || !is_constraint(keyword)) continue;
    if (keyword == "properties" && ours.IsObject() && entry.value.IsObject()) {
      merge_properties(ours, entry.value, memory);
    } else if (lists && (keyword == "required" || keyword == "allOf")) {
      merge_lists(ours, entry.value, false, memory);
    } else if (lists && (keyword == "enum" || keyword == "type")) {
      merge_lists(ours, entry.value, true, memory);
    } else if (!merge_bounds(keyword, ours, entry.value, memory)) {
      fail(path, "combines two different '" + std::string(keyword) + "', which is not supported");
    }
  }
}

namespace {

// The values a schema is limited to by const or enum; null where it is not.
std::optional<std::vector<const Json*>> literals_of(const Json& schema) {
  if (const Json* value = member(schema, "const")) return std::vector<const Json*>{value};
  const Json* values = member(schema, "enum");
  if (values == nullptr || !values->IsArray()) return std::nullopt;
  std::vector<const Json*> all;
  for (const Json& value : values->GetArray()) all.push_back(&value);
  return all;
}

bool literals_differ(const Json& a, const Json& b) {
  const auto ours = literals_of(a), theirs = literals_of(b);
  if (!ours || !theirs) return false;
  return std::none_of(ours->begin(), ours->end(), [&](const Json* x) {
    return std::any_of(theirs->begin(), theirs->end(), [&](const Json* y) { return *x == *y; });
  });
}

// Whether `a` requires a property that `b` forbids.
bool requires_forbidden(const Json& a, const Json& b) {
  if (!closed(b)) return false;
  const Json* extra = member(b, "additionalProperties");
  if (extra != nullptr && !extra->IsBool()) return false;
  const Json* theirs = member(b, "properties");
  for (const std::string& name : required_of(a, "#")) {
    if (theirs == nullptr || member(*theirs, name) == nullptr) return true;
  }
  return false;
}

}  // namespace

bool exclude_each_other(const Json& a, const Json& b) {
  if (!a.IsObject() || !b.IsObject()) return false;
  if ((kinds_of(a, "#") & kinds_of(b, "#")) == 0 && member(a, "anyOf") == nullptr &&
      member(b, "anyOf") == nullptr && member(a, "allOf") == nullptr &&
      member(b, "allOf") == nullptr && member(a, "oneOf") == nullptr &&
      member(b, "oneOf") == nullptr) {
    return true;
  }
  if (literals_differ(a, b)) return true;
  const bool objects = kinds_of(a, "#") == kObjectKind && kinds_of(b, "#") == kObjectKind;
  if (!objects) return false;
  if (requires_forbidden(a, b) || requires_forbidden(b, a)) return true;
  const Json* ours = member(a, "properties");
  const Json* theirs = member(b, "properties");
  const auto needed = required_of(b, "#");
  for (const std::string& name : required_of(a, "#")) {
    const Json* x = ours != nullptr ? member(*ours, name) : nullptr;
    const Json* y = theirs != nullptr ? member(*theirs, name) : nullptr;
    const bool both = std::find(needed.begin(), needed.end(), name) != needed.end();
    if (x != nullptr && y != nullptr && both && literals_differ(*x, *y)) return true;
  }
  return false;
}

bool schema_is_integer(const Json& schema) { return names_integer_only(schema); }

}  // namespace jevons::engine
