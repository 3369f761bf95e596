#include "local_engine/grammar_schema.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/pointer.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "local_engine/grammar_json_rules.h"
#include "local_engine/grammar_schema_parts.h"

namespace jevons::engine {
namespace {

constexpr std::size_t kSchemaBytesMax = 256 * 1024;
constexpr int kDepthMax = 100;
constexpr std::size_t kNodesMax = 400'000;

using Json = rapidjson::Value;

// Keywords that would need more than an automaton, or more than we do. Others we do not know are
// annotations, as the specification has it.
constexpr std::string_view kRefused[] = {"not",
                                         "if",
                                         "then",
                                         "else",
                                         "patternProperties",
                                         "propertyNames",
                                         "dependencies",
                                         "dependentRequired",
                                         "dependentSchemas",
                                         "contains",
                                         "minContains",
                                         "maxContains",
                                         "unevaluatedItems",
                                         "$dynamicRef",
                                         "$recursiveRef"};

// What "#/a/b" refers to, or null. RapidJSON's own fragment form insists on "$" being written %24.
const Json* find_reference(const Json& root, std::string_view target) {
  if (!target.starts_with("#")) return nullptr;
  std::string path;
  for (std::size_t i = 1; i < target.size(); ++i) {
    unsigned value = 0;
    const char* digits = target.data() + i + 1;
    const bool escape = target[i] == '%' && i + 2 < target.size() &&
                        std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2;
    path += escape ? static_cast<char>(value) : target[i];
    if (escape) i += 2;
  }
  const rapidjson::Pointer pointer(path.data(), path.size());
  return pointer.IsValid() ? pointer.Get(root) : nullptr;
}

class SchemaCompiler {
 public:
  explicit SchemaCompiler(Json& root, rapidjson::Document::AllocatorType& memory)
      : root_(root), memory_(memory) {}

  SchemaRules run() {
    SchemaRules out;
    out.root = rule_of(root_, "#");
    out.rules = rules_.take_rules();
    out.names = rules_.take_names();
    return out;
  }

 private:
  // The rule of a schema, made at its first use: a schema may contain itself.
  RuleId rule_of(const Json& schema, const std::string& path) {
    if (const auto known = known_.find(&schema); known != known_.end()) return known->second;
    const RuleId rule = rules_.add(path);
    known_.emplace(&schema, rule);
    if (++depth_ > kDepthMax) fail(path, "is nested more than 100 deep");
    fill(schema, path, rule);
    --depth_;
    if (rules_.node_count() > kNodesMax) fail("#", "is too large");
    return rule;
  }

  void fill(const Json& schema, const std::string& path, RuleId rule) {
    RuleNfa& nfa = rules_.at(rule);
    if (schema.IsBool()) {
      if (!schema.GetBool()) fail(path, "is false, which no value satisfies");
      return nfa.finish(nfa.call(rules_.any_value()));
    }
    if (!schema.IsObject()) fail(path, "is not an object");
    for (const std::string_view keyword : kRefused) {
      if (member(schema, keyword) != nullptr) refuse(path, keyword);
    }
    if (const Json* reference = member(schema, "$ref")) {
      return nfa.finish(nfa.call(referred(schema, *reference, path)));
    }
    if (const Json* all = member(schema, "allOf")) {
      const Json& merged = merged_all(schema, *all, path);
      return nfa.finish(nfa.call(rule_of(merged, path + "/allOf")));
    }
    for (const std::string_view keyword : {"anyOf", "oneOf"}) {
      if (const Json* choices = member(schema, keyword)) {
        return nfa.finish(choice(schema, *choices, keyword, path, nfa));
      }
    }
    nfa.finish(plain(schema, path, nfa));
  }

  RuleId referred(const Json& schema, const Json& reference, const std::string& path) {
    for (const auto& [name, value] : schema.GetObject()) {
      if (is_constraint(text_of(name)) && text_of(name) != "$ref") {
        fail(path,
             "has '" + std::string(text_of(name)) + "' beside '$ref', which is not supported");
      }
    }
    const std::string target = reference.IsString() ? std::string(text_of(reference)) : "";
    if (!target.starts_with("#")) {
      fail(path,
           "refers to '" + target + "'; only references inside the schema (#/...) are supported");
    }
    const Json* found = find_reference(root_, target);
    if (found == nullptr) fail(path, "refers to '" + target + "', which does not exist");
    return rule_of(*found, target);
  }

  const Json& resolved(const Json& schema) const {
    const Json* at = &schema;
    for (int i = 0; i < kDepthMax && at->IsObject(); ++i) {
      const Json* reference = member(*at, "$ref");
      if (reference == nullptr || !reference->IsString()) break;
      const Json* found = find_reference(root_, text_of(*reference));
      if (found == nullptr) break;
      at = found;
    }
    return *at;
  }

