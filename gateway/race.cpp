#include "gateway/race.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

namespace jevons {
namespace {

namespace asio = boost::asio;

struct Runner {
  std::unique_ptr<Attempt> attempt;
  std::optional<Result<void>> opened;
};

// Runners live as long as their coroutines, and the race until all of them have ended.
struct Race {
  explicit Race(const asio::any_io_executor& executor) : wake(executor) {}
  asio::steady_timer wake;  // cancelled whenever a runner ends
  Runner first, second;
};

asio::awaitable<void> run(std::shared_ptr<Race> race, Runner& runner) {
  runner.opened = co_await runner.attempt->open();
  race->wake.cancel();
}

bool ended(const Runner& runner) { return runner.opened.has_value(); }
bool won(const Runner& runner) { return ended(runner) && runner.opened->has_value(); }

asio::awaitable<void> wait_until(Race& race, std::chrono::steady_clock::time_point at) {
  race.wake.expires_at(at);
  boost::system::error_code ignored;
  co_await race.wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// Waits for a winner, or for the end of all that run.
asio::awaitable<void> wait_for_winner(Race& race) {
  while (!won(race.first) && !won(race.second) &&
         !(ended(race.first) && (!race.second.attempt || ended(race.second))))
    co_await wait_until(race, std::chrono::steady_clock::time_point::max());
}

asio::awaitable<Result<void>> race_attempts(Exchange& x, AttemptPlan& plan,
                                            std::unique_ptr<Attempt>& attempt,
                                            std::int64_t hedge_at_ms) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto race = std::make_shared<Race>(executor);
  race->first.attempt = std::move(attempt);
  asio::co_spawn(executor, run(race, race->first), asio::detached);
  const std::int64_t wait_ms = hedge_at_ms - x.services.clock.steady_ms();
  if (wait_ms > 0 && !ended(race->first))
    co_await wait_until(*race,
                        std::chrono::steady_clock::now() + std::chrono::milliseconds(wait_ms));
  if (!ended(race->first) && !x.client_gone && !x.stopping) {
    const Step step = plan.hedge(x.services.clock.steady_ms());
    if (step.kind == Step::Kind::hedge) {
      x.services.hedges.spent();
      race->second.attempt = std::make_unique<Attempt>(x, step.target, PlanOn::hedge, ++x.attempts);
      asio::co_spawn(executor, run(race, race->second), asio::detached);
    }
  }
  co_await wait_for_winner(*race);
  const bool second_won = !won(race->first) && won(race->second);
  Runner& winner = second_won ? race->second : race->first;
  Runner& loser = second_won ? race->first : race->second;
  if (loser.attempt && !ended(loser)) {
    loser.attempt->cancel(EndedBy::gateway);
    while (!ended(loser)) co_await wait_until(*race, std::chrono::steady_clock::time_point::max());
  }
  if (loser.attempt) {
    AttemptResult lost;
    lost.target = loser.attempt->target_index();
    if (loser.opened->has_error()) lost.error = loser.opened->error();
    lost.weak = true;  // an answer that came second is not delivered
    (void)plan.after(lost, x.services.clock.steady_ms());
    loser.attempt.reset();  // settles it
  }
  attempt = std::move(winner.attempt);
  co_return *winner.opened;
}

}  // namespace

asio::awaitable<Result<void>> open_with_hedge(Exchange& x, AttemptPlan& plan,
                                              std::unique_ptr<Attempt>& attempt) {
  const std::optional<std::int64_t> hedge_at_ms = plan.hedge_at_ms();
  if (!hedge_at_ms) co_return co_await attempt->open();
  co_return co_await race_attempts(x, plan, attempt, *hedge_at_ms);
}

}  // namespace jevons
