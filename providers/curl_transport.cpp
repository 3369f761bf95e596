#include <boost/asio/post.hpp>
#include <csignal>
#include <mutex>
#include <utility>

#include "providers/address_class.h"
#include "providers/curl_loop.h"
#include "providers/transport.h"

namespace jevons {

namespace asio = boost::asio;

namespace {

class CurlExchange final : public HttpExchange {
 public:
  CurlExchange(std::shared_ptr<CurlLoop> loop, std::shared_ptr<CurlCall> call)
      : loop_(std::move(loop)), call_(std::move(call)) {}
  ~CurlExchange() override {
    if (!discarded_) loop_->forget(*call_);
  }

  int status() const override { return call_->status; }
  const std::vector<Header>& headers() const override { return call_->headers; }

  asio::awaitable<Result<std::string>> read() override {
    // The exchange may be destroyed by what is woken; the call is not.
    const std::shared_ptr<CurlLoop> loop = loop_;
    const std::shared_ptr<CurlCall> call = call_;
    while (call->buffered.empty() && !call->over()) co_await call->wakeup.wait();
    // What arrived before a failure is still the answer.
    if (!call->buffered.empty()) {
      std::string bytes = std::exchange(call->buffered, {});
      loop->resume(*call);
      co_return bytes;
    }
    if (call->failure) co_return *call->failure;
    co_return std::string();
  }

  void discard_rest() override {
    discarded_ = true;
    loop_->discard(*call_);
  }

  void cancel() override { loop_->abort(call_, call_->error(Fault::cancelled, "cancelled")); }

 private:
  std::shared_ptr<CurlLoop> loop_;
  std::shared_ptr<CurlCall> call_;
  bool discarded_ = false;
};

// Ends the call when the coroutine that waits for its head is destroyed.
class Forget {
 public:
  Forget(CurlLoop& loop, CurlCall& call) : loop_(loop), call_(&call) {}
  Forget(const Forget&) = delete;
  Forget& operator=(const Forget&) = delete;
  ~Forget() {
    if (call_ != nullptr) loop_.forget(*call_);
  }
  void dismiss() { call_ = nullptr; }

 private:
  CurlLoop& loop_;
  CurlCall* call_;
};

bool is_plain_http_refused(const ProviderConfig& provider, const std::string& url) {
  if (url.starts_with("https://")) return false;
  return !url.starts_with("http://") ||
         !(provider.insecure_http || is_loopback_host(url_host(url)));
}

class CurlTransport final : public Transport {
 public:
  explicit CurlTransport(asio::io_context& io) : loop_(std::make_shared<CurlLoop>(io)) {}

  asio::awaitable<Result<std::unique_ptr<HttpExchange>>> send(const ProviderConfig& provider,
                                                              HttpCall request,
                                                              CancelSlot& cancel) override {
    const std::shared_ptr<CurlLoop> loop = loop_;
    const auto call = std::make_shared<CurlCall>(provider, std::move(request));
    if (cancel.cancelled()) co_return call->error(Fault::cancelled, "cancelled");
    if (is_plain_http_refused(provider, call->request.url)) {
      co_return call->error(Fault::upstream_error, "plain http needs insecure_http: true")
          .with_retry(false);
    }
    if (!loop->start(provider, call)) {
      co_return call->error(Fault::upstream_error, "the call could not be started");
    }
    Forget forget(*loop, *call);
    const std::weak_ptr<CurlCall> weak = call;
    std::function<void()> abort = [loop, weak] {
      const auto running = weak.lock();
      if (running) loop->abort(running, running->error(Fault::cancelled, "cancelled"));
    };
    cancel.bind(std::move(abort));
    while (!call->head_done && !call->over()) co_await call->wakeup.wait();
    if (call->failure && call->buffered.empty()) co_return *call->failure;
    forget.dismiss();
    co_return std::unique_ptr<HttpExchange>(std::make_unique<CurlExchange>(loop, call));
  }

 private:
  std::shared_ptr<CurlLoop> loop_;
};

}  // namespace

std::unique_ptr<Transport> make_curl_transport(asio::io_context& io) {
  static std::once_flag once;
  std::call_once(once, [] {
    // CURLOPT_NOSIGNAL leaves SIGPIPE to the program.
    std::signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
  });
  return std::make_unique<CurlTransport>(io);
}

}  // namespace jevons
