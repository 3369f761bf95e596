#include "local_engine/kernels.h"

namespace jevons::engine {

// Defined in kernels_<set>.cpp, each compiled for its own instructions.
const Kernels& scalar_kernels_unchecked();
const Kernels& avx2_kernels_unchecked();
const Kernels& avx512_kernels_unchecked();

const Kernels& scalar_kernels() { return scalar_kernels_unchecked(); }

#if defined(__x86_64__)
const Kernels* avx2_kernels() {
  const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return has ? &avx2_kernels_unchecked() : nullptr;
}

const Kernels* avx512_kernels() {
  const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                   __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("fma");
  return has ? &avx512_kernels_unchecked() : nullptr;
}
#else
const Kernels* avx2_kernels() { return nullptr; }
const Kernels* avx512_kernels() { return nullptr; }
#endif

const Kernels& best_kernels() {
  static const Kernels& best = [&]() -> const Kernels& {
    if (const Kernels* set = avx512_kernels(); set != nullptr) return *set;
    if (const Kernels* set = avx2_kernels(); set != nullptr) return *set;
    return scalar_kernels();
  }();
  return best;
}

}  // namespace jevons::engine
