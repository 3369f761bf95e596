// The admin listener: metrics, probes, reports, keys, reload. Tokens of two roles: admin may do
// all, viewer may read. Without tokens only loopback peers get in, as on the data listener.
#pragma once

#include "gateway/http/server.h"
#include "gateway/reload.h"
#include "gateway/services.h"

namespace jevons {

HttpHandler make_admin_handler(Worker& worker, Reloader& reloader);

}  // namespace jevons
