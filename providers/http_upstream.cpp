#include "providers/http_upstream.h"

#include <algorithm>
#include <utility>

namespace jevons {

namespace asio = boost::asio;

namespace {

constexpr std::size_t error_body_bytes_max = 65'536;
constexpr std::size_t answer_bytes_max = 67'108'864;

// Counts one call for as long as it lives.
class InFlight {
 public:
  explicit InFlight(std::shared_ptr<std::int64_t> count) : count_(std::move(count)) { ++*count_; }
  InFlight(InFlight&& other) noexcept : count_(std::move(other.count_)) {}
  InFlight& operator=(InFlight&&) = delete;
  ~InFlight() {
    if (count_) --*count_;
  }

 private:
  std::shared_ptr<std::int64_t> count_;
};

// What went wrong after a 2xx head: the upstream has answered, so it bills and is not asked again.
Error after_head(Error error) {
  error.with_retry(false).with_maybe_billed(true);
  return error;
}

class HttpAnswerStream final : public AnswerStream {
 public:
  HttpAnswerStream(std::unique_ptr<HttpExchange> exchange, std::unique_ptr<StreamDecoder> decoder,
                   InFlight in_flight)
      : exchange_(std::move(exchange)),
        decoder_(std::move(decoder)),
        in_flight_(std::move(in_flight)) {}

  asio::awaitable<Result<bool>> next(std::vector<StreamEvent>& events) override {
    const std::size_t before = events.size();
    while (events.size() == before) {
      if (failure_) co_return *failure_;
      if (ended_) co_return false;
      const Result<std::string> bytes = co_await exchange_->read();
      if (!bytes) {
        failure_ = after_head(bytes.error());
      } else if (bytes->empty()) {
        end(events);
      } else {
        take(*bytes, events);
      }
    }
    co_return true;
  }

 private:
  // A failure is kept until the events before it have been handed out.
  void take(const std::string& bytes, std::vector<StreamEvent>& events) {
    const Result<void> fed = decoder_->feed(bytes, events);
    if (!fed) {
      failure_ = after_head(fed.error());
      return;
    }
    if (!decoder_->done()) return;
    end(events);
    exchange_->discard_rest();
  }

  void end(std::vector<StreamEvent>& events) {
    ended_ = true;
    const Result<void> finished = decoder_->finish(events);
    if (!finished) failure_ = after_head(finished.error());
  }

  std::unique_ptr<HttpExchange> exchange_;
  std::unique_ptr<StreamDecoder> decoder_;
  InFlight in_flight_;
  bool ended_ = false;
  std::optional<Error> failure_;
};

// The body of a refusal, as far as it is worth reading; a cut one is better than none.
asio::awaitable<std::string> read_error_body(HttpExchange& exchange) {
  std::string body;
  while (body.size() < error_body_bytes_max) {
    const Result<std::string> bytes = co_await exchange.read();
    if (!bytes || bytes->empty()) break;
    body += *bytes;
  }
  body.resize(std::min(body.size(), error_body_bytes_max));
  co_return body;
}

asio::awaitable<Result<std::string>> read_whole_body(HttpExchange& exchange) {
  std::string body;
  while (true) {
    Result<std::string> bytes = co_await exchange.read();
    if (!bytes) co_return after_head(bytes.error());
    if (bytes->empty()) co_return body;
    if (body.empty()) {
      body = std::move(*bytes);
    } else {
      body += *bytes;
    }
    if (body.size() > answer_bytes_max) {
      co_return after_head(Error(Fault::upstream_protocol_error, Origin::upstream,
                                 "the upstream's answer is larger than 64 MiB"));
    }
  }
}

}  // namespace

HttpUpstream::HttpUpstream(std::shared_ptr<const ProviderConfig> provider, const Adapter& adapter,
                           Transport& transport)
    : provider_(std::move(provider)),
      adapter_(adapter),
      transport_(transport),
      in_flight_(std::make_shared<std::int64_t>(0)) {}

asio::awaitable<Result<UpstreamAnswer>> HttpUpstream::open(const UpstreamCall& call,
                                                           CancelSlot& cancel) {
  // A reload may drop this upstream while the call runs.
  const auto self = shared_from_this();
  InFlight in_flight(in_flight_);
  Result<WireRequest> wire = adapter_.encode(*call.request, *call.target, call.encode);
  if (!wire) co_return wire.error();
  UpstreamAnswer answer;
  answer.dropped_params = std::move(wire->dropped_params);

  HttpCall http = http_call(call, std::move(*wire));
  Result<std::unique_ptr<HttpExchange>> exchange =
      co_await exchange_with_key(std::move(http), cancel);
  if (!exchange) co_return exchange.error();

  if (call.encode.stream) {
    answer.stream = std::make_unique<HttpAnswerStream>(
        std::move(*exchange), adapter_.open_stream(*call.request, provider_->quirks),
        std::move(in_flight));
    co_return answer;
  }
  const Result<std::string> body = co_await read_whole_body(**exchange);
  if (!body) co_return body.error();
  Result<ChatResponse> decoded = adapter_.decode(*body, *call.request, provider_->quirks);
  if (!decoded) co_return after_head(decoded.error());
  answer.whole = std::move(*decoded);
  co_return answer;
}

HttpCall HttpUpstream::http_call(const UpstreamCall& call, WireRequest wire) const {
  const ProviderTimeouts& timeouts = provider_->timeouts;
  HttpCall http;
  http.url = provider_->base_url + wire.path;
  http.body = std::move(wire.body);
  http.headers = std::move(wire.headers);
  http.headers.insert(http.headers.end(), provider_->headers.begin(), provider_->headers.end());
  http.headers.push_back(Header{"content-type", "application/json"});
  const bool stream = call.encode.stream;
  http.first_byte_timeout_ms = stream ? timeouts.first_byte_ms : timeouts.first_byte_whole_ms;
  http.idle_timeout_ms = timeouts.between_events_ms;
  http.total_timeout_ms =
      std::min(call.total_timeout_ms, stream ? timeouts.total_ms : timeouts.first_byte_whole_ms);
  return http;
}

// The credential is always the last header.
void HttpUpstream::set_credential(HttpCall& call, std::size_t key) const {
  call.headers.push_back(credential(adapter_, provider_->keys[key], provider_->auth_header));
}

asio::awaitable<Result<std::unique_ptr<HttpExchange>>> HttpUpstream::exchange_with_key(
    HttpCall call, CancelSlot& cancel) {
  const std::size_t keys = provider_->keys.size();
  const std::size_t key = current_key_;
  if (keys > 0) set_credential(call, key);
  Result<std::unique_ptr<HttpExchange>> exchange =
      co_await transport_.send(*provider_, std::move(call), cancel);
  if (!exchange) co_return exchange.error();
  const int status = (*exchange)->status();
  if (status >= 200 && status < 300) co_return exchange;
  const std::string body = co_await read_error_body(**exchange);
  const Error refused = adapter_.fault_of(status, (*exchange)->headers(), body);
  // Unless another request has moved on meanwhile.
  if (refused.rotates_key() && keys > 1 && current_key_ == key) current_key_ = (key + 1) % keys;
  co_return refused;
}

}  // namespace jevons