  // A schema that lives as long as the compiler.
  Json& keep(const Json& from) {
    made_.emplace_back();
    made_.back().CopyFrom(from, memory_);
    return made_.back();
  }

  const Json& merged_all(const Json& schema, const Json& all, const std::string& path) {
    Json& merged = keep(schema);
    merged.RemoveMember("allOf");
    if (!all.IsArray()) fail(path, "has an 'allOf' that is not a list");
    for (const Json& part : all.GetArray()) {
      merge_schema(merged, resolved(part), memory_, path);
    }
    return merged;
  }

  Fragment choice(const Json& schema, const Json& choices, std::string_view keyword,
                  const std::string& path, RuleNfa& nfa) {
    if (!choices.IsArray() || choices.Empty()) {
      fail(path, "has an '" + std::string(keyword) + "' that is not a list of schemas");
    }
    std::vector<const Json*> alternatives;
    for (const Json& part : choices.GetArray()) {
      // What stands beside anyOf holds for each alternative.
      Json& merged = keep(schema);
      merged.RemoveMember(
          Json(keyword.data(), static_cast<rapidjson::SizeType>(keyword.size()), memory_));
      const bool beside = std::any_of(merged.MemberBegin(), merged.MemberEnd(), [&](const auto& m) {
        return is_constraint(text_of(m.name));
      });
      if (beside) merge_schema(merged, resolved(part), memory_, path);
      alternatives.push_back(beside ? &merged : &part);
    }
    if (keyword == "oneOf") check_exclusive(alternatives, path);
    std::vector<Fragment> parts;
    for (std::size_t i = 0; i < alternatives.size(); ++i) {
      const std::string place = path + "/" + std::string(keyword) + "/" + std::to_string(i);
      parts.push_back(nfa.call(rule_of(*alternatives[i], place)));
    }
    return nfa.any_of(parts);
  }

  // An answer that fits two alternatives of oneOf would be invalid, so they must exclude each other
  // in a way we can see.
  void check_exclusive(const std::vector<const Json*>& alternatives,
                       const std::string& path) const {
    for (std::size_t i = 0; i < alternatives.size(); ++i) {
      for (std::size_t j = i + 1; j < alternatives.size(); ++j) {
        if (exclude_each_other(resolved(*alternatives[i]), resolved(*alternatives[j]))) continue;
        fail(path, "has a 'oneOf' whose alternatives " + std::to_string(i) + " and " +
                       std::to_string(j) +
                       " may both fit; use 'anyOf', or a property with a "
                       "different 'const' in each");
      }
    }
  }

  Fragment plain(const Json& schema, const std::string& path, RuleNfa& nfa) {
    const std::uint32_t kinds = kinds_of(schema, path);
    std::vector<Fragment> parts;
    if (add_literals(schema, kinds, path, nfa, parts)) return nfa.any_of(parts);
    if ((kinds & kNullKind) != 0) parts.push_back(nfa.literal("null"));
    if ((kinds & kBooleanKind) != 0) {
      parts.push_back(nfa.literal("true"));
      parts.push_back(nfa.literal("false"));
    }
    if ((kinds & kNumberKind) != 0) parts.push_back(add_schema_number(nfa, schema, path));
    if ((kinds & kStringKind) != 0) {
      Fragment string;
      const bool free = !add_schema_string(nfa, schema, path, string);
      parts.push_back(free ? nfa.call(rules_.any_string()) : string);
    }
    if ((kinds & kArrayKind) != 0) parts.push_back(array(schema, path, nfa));
    if ((kinds & kObjectKind) != 0) parts.push_back(object(schema, path, nfa));
    return nfa.any_of(parts);
  }

  // enum and const.
  bool add_literals(const Json& schema, std::uint32_t kinds, const std::string& path, RuleNfa& nfa,
                    std::vector<Fragment>& parts) const {
    const Json* values = member(schema, "enum");
    const Json* value = member(schema, "const");
    if (values == nullptr && value == nullptr) return false;
    if (values != nullptr && !values->IsArray()) fail(path, "has an 'enum' that is not a list");
    const auto add = [&](const Json& literal) {
      const bool listed =
          values == nullptr || std::find(values->Begin(), values->End(), literal) != values->End();
      if (listed && (kind_of(literal) & kinds) != 0 && fits_simply(literal, schema)) {
        parts.push_back(nfa.literal(json_text(literal)));
      }
    };
    if (value != nullptr)
      add(*value);
    else
      for (const Json& literal : values->GetArray()) add(literal);
    if (parts.empty()) fail(path, "allows none of its own values");
    return true;
  }

