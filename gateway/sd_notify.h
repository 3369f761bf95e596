// systemd's readiness protocol (sd_notify(3)): one datagram to $NOTIFY_SOCKET, nothing without it.
#pragma once

#include <string_view>

namespace jevons {

void sd_notify(std::string_view state);

}  // namespace jevons
