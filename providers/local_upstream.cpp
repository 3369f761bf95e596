#include "providers/local_upstream.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <deque>

namespace jevons {
namespace {

namespace asio = boost::asio;

// Updates on their way from the engine's thread to the I/O thread that asked. Only that thread
// touches it.
struct Inbox {
  explicit Inbox(asio::io_context& io)
      : arrived(io, std::chrono::steady_clock::time_point::max()) {}
  asio::steady_timer arrived;  // cancelled when an update comes
  std::deque<engine::Update> updates;
};

class LocalStream : public AnswerStream {
 public:
  LocalStream(std::shared_ptr<engine::Engine> engine, engine::JobId job,
              std::shared_ptr<Inbox> inbox, CancelSlot& cancel)
      : engine_(std::move(engine)), job_(job), inbox_(std::move(inbox)), cancel_(cancel) {
    cancel_.bind([engine_ = engine_, job] { engine_->cancel(job); });
  }
  ~LocalStream() override {
    cancel_.unbind();
    if (!ended_) engine_->cancel(job_);
  }

  asio::awaitable<Result<bool>> next(std::vector<StreamEvent>& events) override {
    if (ended_) co_return false;
    while (inbox_->updates.empty()) {
      boost::system::error_code ignored;
      inbox_->arrived.expires_at(std::chrono::steady_clock::time_point::max());
      co_await inbox_->arrived.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    while (!inbox_->updates.empty()) {
      const engine::Update update = std::move(inbox_->updates.front());
      inbox_->updates.pop_front();
      compute_us_ = std::max(compute_us_, static_cast<std::int64_t>(update.usage.compute_us));
      ended_ = update.finish || update.refusal;
      if (update.refusal) co_return engine_error(*update.refusal);
      if (update.finish == engine::Finish::cancelled)
        co_return Error(Fault::cancelled, "cancelled").with_maybe_billed(true);
      if (update.finish == engine::Finish::deadline)
        co_return Error(Fault::deadline_exceeded, "the local model did not finish in time")
            .with_maybe_billed(true);
      if (update.finish == engine::Finish::error)
        co_return Error(Fault::upstream_error, Origin::upstream, update.error)
            .with_maybe_billed(true);
      stream_events(update, events);
    }
    co_return true;
  }

  std::int64_t engine_microseconds() const override { return compute_us_; }

 private:
  std::shared_ptr<engine::Engine> engine_;
  engine::JobId job_;
  std::shared_ptr<Inbox> inbox_;
  CancelSlot& cancel_;
  bool ended_ = false;
  std::int64_t compute_us_ = 0;
};

// Both are {"content":[...],"refusal":null} as local_job.cpp writes it: the lists are joined.
void append_logprobs(std::string& all, const std::string& more) {
  constexpr std::string_view head = "{\"content\":[", tail = "],\"refusal\":null}";
  if (all.empty()) {
    all = more;
    return;
  }
  all.resize(all.size() - tail.size());
  all += "," + more.substr(head.size());
}

// Collects events into a whole answer, for clients that do not stream.
void collect(const std::vector<StreamEvent>& events, Choice& choice, ChatResponse& response) {
  for (const StreamEvent& event : events) {
    switch (event.kind) {
      case StreamEvent::Kind::text:
        choice.content += event.text;
        choice.has_content = true;
        break;
      case StreamEvent::Kind::reasoning:
        choice.reasoning += event.text;
        break;
      case StreamEvent::Kind::tool_call_start:
        choice.tool_calls.push_back(event.tool);
        break;
      case StreamEvent::Kind::tool_call_arguments:
        if (!choice.tool_calls.empty()) choice.tool_calls.back().arguments += event.text;
        break;
      case StreamEvent::Kind::logprobs:
        append_logprobs(choice.logprobs, event.text);
        break;
      case StreamEvent::Kind::finish:
        choice.finish = event.finish;
        break;
      case StreamEvent::Kind::usage:
        response.usage = *event.usage;
        break;
      default:
        break;
    }
  }
}

class LocalUpstream : public Upstream {
 public:
  LocalUpstream(const EngineTable& engines, asio::io_context& io) : engines_(engines), io_(io) {}

  asio::awaitable<Result<UpstreamAnswer>> open(const UpstreamCall& call,
                                               CancelSlot& cancel) override {
    std::shared_ptr<engine::Engine> engine = engines_.find(call.target->name);
    if (!engine)
      co_return Error(Fault::upstream_error, Origin::upstream,
                      "local model '" + call.target->name + "' is not loaded")
          .with_retry(true);
    Result<engine::Job> job = engine_job(call);
    if (job.has_error()) co_return job.error();
    auto inbox = std::make_shared<Inbox>(io_);
    auto on_update = [inbox, &io = io_](engine::Update&& update) {
      asio::post(io, [inbox, moved = std::move(update)]() mutable {
        inbox->updates.push_back(std::move(moved));
        inbox->arrived.cancel();
      });
    };
    const auto submitted = engine->submit(std::move(*job), on_update);
    if (submitted.has_error()) co_return engine_error(submitted.error());
    auto stream = std::make_unique<LocalStream>(engine, *submitted, inbox, cancel);
    UpstreamAnswer answer;
    if (call.encode.stream) {
      answer.stream = std::move(stream);
      co_return answer;
    }
    ChatResponse response;
    Choice choice;
    std::vector<StreamEvent> events;
    while (true) {
      Result<bool> more = co_await stream->next(events);
      if (call.engine_microseconds) *call.engine_microseconds = stream->engine_microseconds();
      if (more.has_error()) co_return more.error();
      collect(events, choice, response);
      events.clear();
      if (!*more) break;
    }
    response.choices.push_back(std::move(choice));
    answer.whole = std::move(response);
    co_return answer;
  }

 private:
  const EngineTable& engines_;
  asio::io_context& io_;
};

}  // namespace

void EngineTable::put(const std::string& target, std::shared_ptr<engine::Engine> engine) {
  std::lock_guard lock(mutex_);
  engines_[target] = std::move(engine);
}

std::shared_ptr<engine::Engine> EngineTable::find(const std::string& target) const {
  std::lock_guard lock(mutex_);
  const auto found = engines_.find(target);
  return found == engines_.end() ? nullptr : found->second;
}

std::map<std::string, std::shared_ptr<engine::Engine>> EngineTable::all() const {
  std::lock_guard lock(mutex_);
  return engines_;
}

std::shared_ptr<Upstream> make_local_upstream(const EngineTable& engines, asio::io_context& io) {
  return std::make_shared<LocalUpstream>(engines, io);
}

}  // namespace jevons
