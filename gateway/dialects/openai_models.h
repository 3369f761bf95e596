// GET /v1/models and /v1/models/{id}, in OpenAI's shape or in Anthropic's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "router/chat.h"

namespace jevons {

struct ListedModel {
  std::string id;  // what a client may ask for: a target's name, an alias, a policy's exact name
  std::string owned_by;
  std::int64_t created = 0;  // unix seconds
  std::int64_t context = 0;  // 0: not stated
  std::int64_t max_output = 0;
};

std::string write_model_list(std::span<const ListedModel> models, Dialect dialect);
std::string write_model(const ListedModel& model, Dialect dialect);

}  // namespace jevons
