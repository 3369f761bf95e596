#include "gateway/routes.h"

#include <algorithm>
#include <array>
#include <set>

#include "gateway/dialects/openai_models.h"
#include "gateway/durable.h"
#include "gateway/exchange.h"
#include "gateway/finish.h"
#include "gateway/handle_chat.h"
#include "gateway/http_error.h"
#include "gateway/teach.h"
#include "providers/json.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

struct Route {
  std::string_view path;  // without /v1
  std::string_view method;
  Endpoint endpoint;
};
constexpr std::array<Route, 6> routes{{{"/chat/completions", "POST", Endpoint::chat},
                                       {"/completions", "POST", Endpoint::completions},
                                       {"/embeddings", "POST", Endpoint::embeddings},
                                       {"/route", "POST", Endpoint::route},
                                       {"/feedback", "POST", Endpoint::feedback},
                                       {"/models", "GET", Endpoint::models}}};

Dialect dialect_of_client(const HttpRequest& http) {
  return http.header("anthropic-version").empty() ? Dialect::openai : Dialect::anthropic;
}

std::string_view without_version(std::string_view path) {
  if (path == "/v1") return "/";
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  return path;
}

// Every name a client may ask for: targets and aliases that its key may use, and the exact names
// that its policies serve.
std::vector<ListedModel> listed_models(const Exchange& x) {
  std::vector<ListedModel> models;
  std::set<std::string> seen;
  const auto add = [&](const std::string& id, const std::string& owner, const Target* target) {
    if (!seen.insert(id).second) return;
    ListedModel model;
    model.id = id;
    model.owned_by = owner;
    if (target) {
      model.context = target->context;
      model.max_output = target->max_output;
    }
    models.push_back(std::move(model));
  };
  for (const Policy& policy : x.config->policies) {
    if (!key_allows_policy(*x.key, policy.name, x.config->default_policy)) continue;
    for (const std::string& name : policy.serves)
      if (name.find('*') == std::string::npos) add(name, "jevons", nullptr);
  }
  for (const Target& target : x.config->catalog.targets) {
    if (!key_allows_target(*x.key, target.name)) continue;
    add(target.name, target.provider, &target);
    for (const std::string& alias : target.aliases) add(alias, target.provider, &target);
  }
  return models;
}

asio::awaitable<void> send_json(Exchange& x, std::string body) {
  std::vector<Header> headers = x.answer_headers;
  headers.push_back(Header{"content-type", "application/json"});
  x.status = 200;
  co_await x.responder.send(200, std::move(headers), std::move(body));
}

asio::awaitable<Result<void>> serve_models(Exchange& x, std::string_view id) {
  Result<void> known = identify(x);
  if (known.has_error()) co_return known.error();
  const std::vector<ListedModel> models = listed_models(x);
  const Dialect dialect = dialect_of_client(x.http);
  if (id.empty()) {
    co_await send_json(x, write_model_list(models, dialect));
    co_return Result<void>();
  }
  const auto found =
      std::find_if(models.begin(), models.end(), [&](const auto& model) { return model.id == id; });
  if (found == models.end()) {
    Error error(Fault::model_not_found, Origin::client,
                "model '" + std::string(id) + "' does not exist here; GET /v1/models lists them");
    error.with_param("model");
    co_return error;
  }
  co_await send_json(x, write_model(*found, dialect));
  co_return Result<void>();
}

