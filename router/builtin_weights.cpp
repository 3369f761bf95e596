// The weight file inside the binary (JEVONS_WEIGHTS is its path at build time).
#include <sys/mman.h>

#include <cstdint>
#include <string_view>

#include "router/brain.h"
#include "router/decision.h"

__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    ".globl jevons_weights_begin\n"
    "jevons_weights_begin:\n"
    ".incbin \"" JEVONS_WEIGHTS
    "\"\n"
    ".globl jevons_weights_end\n"
    "jevons_weights_end:\n"
    ".byte 0\n"
    ".text\n");

extern "C" {
extern const char jevons_weights_begin[];
extern const char jevons_weights_end[];
}

namespace jevons {
namespace {

// The file was read once and is not needed in memory again; its pages come back if it were.
void let_go(std::string_view bytes) {
  constexpr std::uintptr_t page = 4'096;
  const auto begin = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end)
    static_cast<void>(madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED));
}

const Result<Brain>& builtin() {
  static const Result<Brain> brain = [] {
    const std::string_view file(
        jevons_weights_begin, static_cast<std::size_t>(jevons_weights_end - jevons_weights_begin));
    Result<Brain> loaded = Brain::load(file);
    let_go(file);
    return loaded;
  }();
  return brain;
}

}  // namespace

const Brain* builtin_brain() { return builtin() ? &*builtin() : nullptr; }

std::string_view builtin_brain_error() {
  static const std::string message = builtin() ? std::string() : builtin().error().message();
  return message;
}

std::string_view weights_id() {
  return builtin_brain() != nullptr ? std::string_view(builtin_brain()->id()) : "static";
}

}  // namespace jevons
