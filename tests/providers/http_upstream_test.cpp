#include "providers/http_upstream.h"

#include <doctest/doctest.h>

#include "tests/fakes/run_coroutine.h"
#include "tests/fakes/scripted_server.h"

using namespace jevons;
using fakes::http_reply;
using fakes::Reply;
using fakes::ScriptedServer;
namespace asio = boost::asio;

namespace {

// A wire format of one line an event: text as it is, "." as the terminal marker, "!" as a breach.
class LineDecoder final : public StreamDecoder {
 public:
  Result<void> feed(std::string_view bytes, std::vector<StreamEvent>& events) override {
    line_ += bytes;
    for (std::size_t end = line_.find('\n'); end != std::string::npos; end = line_.find('\n')) {
      const std::string text = line_.substr(0, end);
      line_.erase(0, end + 1);
      if (text == "!") return Error(Fault::upstream_protocol_error, Origin::upstream, "breach");
      if (text == ".") {
        done_ = true;
        continue;
      }
      StreamEvent event;
      event.text = text;
      events.push_back(std::move(event));
    }
    return {};
  }
  Result<void> finish(std::vector<StreamEvent>&) override {
    if (done_) return {};
    return Error(Fault::upstream_error, Origin::upstream, "cut");
  }
  bool done() const override { return done_; }

 private:
  std::string line_;
  bool done_ = false;
};

const Adapter line_adapter = {
    "lines",
    [](const ChatRequest& request, const Target&, const EncodeOptions&) -> Result<WireRequest> {
      if (request.requested_model == "bad") return Error(Fault::invalid_value, "cannot encode");
      WireRequest wire;
      wire.path = "/say";
      wire.body = "say";
      wire.headers.push_back(Header{"x-own", "1"});
      wire.dropped_params = {"seed"};
      return wire;
    },
    [](std::string_view body, const ChatRequest&, Quirks) -> Result<ChatResponse> {
      if (body == "garbage") {
        return Error(Fault::upstream_protocol_error, Origin::upstream, "not an answer");
      }
      ChatResponse response;
      response.model = body;
      return response;
    },
    [](const ChatRequest&, Quirks) -> std::unique_ptr<StreamDecoder> {
      return std::make_unique<LineDecoder>();
    },
    [](int status, std::span<const Header>, std::string_view body) {
      Error error(Fault::upstream_error, Origin::upstream, std::string(body));
      return error.with_upstream_status(status);
    },
    "x-key",
};

struct Bench {
  explicit Bench(ScriptedServer::Respond respond, std::vector<std::string> keys = {"k1"})
      : server(io, std::move(respond)) {
    auto config = std::make_shared<ProviderConfig>();
    config->name = "p";
    config->base_url = server.url("/v1");
    config->headers.push_back(Header{"x-org", "abc"});
    for (std::string& key : keys) config->keys.emplace_back(std::move(key));
    upstream = std::make_shared<HttpUpstream>(config, line_adapter, *transport);
  }

  Result<UpstreamAnswer> open(bool stream = false) {
    UpstreamCall call;
    call.request = &request;
    call.target = &target;
    call.encode.stream = stream;
    return fakes::run(io, upstream->open(call, cancel));
  }

  // The texts of all events, then how the stream ended.
  std::string read_all(AnswerStream& stream) {
    std::string text;
    while (true) {
      std::vector<StreamEvent> events;
      const Result<bool> more = fakes::run(io, stream.next(events));
      if (!more) return text + "error: " + more.error().message();
      if (!*more) return text + "end";
      for (const StreamEvent& event : events) text += event.text + "|";
    }
  }

  // Which keys the upstream has seen, in order.
  std::string keys_seen() const {
    std::string keys;
    for (const std::string& text : server.requests()) {
      const std::size_t at = text.find("x-key: ");
      keys += (at == std::string::npos ? "-" : text.substr(at + 7, 2)) + " ";
    }
    return keys;
  }

  asio::io_context io;
  ScriptedServer server;
  std::unique_ptr<Transport> transport = make_curl_transport(io);
  std::shared_ptr<HttpUpstream> upstream;
  ChatRequest request;
  Target target;
  CancelSlot cancel;
};

}  // namespace

TEST_CASE("a whole answer is decoded, and the request carries every header") {
  Bench bench([](const std::string&, std::size_t) { return Reply{http_reply(200, "m-1")}; });
  const auto answer = bench.open();
  REQUIRE(answer.has_value());
  REQUIRE(answer->whole.has_value());
  CHECK(answer->whole->model == "m-1");
  CHECK(answer->dropped_params == std::vector<std::string>{"seed"});
  CHECK(bench.upstream->in_flight() == 0);
  const std::string& sent = bench.server.requests().at(0);
  CHECK(sent.starts_with("POST /v1/say HTTP/1.1\r\n"));
  for (const char* line : {"\r\nx-own: 1\r\n", "\r\nx-org: abc\r\n",
                           "\r\ncontent-type: application/json\r\n", "\r\nx-key: k1\r\n"}) {
    CAPTURE(line);
    CHECK(sent.find(line) != std::string::npos);
  }
}

