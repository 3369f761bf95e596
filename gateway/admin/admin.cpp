#include "gateway/admin/admin.h"

#include <openssl/crypto.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "gateway/admin/actions.h"
#include "gateway/admin/ledger_api.h"
#include "gateway/exchange.h"
#include "gateway/http_error.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

enum class Access { open, view, admin };

struct AdminRoute {
  std::string_view method, path;
  Access access;
  AdminAnswer (*act)(AdminContext&, const HttpRequest&);  // blocking; null: act_here
  // On the I/O thread.
  asio::awaitable<AdminAnswer> (*act_here)(AdminContext&, const HttpRequest&) = nullptr;
};
constexpr std::array<AdminRoute, 8> routes{{
    {"GET", "/livez", Access::open, admin_livez},
    {"GET", "/readyz", Access::open, admin_readyz},
    {"GET", "/healthz", Access::open, admin_readyz},
    {"GET", "/metrics", Access::view, admin_metrics},
    {"GET", "/admin/v1/targets", Access::view, admin_targets},
    {"GET", "/admin/v1/budgets", Access::view, admin_budgets},
    {"POST", "/admin/v1/targets/test", Access::admin, nullptr, admin_test_targets},
    {"POST", "/admin/v1/reload", Access::admin, admin_reload},
}};

bool same_secret(std::string_view given, const Secret& wanted) {
  const std::string& secret = wanted.reveal();
  return !secret.empty() && given.size() == secret.size() &&
         CRYPTO_memcmp(given.data(), secret.data(), secret.size()) == 0;
}

std::string_view bearer(const HttpRequest& http) {
  const std::string_view value = http.header("authorization");
  constexpr std::string_view scheme = "Bearer ";
  return value.starts_with(scheme) ? value.substr(scheme.size()) : http.header("x-api-key");
}

Result<void> authorise(const Config& config, const HttpRequest& http, Access access) {
  if (access == Access::open) return Result<void>();
  if (config.admin_token.empty() && config.viewer_token.empty())
    return anonymous_allowed(anonymous_request(http), config.cors_origins);
  const std::string_view token = bearer(http);
  if (same_secret(token, config.admin_token)) return Result<void>();
  if (same_secret(token, config.viewer_token)) {
    if (access == Access::view) return Result<void>();
    return Error(Fault::policy_not_allowed, Origin::client,
                 "the viewer token may read, this needs the admin token");
  }
  return Error(Fault::invalid_api_key, Origin::client,
               "this needs the admin or viewer token as `Authorization: Bearer ...`");
}

AdminAnswer error_answer(const Error& error) {
  HttpAnswer http = http_error(error, Dialect::openai, "");
  return AdminAnswer{http.status, "application/json", std::move(http.body)};
}

// The methods that a path of either table takes; empty for a path that is in none.
std::string allowed_methods(std::string_view path) {
  std::string methods = ledger_methods(path);
  for (const AdminRoute& route : routes)
    if (route.path == path) methods.append(methods.empty() ? "" : ", ").append(route.method);
  if (methods.starts_with("GET")) methods.insert(3, ", HEAD");
  return methods;
}

AdminAnswer wrong_path_or_method(const HttpRequest& http) {
  std::string allow = allowed_methods(http.path);
  if (allow.empty())
    return error_answer(
        Error(Fault::not_found, Origin::client, "no such admin path: " + http.path.substr(0, 200)));
  AdminAnswer refused =
      error_answer(Error(Fault::method_not_allowed, Origin::client, http.path + " takes " + allow));
  refused.allow = std::move(allow);
  return refused;
}

// The id as in every other error body; what the ledger's API refuses has none, because the command
// line hears it without HTTP.
void add_request_id(AdminAnswer& reply, const std::string& id) {
  if (reply.body.ends_with("}}"))
    reply.body.insert(reply.body.size() - 1, ",\"request_id\":\"" + id + '"');
}

struct Admin {
  AdminContext context;
  asio::thread_pool& blocking;
};

// Reports, keys, audit and upkeep of the ledger: reading needs the viewer, changing the admin.
std::optional<AdminAnswer> ledger_answer(Admin& admin, const Config& config,
                                         const HttpRequest& http) {
  if (!http.path.starts_with("/admin/v1/")) return std::nullopt;
  const std::string method = http.method == "HEAD" ? "GET" : http.method;
  const Access access = method == "GET" ? Access::view : Access::admin;
  if (Result<void> allowed = authorise(config, http, access); allowed.has_error())
    return error_answer(allowed.error());
  Services& services = admin.context.services;
  LedgerApi api{services.ledger, services.clock, services.keys.pepper(), config.keys, "admin", {}};
  api.keys_changed = [&admin] { (void)admin.context.reloader.refresh_keys(); };
  std::optional<LedgerAnswer> found =
      answer_ledger_call(api, LedgerCall{method, http.path, http.query, http.body});
  if (!found) return std::nullopt;
  return AdminAnswer{found->status, std::move(found->content_type), std::move(found->body)};
}

const AdminRoute* route_of(const HttpRequest& http) {
  for (const AdminRoute& route : routes) {
    if (http.path != route.path) continue;
    if (http.method == route.method || (http.method == "HEAD" && route.method == "GET"))
      return &route;
  }
  return nullptr;
}

asio::awaitable<AdminAnswer> answer_blocking(std::shared_ptr<Admin> admin, const AdminRoute* route,
                                             const HttpRequest& http) {
  if (route) co_return route->act(admin->context, http);
  const auto config = admin->context.services.config.load();
  if (auto found = ledger_answer(*admin, *config, http)) co_return std::move(*found);
  co_return wrong_path_or_method(http);
}

asio::awaitable<AdminAnswer> answer(std::shared_ptr<Admin> admin, const HttpRequest& http) {
  const AdminRoute* route = route_of(http);
  if (route) {
    const auto config = admin->context.services.config.load();
    Result<void> allowed = authorise(*config, http, route->access);
    if (allowed.has_error()) co_return error_answer(allowed.error());
    if (route->act_here) co_return co_await route->act_here(admin->context, http);
  }
  co_return co_await asio::co_spawn(admin->blocking, answer_blocking(admin, route, http),
                                    asio::use_awaitable);
}

asio::awaitable<void> serve_admin(std::shared_ptr<Admin> admin, const HttpRequest& http,
                                  Responder& responder) {
  AdminAnswer reply = co_await answer(admin, http);
  std::vector<Header> headers;
  headers.push_back(Header{"content-type", reply.content_type});
  headers.push_back(Header{"cache-control", "no-store"});
  if (!reply.allow.empty()) headers.push_back(Header{"allow", reply.allow});
  const std::string id = request_id_text(new_request_id(admin->context.services.clock));
  headers.push_back(Header{"x-request-id", id});
  if (reply.status >= 400) {
    headers.push_back(Header{"x-should-retry", reply.status == 503 ? "true" : "false"});
    add_request_id(reply, id);
  }
  co_await responder.send(reply.status, std::move(headers), std::move(reply.body));
}

}  // namespace

HttpHandler make_admin_handler(Worker& worker, Reloader& reloader, asio::thread_pool& blocking) {
  const AdminContext context{worker.services, reloader, worker};
  auto admin = std::make_shared<Admin>(Admin{context, blocking});
  return [admin](HttpRequest& http, Responder& responder) {
    return serve_admin(admin, http, responder);
  };
}

}  // namespace jevons
