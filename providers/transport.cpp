#include "providers/transport.h"

#include <utility>

namespace jevons {

void CancelSlot::cancel() {
  cancelled_ = true;
  if (const auto abort = std::exchange(abort_, nullptr)) abort();
}

void CancelSlot::bind(std::function<void()> abort) {
  if (cancelled_) return abort();
  abort_ = std::move(abort);
}

}  // namespace jevons
