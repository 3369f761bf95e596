// Compiled with -mavx2 -mfma -mf16c; called only where the processor has them.
#include "local_engine/simd_avx2.h"
// The lanes above must come first.
#include "local_engine/kernels_matmul.h"
#include "local_engine/kernels_vector.h"

namespace jevons::engine {

const Kernels& avx2_kernels_unchecked();
const Kernels& avx2_kernels_unchecked() {
  static const Kernels kernels = make_kernels("avx2", matmul);
  return kernels;
}

}  // namespace jevons::engine
