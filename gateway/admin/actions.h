// What each admin route does. Blocking, on a thread for that, but for admin_test_targets.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "gateway/http/server.h"
#include "gateway/reload.h"
#include "gateway/services.h"

namespace jevons {

struct AdminContext {
  Services& services;
  Reloader& reloader;
  Worker& worker;  // of the listener's I/O thread
};

struct AdminAnswer {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow{};  // of a 405: the methods that the path takes
};

AdminAnswer admin_livez(AdminContext& context, const HttpRequest& http);
AdminAnswer admin_readyz(AdminContext& context, const HttpRequest& http);
AdminAnswer admin_metrics(AdminContext& context, const HttpRequest& http);
AdminAnswer admin_targets(AdminContext& context, const HttpRequest& http);
// On the worker's I/O thread.
boost::asio::awaitable<AdminAnswer> admin_test_targets(AdminContext& context,
                                                       const HttpRequest& http);
AdminAnswer admin_budgets(AdminContext& context, const HttpRequest& http);
AdminAnswer admin_reload(AdminContext& context, const HttpRequest& http);

}  // namespace jevons
