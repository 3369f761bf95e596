// Which target served a session last, and how much of its prompt that target holds cached: what a
// switch would lose. Bounded; shared by all I/O threads.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

namespace jevons {

class SessionBook {
 public:
  struct Entry {
    std::string target;
    std::int64_t cached_tokens = 0;  // prompt + completion tokens of the last answer
    std::int64_t used_ms = 0;
  };

  SessionBook(std::size_t sessions_max, std::int64_t warm_ms)
      : sessions_max_(sessions_max), warm_ms_(warm_ms) {}

  // `session` is scoped to its key, so that one tenant never sees another's.
  std::optional<Entry> find(const std::string& key, const std::string& session,
                            std::int64_t now_ms);
  void served(const std::string& key, const std::string& session, std::string target,
              std::int64_t cached_tokens, std::int64_t now_ms);

 private:
  struct Node {
    std::string id;
    Entry entry;
  };

  std::size_t sessions_max_;
  std::int64_t warm_ms_;
  std::mutex mutex_;
  std::list<Node> recent_;  // most recently used first
  std::unordered_map<std::string, std::list<Node>::iterator> index_;
};

}  // namespace jevons
