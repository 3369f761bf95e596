// Model files come from outside: parsing any bytes must end in a model or an error, and every view
// it hands out must lie inside the input.
#include <cstdlib>

#include "local_engine/gguf.h"

using namespace jevons::engine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file) return 0;
  double sum = 0;
  for (const std::string_view key : file->keys()) {
    if (const auto array = file->array(key); array && (*array)->numbers != nullptr) {
      for (std::size_t i = 0; i < (*array)->count; ++i) sum += (*array)->real(i);
    }
  }
  for (const GgufTensor& tensor : file->tensors()) {
    if (tensor.data.size() != row_bytes(tensor.type, tensor.dims[0]) * tensor.rows()) std::abort();
    if (tensor.dims[0] > 4096) continue;
    std::vector<float> row(tensor.dims[0]);
    decode_row(tensor.type, tensor.data.data(), row);
    sum += double{row[0]};
  }
  return sum == 0.12345 ? 1 : 0;
}
