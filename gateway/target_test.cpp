#include "gateway/target_test.h"

#include <algorithm>

#include "gateway/handle_chat.h"
#include "providers/json.h"

namespace jevons {
namespace {

namespace asio = boost::asio;

// Keeps the answer instead of sending it.
class Capture : public Responder {
 public:
  asio::awaitable<bool> send(int code, std::vector<Header> list, std::string bytes) override {
    status = code;
    headers = std::move(list);
    body = std::move(bytes);
    co_return true;
  }
  asio::awaitable<bool> begin_stream(int, std::vector<Header>) override { co_return true; }
  asio::awaitable<bool> write(std::string) override { co_return true; }
  asio::awaitable<bool> end_stream(bool) override { co_return true; }
  void on_interrupt(std::function<void(Interrupt)>) override {}
  bool client_gone() const override { return false; }

  int status = 0;
  std::vector<Header> headers;
  std::string body;
};

std::string request_body(const Target& target) {
  std::string body;
  JsonWriter json(body);
  json.begin_object();
  json.key("model").string(target.name);
  if (has(target.can, Capability::chat)) {
    json.key("messages").begin_array().begin_object();
    json.key("role").string("user");
    json.key("content").string("Answer with the word: pong");
    json.end_object().end_array();
    json.key("max_tokens").integer(16);
  } else {
    json.key("input").string("ping");
  }
  json.end_object();
  return body;
}

asio::awaitable<TargetTest> test_target(Worker& worker, const Target& target) {
  HttpRequest http;
  http.method = "POST";
  http.body = request_body(target);
  http.peer_is_loopback = true;
  Capture capture;
  static const auto key = [] {
    KeyRecord record;
    record.name = "targets-test";
    return std::make_shared<const KeyRecord>(std::move(record));
  }();
  const Endpoint endpoint =
      has(target.can, Capability::chat) ? Endpoint::chat : Endpoint::embeddings;
  const std::int64_t before = worker.services.clock.steady_ms();
  co_await handle_chat(worker, http, capture, endpoint, key);
  TargetTest test;
  test.target = target.name;
  test.status = capture.status;
  test.duration_ms = worker.services.clock.steady_ms() - before;
  for (const Header& header : capture.headers)
    if (header.name == "x-jevons-cost-usd") test.cost_usd = header.value;
  if (capture.status == 200) co_return test;
  JsonDocument document;
  const Result<JsonView> root = document.parse(capture.body);
  if (root.has_error()) co_return test;
  test.code = std::string((*root)["error"]["code"].text());
  test.message = std::string((*root)["error"]["message"].text());
  co_return test;
}

bool wanted(const Config& config, const Target& target, const std::vector<std::string>& names) {
  if (!names.empty()) return std::find(names.begin(), names.end(), target.name) != names.end();
  const ProviderConfig* provider = config.provider(target.provider);
  return provider && provider->api != Api::local;
}

}  // namespace

asio::awaitable<std::vector<TargetTest>> test_targets(Worker& worker,
                                                      std::vector<std::string> names) {
  const auto config = worker.services.config.load();
  std::vector<TargetTest> tests;
  for (const Target& target : config->catalog.targets) {
    if (!wanted(*config, target, names)) continue;
    TargetTest test = co_await test_target(worker, target);
    tests.push_back(std::move(test));
  }
  co_return tests;
}

std::string target_tests_json(const std::vector<TargetTest>& tests) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("tests").begin_array();
  for (const TargetTest& test : tests) {
    json.begin_object();
    json.key("target").string(test.target);
    json.key("ok").boolean(test.status == 200);
    json.key("status").integer(test.status);
    json.key("code");
    test.code.empty() ? json.null() : json.string(test.code);
    json.key("message");
    test.message.empty() ? json.null() : json.string(test.message);
    json.key("cost_usd");
    test.cost_usd.empty() ? json.null() : json.raw(test.cost_usd);
    json.key("duration_ms").integer(test.duration_ms);
    json.end_object();
  }
  json.end_array().end_object();
  return out;
}

}  // namespace jevons
