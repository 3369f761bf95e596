// What each admin route does. Blocking: called on the admin's own thread.
#pragma once

#include <string>

#include "gateway/http/server.h"
#include "gateway/reload.h"
#include "gateway/services.h"

namespace jevons {

struct AdminContext {
  Services& services;
  Reloader& reloader;
  Worker& worker;  // of an I/O thread that runs beside the admin's own
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
AdminAnswer admin_test_targets(AdminContext& context, const HttpRequest& http);
AdminAnswer admin_budgets(AdminContext& context, const HttpRequest& http);
AdminAnswer admin_reload(AdminContext& context, const HttpRequest& http);

}  // namespace jevons
