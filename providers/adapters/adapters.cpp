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

}  // namespace jevons
