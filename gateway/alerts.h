// Budgets that passed a share of their limit: a line in the log, and a POST to the budget's webhook
// if it names one. Requests never wait for a webhook: it is called on a thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "gateway/budgets.h"

namespace jevons {

// The body of the POST, one JSON object: {"event":"budget_alert","budget","scope","kind","share",
// "spent_usd","limit_usd","window","from","until"}.
std::string alert_json(const BudgetAlert& alert);

class AlertSender {
 public:
  AlertSender() = default;
  ~AlertSender();  // gives up what is still to be sent
  AlertSender(const AlertSender&) = delete;
  AlertSender& operator=(const AlertSender&) = delete;

  // Thread-safe, does not block. An alert that finds the queue full is only logged.
  void send(const BudgetAlert& alert);

 private:
  struct Post {
    std::string url, body, budget;
  };
  void run();
  bool wait_ms(int ms);  // false when it is time to stop

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Post> posts_;
  bool stopping_ = false;
  std::thread thread_;  // started by the first webhook
};

}  // namespace jevons
