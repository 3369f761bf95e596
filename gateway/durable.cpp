#include "gateway/durable.h"

#include <boost/asio/async_result.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

namespace jevons {
namespace {

namespace asio = boost::asio;

// `start` is called with a Done that may run on any thread; the coroutine resumes on its own.
asio::awaitable<Result<void>> wait_for(Mailbox& mailbox, std::function<void(Ledger::Done)> start) {
  auto initiate = [&start, &mailbox](auto handler) {
    // std::function must be copyable, an awaitable's handler is not.
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    mailbox.expect();
    start([shared, box = mailbox.shared_from_this()](Result<void> result) {
      box->put([shared, result] { std::move (*shared)(result); });
    });
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<void>)>(
      initiate, asio::use_awaitable);
}

}  // namespace

asio::awaitable<Result<void>> durable_intent(Mailbox& mailbox, Ledger& ledger,
                                             AttemptIntent intent) {
  std::function<void(Ledger::Done)> start = [&ledger, &intent](Ledger::Done done) {
    ledger.intend(std::move(intent), std::move(done));
  };
  co_return co_await wait_for(mailbox, std::move(start));
}

asio::awaitable<Result<void>> durable_feedback(Mailbox& mailbox, Ledger& ledger,
                                               Feedback feedback) {
  std::function<void(Ledger::Done)> start = [&ledger, &feedback](Ledger::Done done) {
    ledger.feedback(std::move(feedback), std::move(done));
  };
  co_return co_await wait_for(mailbox, std::move(start));
}

}  // namespace jevons
