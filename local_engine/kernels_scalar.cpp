// Compiled without special instructions.
#include "local_engine/simd_scalar.h"
// The lanes above must come first.
#include "local_engine/kernels_matmul.h"
#include "local_engine/kernels_vector.h"

namespace jevons::engine {

const Kernels& scalar_kernels_unchecked();
const Kernels& scalar_kernels_unchecked() {
  static const Kernels kernels = make_kernels("scalar", matmul);
  return kernels;
}

}  // namespace jevons::engine
