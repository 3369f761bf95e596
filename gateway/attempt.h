// One try against one target: reserve the budget, write the intent, call, relay, settle. Whatever
// way it ends, the reservation is released and the ledger row is settled or voided exactly once.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gateway/accounting.h"
#include "gateway/dialects/dialect.h"
#include "gateway/exchange.h"
#include "gateway/hold.h"
#include "gateway/streamed_answer.h"
#include "providers/upstream.h"
#include "router/plan.h"

namespace jevons {

class Attempt {
 public:
  Attempt(Exchange& exchange, std::size_t target, PlanOn on, int number);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  // An attempt that lost a race, or whose request ended, settles what it used so far.
  ~Attempt();

  // Returns once the whole answer is there, or the first event of a streamed one that a client
  // would see. Nothing has gone to the client yet.
  boost::asio::awaitable<Result<void>> open();
  // The answer is good but too weak to deliver (escalation): settles it as undelivered.
  void discard();
  // The commit: sends the answer to the client. An error after the commit was already told to the
  // client in the words of its dialect.
  boost::asio::awaitable<Result<void>> deliver();
  // Aborts a running open() or deliver().
  void cancel(EndedBy by);
  // Cancels it, unless it is to be read to its end although its client has gone.
  void interrupt(Interrupt why);

  std::size_t target_index() const { return target_; }
  PlanOn on() const { return on_; }
  const std::optional<ChatResponse>& whole() const { return answer_.whole; }
  // A budget left less room for the answer than was asked for.
  bool capped_by_budget() const { return capped_by_budget_; }
  // The whole answer while nothing of it went to the client: also a short streamed one that was
  // held back to its end. Empty: it is being streamed.
  std::optional<ChatResponse> uncommitted_answer() const;
  // What it cost if it ended here; zero when the price is unknown.
  Nanodollars cost_so_far() const;

 private:
  bool begin_again();
  void uncount();
  boost::asio::awaitable<Result<void>> call();
  boost::asio::awaitable<Result<void>> first_events();
  boost::asio::awaitable<Result<void>> deliver_whole();
  boost::asio::awaitable<Result<void>> deliver_stream();
  boost::asio::awaitable<Result<void>> relay(StreamWriter& writer);
  boost::asio::awaitable<bool> flush(std::string& out);
  AttemptIntent intent() const;
  EncodeOptions encode_options() const;
  void observe(std::span<const StreamEvent> events);
  bool holds_back() const;
  void observe(const ChatResponse& response);
  void add_dropped_params(std::vector<Header>& headers) const;
  AttemptFacts facts() const;
  // Settles as what `error` says, or as delivered when there is none.
  void settle(const Error* error, bool delivered);
  void write_settlement(AttemptSettlement settlement, const std::optional<CostBreakdown>& cost);
  void tell_target_book(const Error* error);
  std::int64_t now_ms() const;
  AnswerMeta meta() const;
  StreamEnd stream_end() const;

  Exchange& x_;
  std::size_t target_ = 0;
  PlanOn on_ = PlanOn::start;
  int number_ = 1;
  const Target& catalog_target_;
  Hold hold_;
  std::shared_ptr<CancelSlot> cancel_ = std::make_shared<CancelSlot>();
  UpstreamAnswer answer_;
  std::vector<StreamEvent> events_;  // read but not yet relayed
  EndedBy cancelled_by_ = EndedBy::gateway;
  bool cancelled_ = false;
  bool drains_ = false;    // read to its end when its client goes
  bool begun_ = false;     // the target book counts it
  bool intended_ = false;  // the intent row is durable
  bool sent_ = false;      // the upstream may have seen the request
  bool settled_ = false;
  bool finished_ = false;  // the answer reached its end
  bool finish_seen_ = false;
  bool capped_by_budget_ = false;
  std::int64_t started_ms_ = 0;
  std::int64_t first_ms_ = -1;            // when the first token came
  std::int64_t engine_microseconds_ = 0;  // of a whole answer
  std::int64_t output_bytes_ = 0, reasoning_bytes_ = 0;
  std::string prefix_;                      // visible text so far, while it may be held back
  std::optional<StreamedAnswer> streamed_;  // where the router learns from answers
  bool asked_logprobs_ = false;             // for us, not for the client
  FinishReason finish_ = FinishReason::unset;
  std::optional<Usage> claimed_;
  std::string served_tier_, upstream_id_;
  Usage final_usage_;
  AttemptCost final_cost_;
};

}  // namespace jevons
