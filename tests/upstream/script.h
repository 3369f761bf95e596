// Which behaviour a call gets: one queued for its model, else the model's own, else the defaults.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/upstream/behaviour.h"

namespace upstream {

struct Lengths {
  std::optional<std::int64_t> prompt;
  std::optional<std::int64_t> completion;
  std::map<std::string, std::int64_t, std::less<>> by_model;  // completion, per model
};

class Script {
 public:
  // Reads a script: {"defaults":{}, "models":{"name or prefix*":{}}, "lengths":{"<fnv1a hex>":{}},
  // "queue":[{"model":"*","times":2,"behaviour":{}}], "reset":true}. All keys optional; `reset`
  // forgets what came before. Returns what is wrong with it, if anything.
  std::optional<std::string> load(std::string_view json);

  Behaviour next(const std::string& model);
  // Recorded lengths of the prompt whose last user text this is.
  const Lengths* lengths(std::string_view last_user_text) const;
  std::vector<std::string> models() const;
  std::size_t queued() const { return queue_.size(); }

 private:
  struct Queued {
    std::string model;  // "*": any
    std::int64_t times = 1;
    rapidjson::Document behaviour;
  };
  std::optional<std::string> load_lengths(const rapidjson::Value& json);
  std::optional<std::string> load_queue(const rapidjson::Value& json);
  const Behaviour& standing(const std::string& model) const;

  Behaviour defaults_;
  std::map<std::string, Behaviour, std::less<>> models_;
  std::map<std::string, Behaviour, std::less<>> prefixes_;
  std::map<std::uint64_t, Lengths> lengths_;
  std::deque<Queued> queue_;
};

}  // namespace upstream
