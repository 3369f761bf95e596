// One client connection: reads requests one at a time, hands each to the handler, writes the
// answer. It waits only for readiness, so an idle connection holds no buffer.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "gateway/http/channel.h"
#include "gateway/http/framing.h"
#include "gateway/http/response.h"
#include "gateway/http/worker.h"

namespace jevons {

class HttpSession final : public Responder,
                          public SessionHook,
                          public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(Connection connection, std::string peer_address, bool peer_is_loopback);
  ~HttpSession() override;

  void start();
  // Answers 503 at once and closes: there are too many connections.
  void shed();
  void drain();
  // Its handler, if one works, should end now; a session without one is closed.
  void interrupt();
  void close();
  bool idle() const;
  // Its request is read and waits for its turn (HttpWorker::admit).
  bool waits() const { return state_ == State::waiting; }
  void begin_handling();
  // Answers 503, keeping the connection: the request has waited too long for its turn.
  void turn_away();
  // Idle, and not for want of a first request: one that has just connected is let be.
  bool spare() const { return idle() && requests_ > 0; }

  boost::asio::awaitable<bool> send(int status, std::vector<Header> headers,
                                    std::string body) override;
  boost::asio::awaitable<bool> begin_stream(int status, std::vector<Header> headers) override;
  boost::asio::awaitable<bool> write(std::string bytes) override;
  boost::asio::awaitable<bool> end_stream(bool clean) override;
  void on_interrupt(std::function<void(Interrupt)> callback) override;
  bool client_gone() const override { return client_gone_; }

 private:
  using Executor = boost::asio::io_context::executor_type;
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, Executor>;
  using SteadyClock = std::chrono::steady_clock;
  using Timer = boost::asio::basic_waitable_timer<SteadyClock,
                                                  boost::asio::wait_traits<SteadyClock>, Executor>;
  enum class State : std::uint8_t { handshake, reading, waiting, handling, lingering, closed };
  enum class Answer : std::uint8_t { none, streaming, complete };

  // Reading (session.cpp).
  void watch();
  void on_readable();
  void handshake();
  void read_request();
  bool take(std::string_view bytes);
  bool count_body();
  void release_body();
  boost::asio::awaitable<void> run_handler();
  void after_answer();
  void next_request();
  void notice_client();
  void linger();
  void refuse(const Error& error);
  void begin_linger();
  void client_left();

  // Deadlines (session.cpp): at most one timer wait is pending, re-armed lazily.
  void set_deadline(std::int64_t ms_from_now);
  void clear_deadline() { deadline_ = SteadyClock::time_point::max(); }
  void arm_timer();
  void on_timer();
  void on_deadline();

  // Writing (session_write.cpp).
  boost::asio::awaitable<bool> write_all(std::span<std::string_view> pieces);
  bool write_now(std::span<std::string_view> pieces);
  bool write_refusal(const Error& error, ConnectionField connection);
  ConnectionField connection_field();

  Connection connection_;
  HttpWorker* const worker_;
  HttpShared& shared_;
  Socket socket_;
  TlsContext tls_;  // kept while this connection uses it, though a newer one may be in force
  Channel channel_;
  Timer timer_;
  SteadyClock::time_point deadline_ = SteadyClock::time_point::max();
  SteadyClock::time_point armed_for_ = SteadyClock::time_point::max();
  State state_;
  Answer answer_ = Answer::none;
  bool watching_ = false;
  bool timer_armed_ = false;
  bool keep_alive_ = true;
  bool chunked_ = false;
  bool bodiless_ = false;
  bool cut_ = false;  // the answer was left unfinished on purpose
  bool client_gone_ = false;
  bool peer_is_loopback_;
  std::int64_t requests_ = 0;
  std::int64_t body_bytes_held_ = 0;
  std::int64_t lingered_bytes_ = 0;
  std::string peer_address_;
  std::string pending_;  // bytes of the next request that came early
  std::function<void(Interrupt)> interrupt_callback_;
  RequestParser parser_;
};

}  // namespace jevons
