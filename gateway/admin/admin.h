// The admin listener: metrics, probes, reports, keys, reload. Tokens of two roles: admin may do
// all, viewer may read. Without tokens only loopback peers get in, as on the data listener.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "gateway/http/server.h"
#include "gateway/reload.h"
#include "gateway/services.h"

namespace jevons {

// Reports and reloads block on disk: they run on `blocking`, never on an I/O thread. `worker` is of
// the listener's own I/O thread.
HttpHandler make_admin_handler(Worker& worker, Reloader& reloader,
                               boost::asio::thread_pool& blocking);

}  // namespace jevons
