// Learns from outcomes while the gateway serves: remembers recent answers, takes what was reported
// or seen of them, writes it down, and publishes heads as an immutable snapshot. The request path
// only copies a pointer and puts events into a bounded queue; fitting happens on its own thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "gateway/learning_journal.h"
#include "router/chat.h"
#include "router/ledger_record.h"
#include "router/policy.h"

namespace jevons {

// What is kept of an answer that was delivered, so that its outcome can teach.
struct ServedAnswer {
  RequestId request;
  std::string key, target;
  HeadInput input;
  Learn learn = Learn::all;
  std::uint64_t prompt_hash = 0;  // 0: too short to tell a repetition by
};

// What the answer itself showed.
enum class AnswerSign : std::uint8_t { fine, checked, truncated, refused, invalid };

struct LearningOptions {
  std::string journal;  // file; empty: nothing survives
  std::string weights_id = "static";
  std::function<void(const std::string&)> problem;  // one line for the log; any thread
};

class LearningBook {
 public:
  static constexpr std::size_t remembered_max = 8'192;
  static constexpr std::size_t queue_max = 10'000;
  // Once so many answers of a target are known, one in sixteen is enough to follow it.
  static constexpr std::int64_t lengths_enough = 200;
  // A prompt that comes back after the first and before the second of these (of its answer) was
  // not answered well; one that comes back at once, or often, is a machine's loop.
  static constexpr std::int64_t again_from_ms = 3'000, again_until_ms = 120'000;

  // Reads the journal and fits what it holds.
  explicit LearningBook(LearningOptions options);
  ~LearningBook();  // what is queued is written first
  LearningBook(const LearningBook&) = delete;
  LearningBook& operator=(const LearningBook&) = delete;

  // Never null.
  std::shared_ptr<const Learned> learned() const;
  // An answer was delivered. May itself be the sign that an earlier one was no good.
  void served(ServedAnswer answer, std::int64_t now_ms);
  // What an answer of `target` showed, delivered or not.
  void observed(const ServedAnswer& answer, AnswerSign sign, std::int64_t now_unix_s);
  // Feedback on a request of that key; false if it is not remembered, or its policy does not learn.
  bool reported(const RequestId& request, const std::string& key, double score,
                const std::string& source, std::int64_t now_unix_s);
  // An answer of `target` took exp(residual) times the completion tokens that were predicted of the
  // request alone. `cut`: its client's cap ended it, so it would have been at least as long.
  void answered(const ServedAnswer& answer, double residual, bool cut, std::int64_t now_unix_s);
  // Blocks until everything so far is written and published.
  void flush();

 private:
  struct Remembered {
    ServedAnswer answer;
    std::int64_t delivered_ms = 0;
  };
  struct HashId {
    std::size_t operator()(const RequestId& id) const { return id.high * 31 + id.low; }
  };
  struct Asked {
    RequestId first;
    std::int64_t delivered_ms = 0;
    int times = 0;
  };

  void add(OutcomeLine line);
  void read_journal();
  void run();
  void take(std::vector<OutcomeLine> lines);
  // Targets with new outcomes, and with new lengths.
  struct Changed {
    std::set<std::string> heads, lengths;
  };
  void keep(OutcomeLine line, Changed& changed);
  void fit(const Changed& changed);
  void publish(std::shared_ptr<const Learned> learned);
  std::string kept_lines() const;

  LearningOptions options_;
  LearningJournal journal_;                         // the learning thread's, as the next two
  std::map<std::string, TargetOutcomes> outcomes_;  // by target
  std::map<std::string, LengthWindow> lengths_;     // by target

  mutable std::mutex published_mutex_;
  std::shared_ptr<const Learned> learned_ = std::make_shared<const Learned>();

  std::mutex recent_mutex_;
  std::deque<RequestId> order_;
  std::unordered_map<RequestId, Remembered, HashId> recent_;
  std::unordered_map<std::uint64_t, Asked> asked_;  // by prompt hash

  std::mutex queue_mutex_;
  std::condition_variable wake_, idle_;
  std::vector<OutcomeLine> queue_;
  bool working_ = false, ending_ = false;
  int flushing_ = 0;  // callers of flush() that wait
  std::thread thread_;
};

// The journal beside a ledger; empty without a ledger.
std::string journal_of(const std::string& ledger_path);
// What the outcomes in a journal teach, for who only reads it; empty without a journal.
Learned learned_from_journal(const std::string& path, const std::string& weights_id);

// A number for the last user text of a key; 0 for texts too short to tell a repetition by.
std::uint64_t prompt_hash(const std::string& key, const ChatRequest& request);

}  // namespace jevons
