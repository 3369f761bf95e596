#include "tests/upstream/script.h"

#include <charconv>

#include "tests/upstream/text.h"

namespace upstream {
namespace {

std::optional<std::int64_t> integer(const rapidjson::Value& object, const char* name) {
  const auto found = object.FindMember(name);
  if (found == object.MemberEnd() || !found->value.IsInt64()) return std::nullopt;
  return found->value.GetInt64();
}

}  // namespace

std::optional<std::string> Script::load_lengths(const rapidjson::Value& json) {
  for (const auto& member : json.GetObject()) {
    const std::string_view key(member.name.GetString(), member.name.GetStringLength());
    std::uint64_t hash = 0;
    const auto result = std::from_chars(key.data(), key.data() + key.size(), hash, 16);
    if (key.size() != 16 || result.ec != std::errc{} || !member.value.IsObject())
      return "lengths: '" + std::string(key) + "' must be 16 hex digits -> {prompt, completion}";
    Lengths lengths;
    lengths.prompt = integer(member.value, "prompt");
    lengths.completion = integer(member.value, "completion");
    if (member.value.HasMember("by_model"))
      for (const auto& row : member.value["by_model"].GetObject())
        lengths.by_model[row.name.GetString()] = row.value.GetInt64();
    lengths_[hash] = std::move(lengths);
  }
  return std::nullopt;
}

std::optional<std::string> Script::load_queue(const rapidjson::Value& json) {
  for (const auto& item : json.GetArray()) {
    Behaviour probe;
    if (!item.HasMember("behaviour")) return "queue: `behaviour` is missing";
    if (auto error = overlay(item["behaviour"], probe)) return error;
  }
  for (const auto& item : json.GetArray()) {
    Queued queued;
    queued.model = item.HasMember("model") ? item["model"].GetString() : "*";
    queued.times = integer(item, "times").value_or(1);
    queued.behaviour.CopyFrom(item["behaviour"], queued.behaviour.GetAllocator());
    queue_.push_back(std::move(queued));
  }
  return std::nullopt;
}

std::optional<std::string> Script::load(std::string_view text) {
  rapidjson::Document json;
  json.Parse(text.data(), text.size());
  if (json.HasParseError() || !json.IsObject()) return "a script must be a JSON object";
  if (json.HasMember("reset") && json["reset"].IsTrue()) *this = Script{};
  if (json.HasMember("defaults"))
    if (auto error = overlay(json["defaults"], defaults_)) return error;
  if (json.HasMember("models")) {
    for (const auto& member : json["models"].GetObject()) {
      std::string name = member.name.GetString();
      Behaviour behaviour = defaults_;
      if (auto error = overlay(member.value, behaviour)) return name + ": " + *error;
      if (name.ends_with('*'))
        prefixes_[name.substr(0, name.size() - 1)] = std::move(behaviour);
      else
        models_[name] = std::move(behaviour);
    }
  }
  if (json.HasMember("lengths"))
    if (auto error = load_lengths(json["lengths"])) return error;
  return json.HasMember("queue") ? load_queue(json["queue"]) : std::nullopt;
}

const Behaviour& Script::standing(const std::string& model) const {
  if (const auto exact = models_.find(model); exact != models_.end()) return exact->second;
  const Behaviour* best = &defaults_;
  std::size_t longest = 0;
  for (const auto& [prefix, behaviour] : prefixes_) {
    if (model.starts_with(prefix) && prefix.size() >= longest) {
      best = &behaviour;
      longest = prefix.size();
    }
  }
  return *best;
}

Behaviour Script::next(const std::string& model) {
  Behaviour behaviour = standing(model);
  for (auto it = queue_.begin(); it != queue_.end(); ++it) {
    if (it->model != "*" && it->model != model) continue;
    overlay(it->behaviour, behaviour);  // checked when it was queued
    if (--it->times == 0) queue_.erase(it);
    break;
  }
  // Who makes a model serves it as its maker does, unless the script says otherwise.
  if (behaviour.quirk.empty() && model.starts_with("mistral")) behaviour.quirk = "mistral";
  return behaviour;
}

const Lengths* Script::lengths(std::string_view last_user_text) const {
  if (lengths_.empty()) return nullptr;
  const auto found = lengths_.find(fnv1a(last_user_text));
  return found == lengths_.end() ? nullptr : &found->second;
}

std::vector<std::string> Script::models() const {
  std::vector<std::string> names;
  for (const auto& [name, behaviour] : models_) names.push_back(name);
  return names;
}

}  // namespace upstream