Error bad_field(std::string_view name, std::string_view expected) {
  Error error(Fault::invalid_value, Origin::client,
              "'" + std::string(name) + "' must be " + std::string(expected));
  error.with_param(std::string(name));
  return error;
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

Result<Feedback> read_feedback(const Exchange& x) {
  JsonDocument document;
  Result<JsonView> root = document.parse(x.http.body);
  if (root.has_error()) return root.error();
  if (!root->is_object())
    return Error(Fault::invalid_value, Origin::client, "the body must be a JSON object");
  Feedback feedback;
  feedback.key = x.caller.key_name;
  feedback.time_unix_ns = x.started_unix_ns;
  const std::string_view id = (*root)["request_id"].text();
  const auto request = request_id_of(id);
  for (const std::string_view name : {"request_id", "score", "source"})
    if (!(*root)[name].present()) {
      Error missing(Fault::missing_field, Origin::client, "'" + std::string(name) + "' is missing");
      return missing.with_param(std::string(name));
    }
  if (id.empty()) return bad_field("request_id", "the x-request-id of an earlier answer");
  if (!request)
    return Error(Fault::not_found, Origin::client, "no request '" + std::string(id) + "' is known");
  feedback.request = *request;
  const auto score = (*root)["score"].number();
  if (!score || !(*score >= 0 && *score <= 1)) return bad_field("score", "a number from 0 to 1");
  feedback.score = *score;
  feedback.source = std::string((*root)["source"].text());
  if (feedback.source.empty() || characters(feedback.source) > 64)
    return bad_field("source", "a string of 1 to 64 characters");
  const JsonView label = (*root)["label"];
  if (label.present() && !label.is_string()) return bad_field("label", "a string");
  feedback.label = std::string(label.text());
  if (characters(feedback.label) > 1024) return bad_field("label", "at most 1024 characters");
  return feedback;
}

asio::awaitable<Result<void>> serve_feedback(Exchange& x) {
  Result<void> known = identify(x);
  if (known.has_error()) co_return known.error();
  Result<Feedback> feedback = read_feedback(x);
  if (feedback.has_error()) co_return feedback.error();
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.key("request_id").string(request_id_text(feedback->request));
  json.key("accepted").boolean(true);
  json.end_object();
  Feedback row = *feedback;
  Result<void> stored =
      co_await durable_feedback(*x.worker.mailbox, x.services.ledger, std::move(row));
  if (stored.has_error()) co_return stored.error();
  teach_from_feedback(x, *feedback);
  co_await send_json(x, std::move(body));
  co_return Result<void>();
}

asio::awaitable<void> serve_small(Worker& worker, HttpRequest& http, Responder& responder,
                                  Endpoint endpoint, std::string_view rest) {
  Exchange x(worker, http, responder, endpoint);
  x.request.dialect = dialect_of_client(http);
  // No `?:` around co_await: g++ 12 destroys its temporaries twice.
  Result<void> served;
  if (endpoint == Endpoint::models)
    served = co_await serve_models(x, rest);
  else
    served = co_await serve_feedback(x);
  if (served.has_error()) {
    const Error error = served.error();
    co_await refuse(x, error);
  }
  finish(x, served);
}

asio::awaitable<void> not_served(Worker& worker, HttpRequest& http, Responder& responder,
                                 Error error, std::string_view allow) {
  Exchange x(worker, http, responder, Endpoint::chat);
  x.request.dialect = dialect_of_client(http);
  if (!allow.empty()) x.answer_headers.push_back(Header{"allow", std::string(allow)});
  co_await refuse(x, error);
}

bool without_length(const HttpRequest& http) {
  return http.body.empty() && http.method == "POST" && http.header("content-length").empty() &&
         http.header("transfer-encoding").empty();
}

// A browser asks before it sends a request of another origin.
asio::awaitable<void> answer_preflight(Worker& worker, HttpRequest& http, Responder& responder) {
  Exchange x(worker, http, responder, Endpoint::chat);
  std::vector<Header> headers = x.answer_headers;
  headers.push_back(Header{"access-control-allow-methods", "GET, POST"});
  const std::string_view wanted = http.header("access-control-request-headers");
  headers.push_back(Header{"access-control-allow-headers", std::string(wanted)});
  headers.push_back(Header{"access-control-max-age", "600"});
  co_await x.responder.send(204, std::move(headers), std::string());
}

}  // namespace

asio::awaitable<void> route_data_request(Worker& worker, HttpRequest& http, Responder& responder) {
  const std::string path(without_version(http.path));
  if (http.method == "OPTIONS" &&
      allows_origin(*worker.services.config.load(), http.header("origin"))) {
    co_await answer_preflight(worker, http, responder);
    co_return;
  }
  std::string rest;
  for (const Route& route : routes) {
    const bool single_model =
        route.endpoint == Endpoint::models && path.starts_with("/models/") && path.size() > 8;
    if (path != route.path && !single_model) continue;
    if (http.method != route.method && !(route.method == "GET" && http.method == "HEAD")) {
      Error error(Fault::method_not_allowed, Origin::client,
                  std::string(route.path) + " takes " + std::string(route.method));
      const std::string_view allow = route.method == "GET" ? "GET, HEAD" : route.method;
      co_await not_served(worker, http, responder, std::move(error), allow);
      co_return;
    }
    if (without_length(http)) {
      Error error(Fault::length_required, Origin::client,
                  "a POST needs a Content-Length header or a chunked body");
      constexpr std::string_view allow;
      co_await not_served(worker, http, responder, std::move(error), allow);
      co_return;
    }
    if (single_model) rest = path.substr(8);
    if (route.endpoint == Endpoint::route) {
      co_await handle_route(worker, http, responder);
    } else if (route.endpoint == Endpoint::models || route.endpoint == Endpoint::feedback) {
      co_await serve_small(worker, http, responder, route.endpoint, rest);
    } else {
      co_await handle_chat(worker, http, responder, route.endpoint);
    }
    co_return;
  }
  Error error(Fault::not_found, Origin::client,
              "no such path: " + quoted(path) +
                  "; try /v1/chat/completions, /v1/embeddings or /v1/models");
  constexpr std::string_view allow;
  co_await not_served(worker, http, responder, std::move(error), allow);
}

}  // namespace jevons
