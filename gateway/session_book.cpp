#include "gateway/session_book.h"

namespace jevons {
namespace {

// A NUL cannot occur in a key name, so the pair is unambiguous.
std::string scoped(const std::string& key, const std::string& session) {
  std::string id = key;
  id.push_back('\0');
  id += session;
  return id;
}

}  // namespace

std::optional<SessionBook::Entry> SessionBook::find(const std::string& key,
                                                    const std::string& session,
                                                    std::int64_t now_ms) {
  std::lock_guard lock(mutex_);
  const auto found = index_.find(scoped(key, session));
  if (found == index_.end()) return std::nullopt;
  Entry entry = found->second->entry;
  // A cold cache holds nothing to lose, but the session stays with its target's name.
  if (now_ms - entry.used_ms > warm_ms_) entry.cached_tokens = 0;
  return entry;
}

void SessionBook::served(const std::string& key, const std::string& session, std::string target,
                         std::int64_t cached_tokens, std::int64_t now_ms) {
  std::lock_guard lock(mutex_);
  std::string id = scoped(key, session);
  const auto found = index_.find(id);
  if (found != index_.end()) {
    found->second->entry = Entry{std::move(target), cached_tokens, now_ms};
    recent_.splice(recent_.begin(), recent_, found->second);
    return;
  }
  recent_.push_front(Node{id, Entry{std::move(target), cached_tokens, now_ms}});
  index_.emplace(std::move(id), recent_.begin());
  if (recent_.size() > sessions_max_) {
    index_.erase(recent_.back().id);
    recent_.pop_back();
  }
}

}  // namespace jevons
