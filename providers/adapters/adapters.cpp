#include "providers/adapter.h"

namespace jevons {

const Adapter* adapter_of(Api api) {
  switch (api) {
    case Api::openai:
      return &openai_adapter;
    case Api::anthropic:
      return &anthropic_adapter;
    case Api::gemini:
      return &gemini_adapter;
    case Api::local:
      return nullptr;
  }
  return nullptr;
}

Header credential(const Adapter& adapter, const Secret& key, std::string_view auth_header) {
  const std::string_view name = auth_header.empty() ? adapter.key_header : auth_header;
  if (name == "authorization" || name == "Authorization") {
    return {"authorization", "Bearer " + key.reveal()};
  }
  return {std::string(name), key.reveal()};
}

}  // namespace jevons
