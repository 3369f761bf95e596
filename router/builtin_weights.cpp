// The weight file inside the binary (JEVONS_WEIGHTS is its path at build time).
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

const Result<Brain>& builtin() {
  static const Result<Brain> brain = Brain::load_in_place(builtin_weight_file());
  return brain;
}

}  // namespace

std::string_view builtin_weight_file() {
  return {jevons_weights_begin,
          static_cast<std::size_t>(jevons_weights_end - jevons_weights_begin)};
}

const Brain* builtin_brain() { return builtin() ? &*builtin() : nullptr; }

std::string_view builtin_brain_error() {
  static const std::string message = builtin() ? std::string() : builtin().error().message();
  return message;
}

std::string_view weights_id() {
  return builtin_brain() != nullptr ? std::string_view(builtin_brain()->id()) : "static";
}

}  // namespace jevons
