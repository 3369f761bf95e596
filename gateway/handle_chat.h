// The life of a model request, top to bottom.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "gateway/http/server.h"
#include "gateway/services.h"
#include "router/chat.h"

namespace jevons {

// chat, completions, embeddings. `key` is set where the gateway itself asks (targets test); else
// the request says who it is from.
boost::asio::awaitable<void> handle_chat(Worker& worker, HttpRequest& http, Responder& responder,
                                         Endpoint endpoint,
                                         std::shared_ptr<const KeyRecord> key = nullptr);
// The dry run: decides as handle_chat would, calls nobody and writes no row.
boost::asio::awaitable<void> handle_route(Worker& worker, HttpRequest& http, Responder& responder);

}  // namespace jevons
