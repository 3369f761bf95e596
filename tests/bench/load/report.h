// What a run of the load generator counted, as one line of JSON.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace load {

struct Samples {
  std::vector<std::int64_t> nanoseconds;

  void add(std::int64_t value) { nanoseconds.push_back(value); }
  // {"count","mean","p50","p90","p99","p999","max"} in microseconds; sorts.
  std::string to_json();
};

struct Report {
  std::int64_t completed = 0;   // whole answers with status 200, inside the measured time
  std::int64_t late = 0;        // of these, after their deadline
  std::int64_t broken = 0;      // connection closed or unreadable before a whole answer
  std::int64_t unanswered = 0;  // still open at the end
  std::map<int, std::int64_t> statuses;
  double seconds = 0;
  Samples latency;
  Samples refusal_latency;  // answers other than 200
  Samples chunk_delay;

  std::string to_json();
};

}  // namespace load
