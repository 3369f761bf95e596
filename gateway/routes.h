// The data listener's route table.
#pragma once

#include <boost/asio/awaitable.hpp>

#include "gateway/http/server.h"
#include "gateway/services.h"

namespace jevons {

boost::asio::awaitable<void> route_data_request(Worker& worker, HttpRequest& http,
                                                Responder& responder);

}  // namespace jevons
