// Compiled with AVX-512 F, BW, DQ, VL and VNNI; called only where the processor has them.
#include "local_engine/simd_avx512.h"
// The lanes above must come first.
#include "local_engine/kernels_matmul.h"
#include "local_engine/kernels_vector.h"

namespace jevons::engine {

const Kernels& avx512_kernels_unchecked();
const Kernels& avx512_kernels_unchecked() {
  static const Kernels kernels = make_kernels("avx512-vnni", matmul);
  return kernels;
}

}  // namespace jevons::engine
