#include "providers/adapter.h"

namespace jevons {

const Adapter* adapter_of(Api api) {
  switch (api) {
    case Api::openai:
      return &openai_adapter;
    case Api::anthropic:
    case Api::gemini:
    case Api::local:
      return nullptr;
  }
  return nullptr;
}

}  // namespace jevons
