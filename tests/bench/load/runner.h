// The load itself: closed loop (each connection asks again as soon as it is answered) or open loop
// (requests leave at a fixed rate whether or not earlier ones are answered; latency counts from
// the time a request should have left).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/bench/load/report.h"
#include "tests/bench/load/response.h"

namespace load {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::vector<std::string> requests;  // whole HTTP requests, used in turn
  std::int64_t connections = 64;
  double rate = 0;            // requests per second; 0: closed loop
  double seconds = 5;         // measured time
  double warmup_seconds = 0;  // before it, not counted
  std::int64_t count = 0;     // stop after that many answers instead of by time; 0: by time
  double deadline_seconds = 20;
  double hold_seconds = 0;  // keep the connections open this long after the last answer
  bool stamps = false;      // read `t=<20 digits>;` in bodies: chunk delays
};

class Runner {
 public:
  explicit Runner(Options options);
  ~Runner();
  Report run();

 private:
  struct Client {
    int fd = -1;
    bool busy = false;
    bool connecting = false;
    std::string out;
    std::size_t out_at = 0;
    Clock::time_point started;
    ResponseReader reader;
    std::string carry;  // end of the body that may begin a stamp
  };

  bool open(Client& client);
  void start(Client& client, Clock::time_point due);
  bool pump_out(Client& client);
  void on_event(Client& client, std::uint32_t events);
  void on_bytes(Client& client, std::string_view bytes);
  void read_stamps(Client& client, std::string_view body, Clock::time_point now);
  void on_answer(Client& client, Clock::time_point now);
  void fail(Client& client);
  void idle(Client& client);
  void launch_due(Clock::time_point now);
  void wait();
  bool finished(Clock::time_point now) const;

  Options options_;
  Report report_;
  int epoll_ = -1;
  std::vector<Client> clients_;
  std::deque<std::size_t> idle_;
  std::deque<Clock::time_point> backlog_;
  std::size_t next_request_ = 0;
  std::int64_t answered_ = 0;
  Clock::time_point begin_;  // of the measured time
  Clock::time_point end_;
  Clock::time_point next_due_;
  bool measuring_ = false;
};

}  // namespace load