TEST_CASE("after 401 and 429 the next call has the next key, one POST a call") {
  const struct {
    const char* when;
    std::vector<int> statuses;
    std::vector<std::string> keys;
    int status;  // 0: answered
    const char* keys_seen;
  } rows[] = {
      {"the first key works", {200}, {"k1", "k2"}, 0, "k1 "},
      {"a wrong key", {401, 200}, {"k1", "k2"}, 0, "k1 k2 "},
      {"a busy key", {429, 200}, {"k1", "k2"}, 0, "k1 k2 "},
      {"all keys busy", {429, 429, 429}, {"k1", "k2", "k3"}, 429, "k1 k2 k3 "},
      {"the last refusal is reported", {429, 401}, {"k1", "k2"}, 401, "k1 k2 "},
      {"another status ends it", {500, 200}, {"k1", "k2"}, 500, "k1 "},
      {"403 is not about the key", {403, 200}, {"k1", "k2"}, 403, "k1 "},
      {"one key is tried once", {429, 200}, {"k1"}, 429, "k1 "},
      {"no key, no credential", {200}, {}, 0, "- "},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Bench bench(
        [&](const std::string&, std::size_t number) {
          return Reply{http_reply(row.statuses.at(number), "body")};
        },
        row.keys);
    auto answer = bench.open();
    for (std::size_t i = 1; i < row.keys.size(); ++i)
      if (!answer && answer.error().rotates_key()) answer = bench.open();
    CHECK(answer.has_value() == (row.status == 0));
    if (!answer) CHECK(answer.error().upstream_status() == row.status);
    CHECK(bench.keys_seen() == row.keys_seen);
    CHECK(bench.upstream->in_flight() == 0);
  }
}

TEST_CASE("the key that worked is used from then on") {
  Bench bench(
      [](const std::string& request, std::size_t) {
        const bool good = request.find("x-key: k2") != std::string::npos;
        return Reply{http_reply(good ? 200 : 401, "x")};
      },
      {"k1", "k2", "k3"});
  for (int i = 0; i < 4; ++i) CHECK(bench.open().has_value() == (i > 0));
  CHECK(bench.keys_seen() == "k1 k2 k2 k2 ");
}

TEST_CASE("a streamed answer") {
  const struct {
    const char* when;
    std::string body;
    const char* seen;
  } rows[] = {
      {"ends at its marker", "a\nb\n.\n", "a|b|end"},
      {"what follows the marker is ignored", "a\n.\nb\n", "a|b|end"},
      {"is cut", "a\n", "a|error: cut"},
      {"breaks the format after some events", "a\n!\nb\n", "a|error: breach"},
      {"is empty", "", "error: cut"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    Bench bench([&](const std::string&, std::size_t) { return Reply{http_reply(200, row.body)}; });
    auto answer = bench.open(true);
    REQUIRE(answer.has_value());
    REQUIRE(answer->stream != nullptr);
    CHECK(bench.upstream->in_flight() == 1);
    CHECK(bench.read_all(*answer->stream) == row.seen);
    answer->stream.reset();
    CHECK(bench.upstream->in_flight() == 0);
  }
}

TEST_CASE("a stream that ended at its marker leaves its connection to the next call") {
  const std::string head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  Bench bench([&](const std::string&, std::size_t) {
    return Reply{head + "4\r\na\n.\n\r\n"};  // the last chunk comes later
  });
  for (int i = 0; i < 3; ++i) {
    auto answer = bench.open(true);
    REQUIRE(answer.has_value());
    CHECK(bench.read_all(*answer->stream) == "a|end");
    answer->stream.reset();
    bench.server.push("0\r\n\r\n");
    bench.io.poll();
  }
  CHECK(bench.server.connections() == 1);
}

TEST_CASE("what went wrong before and after the head") {
  Bench bench([](const std::string&, std::size_t number) {
    if (number == 0) return Reply{http_reply(200, "garbage")};
    return Reply{"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", Reply::Then::close};
  });
  const auto garbage = bench.open();
  REQUIRE(garbage.has_error());
  CHECK(garbage.error().message() == "not an answer");
  CHECK(garbage.error().maybe_billed());
  CHECK_FALSE(garbage.error().retryable());
  const auto cut = bench.open();
  REQUIRE(cut.has_error());
  CHECK(cut.error().fault() == Fault::upstream_error);
  CHECK(cut.error().maybe_billed());
  CHECK_FALSE(cut.error().retryable());
  bench.request.requested_model = "bad";
  const auto not_encoded = bench.open();
  REQUIRE(not_encoded.has_error());
  CHECK(not_encoded.error().message() == "cannot encode");
  CHECK_FALSE(not_encoded.error().maybe_billed());
  CHECK(bench.upstream->in_flight() == 0);
}