  Fragment array(const Json& schema, const std::string& path, RuleNfa& nfa) {
    const Json* unique = member(schema, "uniqueItems");
    if (unique != nullptr && !(unique->IsBool() && !unique->GetBool())) refuse(path, "uniqueItems");
    const Json* items = member(schema, "items");
    const Json* prefix = member(schema, "prefixItems");
    if (items != nullptr && items->IsArray())
      prefix = items, items = member(schema, "additionalItems");
    const std::size_t fixed = prefix != nullptr && prefix->IsArray() ? prefix->Size() : 0;
    const std::size_t least = count_of(schema, "minItems", 0, path);
    std::size_t most = count_of(schema, "maxItems", kUnlimitedCount, path);
    const bool closed = items != nullptr && items->IsBool() && !items->GetBool();
    if (closed) most = std::min(most, fixed);
    if (least > most)
      fail(path, "asks for at least " + std::to_string(least) + " and at most " +
                     std::to_string(most) + " items");
    const auto item = [&](std::size_t index) {
      if (index < fixed) {
        const auto at = static_cast<rapidjson::SizeType>(index);
        return nfa.call(rule_of((*prefix)[at], path + "/prefixItems/" + std::to_string(index)));
      }
      return nfa.call(items == nullptr ? rules_.any_value() : rule_of(*items, path + "/items"));
    };
    return add_counted_array(nfa, least, most, fixed, item);
  }

  Fragment object(const Json& schema, const std::string& path, RuleNfa& nfa) {
    const Json* properties = member(schema, "properties");
    if (properties != nullptr && !properties->IsObject())
      fail(path, "has 'properties' that are not an object");
    const std::vector<std::string> required = required_of(schema, path);
    check_property_counts(schema, required.size(), path);
    const Json* extra = member(schema, "additionalProperties");
    if (extra == nullptr) extra = member(schema, "unevaluatedProperties");
    const bool declared = properties != nullptr && properties->MemberCount() > 0;
    const bool extra_allowed = extra == nullptr ? !declared : !extra->IsBool() || extra->GetBool();
    if (!declared && required.empty() && extra_allowed && (extra == nullptr || extra->IsBool())) {
      return nfa.call(rules_.any_object());
    }
    ObjectPlan plan;
    if (declared) {
      for (const auto& [name, value] : properties->GetObject()) {
        const std::string key(text_of(name));
        const bool needed = std::find(required.begin(), required.end(), key) != required.end();
        // A property that nothing fits is one that must not be there.
        if (value.IsBool() && !value.GetBool() && !needed) {
          plan.forbidden.push_back(key);
          continue;
        }
        plan.properties.push_back({key, rule_of(value, path + "/properties/" + key), needed});
      }
    }
    const auto extra_rule = [&] {
      const bool any = extra == nullptr || extra->IsBool();
      return any ? rules_.any_value() : rule_of(*extra, path + "/additionalProperties");
    };
    for (const std::string& key : required) {
      const bool known = properties != nullptr && properties->HasMember(key);
      if (known) continue;
      const bool forbidden = extra != nullptr && extra->IsBool() && !extra->GetBool();
      if (forbidden) fail(path, "requires '" + key + "' but does not allow it");
      plan.properties.push_back({key, extra_rule(), true});
    }
    if (extra_allowed) plan.extra = extra_rule();
    return add_object(nfa, plan);
  }

  Json& root_;
  rapidjson::Document::AllocatorType& memory_;
  RuleSet rules_;
  std::map<const Json*, RuleId> known_;
  std::deque<Json> made_;
  int depth_ = 0;
};

}  // namespace

EngineResult<SchemaRules> rules_of_schema(std::string_view schema_json) {
  const auto refusal = [](const std::string& what) {
    return EngineError(EngineFault::invalid_input, what);
  };
  if (schema_json.size() > kSchemaBytesMax) return refusal("the schema is longer than 256 KiB");
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
      schema_json.data(), schema_json.size());
  if (document.HasParseError()) {
    return refusal(std::string("the schema is not JSON: ") +
                   rapidjson::GetParseError_En(document.GetParseError()) + " (at byte " +
                   std::to_string(document.GetErrorOffset()) + ")");
  }
  try {
    return SchemaCompiler(document, document.GetAllocator()).run();
  } catch (const SchemaError& error) {
    return refusal(error.what());
  }
}

SchemaRules rules_of_any_object() {
  RuleSet rules;
  SchemaRules out;
  out.root = rules.any_object();
  out.rules = rules.take_rules();
  out.names = rules.take_names();
  return out;
}

}  // namespace jevons::engine
