#include "gateway/alerts.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "gateway/log.h"
#include "providers/json.h"

namespace jevons {
namespace {

constexpr std::size_t queue_max = 256;
constexpr int tries_max = 3;
constexpr int wait_before_retry_ms = 1'000;  // doubled each time
constexpr long connect_timeout_ms = 3'000, total_timeout_ms = 10'000;

std::size_t ignore(char*, std::size_t size, std::size_t count, void*) { return size * count; }

// Empty when the webhook took it. The URL may carry a secret, so no message holds it.
std::string post_json(const std::string& url, const std::string& body) {
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(
      curl_slist_append(curl_slist_append(nullptr, "content-type: application/json"), "expect:"),
      curl_slist_free_all);
  const auto set = [&](CURLoption option, auto value) {
    curl_easy_setopt(curl.get(), option, value);
  };
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");  // the loader allows http to loopback only
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_NOPROXY, "*");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, connect_timeout_ms);
  set(CURLOPT_TIMEOUT_MS, total_timeout_ms);
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  set(CURLOPT_POSTFIELDS, body.c_str());
  set(CURLOPT_WRITEFUNCTION, ignore);
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK) return curl_easy_strerror(code);
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status < 300 ? "" : fmt::format("it answered {}", status);
}

std::string_view window_word(Window window) {
  switch (window) {
    case Window::minute:
      return "minute";
    case Window::hour:
      return "hour";
    case Window::day:
      return "day";
    case Window::week:
      return "week";
    case Window::month:
      return "month";
  }
  return "";
}

}  // namespace

std::string alert_json(const BudgetAlert& alert) {
  std::string body;
  JsonWriter json(body);
  json.begin_object().key("event").string("budget_alert");
  json.key("budget").string(alert.budget.name).key("scope").string(alert.scope);
  json.key("kind").string(alert.budget.hard ? "hard" : "soft").key("share").number(alert.share);
  json.key("spent_usd").raw(dollars_json(alert.spent));
  json.key("limit_usd").raw(dollars_json(alert.budget.limit));
  json.key("window").string(window_word(alert.budget.window));
  json.key("from").string(utc_text(alert.window.begin));
  json.key("until").string(utc_text(alert.window.end)).end_object();
  return body;
}

AlertSender::~AlertSender() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void AlertSender::send(const BudgetAlert& alert) {
  // Sessions and tags are words of clients, which the log never holds.
  const bool ours = alert.budget.per.empty() || alert.budget.per == "key";
  log_event(LogLevel::warning, "budget_alert",
            {{"budget", alert.budget.name},
             {"scope", ours ? alert.scope : alert.budget.per},
             {"share", fmt::format("{:g}", alert.share)},
             {"spent_usd", dollars_text(alert.spent)},
             {"limit_usd", dollars_text(alert.budget.limit)}});
  if (alert.budget.webhook.empty()) return;
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  if (posts_.size() >= queue_max) {
    log_event(LogLevel::error, "webhook",
              {{"budget", alert.budget.name}, {"message", "too many alerts wait; not sent"}});
    return;
  }
  posts_.push_back({alert.budget.webhook, alert_json(alert), alert.budget.name});
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

bool AlertSender::wait_ms(int ms) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return stopping_; });
}

void AlertSender::run() {
  for (;;) {
    Post post;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || !posts_.empty(); });
      if (stopping_) return;
      post = std::move(posts_.front());
      posts_.pop_front();
    }
    for (int attempt = 1;; ++attempt) {
      const std::string wrong = post_json(post.url, post.body);
      if (wrong.empty()) break;
      log_event(LogLevel::error, "webhook", {{"budget", post.budget}, {"message", wrong}});
      if (attempt == tries_max || !wait_ms(wait_before_retry_ms << (attempt - 1))) break;
    }
  }
}

}  // namespace jevons
