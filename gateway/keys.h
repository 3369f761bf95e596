// Virtual keys: who may ask (contract.md 2). The ring is immutable and replaced whole; checking a
// credential is one HMAC and one lookup in memory, never a disk access.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/clock.h"
#include "gateway/ledger/ledger.h"
#include "router/error.h"

namespace jevons {

using Tags = std::map<std::string, std::string>;

// "hmac-sha256:<64 hex digits>" of the whole key text under the pepper.
std::string key_hash(std::string_view key_text, std::string_view pepper);

// The first `jv-` value among header values given in the order Authorization (with or without
// "Bearer "), x-api-key, api-key, x-goog-api-key; empty if none.
std::string_view credential_of(const std::vector<std::string_view>& header_values);

class KeyRing {
 public:
  explicit KeyRing(std::string pepper) : pepper_(std::move(pepper)) {}

  // Replaces the ring; running requests keep the records they hold. A configured key and a stored
  // one with the same name live side by side (both work). `ever_configured` is sticky.
  // Errors: Fault::config for a malformed hash or a hash that two keys share.
  Result<void> replace(std::vector<KeyRecord> from_config, std::vector<KeyRecord> from_ledger);
  // No key was ever configured or created, so anonymous use may be possible.
  bool never_configured() const;
  void note_configured();  // the ledger remembers a key from an earlier run

  // Header values as in credential_of. Errors: Fault::invalid_api_key; the message names the public
  // id at most and has one shape for unknown ids and wrong secrets.
  Result<std::shared_ptr<const KeyRecord>> authenticate(
      const std::vector<std::string_view>& header_values, std::int64_t now_unix_s) const;

  // All records, configured ones first, then by name.
  std::vector<KeyRecord> list() const;
  const std::string& pepper() const { return pepper_; }

 private:
  struct Ring;
  std::string pepper_;
  std::atomic<std::shared_ptr<const Ring>> ring_;
  std::atomic<bool> configured_{false};
};

// The record of a request without a key: name "anonymous", everything allowed.
std::shared_ptr<const KeyRecord> anonymous_key();

// What contract.md 1 looks at before it lets a request in without a key.
struct AnonymousRequest {
  bool peer_is_loopback = false;
  std::string_view host;          // Host header
  bool has_forwarded = false;     // any Forwarded or X-Forwarded-* header
  std::string_view origin;        // Origin header, empty: absent
  std::string_view content_type;  // Content-Type header
  bool has_body = false;          // a body needs a JSON content type
};
// Errors: Fault::invalid_api_key with the reason and the way out.
Result<void> anonymous_allowed(const AnonymousRequest& request,
                               const std::vector<std::string>& allowed_origins);

// "localhost", "127.0.0.1:8080", "[::1]:8080".
bool is_loopback_authority(std::string_view host);

// x-jevons-tags: "team=search,env=prod". Errors: invalid_value, param x-jevons-tags.
Result<Tags> parse_tags(std::string_view header);
// The key's tags over the request's. Errors: missing_tag where require_tags is not met.
Result<Tags> merge_tags(const KeyRecord& key, Tags from_request);

bool key_allows_target(const KeyRecord& key, std::string_view target_name);
bool key_allows_policy(const KeyRecord& key, std::string_view policy,
                       std::string_view default_policy);

// Slows down guessing: after a burst of wrong keys an address gets 429 for further wrong ones until
// its allowance has grown back. Right keys always pass. Thread-safe.
class GuessGuard {
 public:
  explicit GuessGuard(std::int64_t burst = 200, std::int64_t per_second = 5);
  // Counts one failure. Milliseconds to wait if the address is beyond its allowance.
  std::optional<std::int64_t> failed(std::string_view address, std::int64_t steady_ms);

 private:
  struct Bucket {
    std::int64_t milli_left = 0;  // thousandths of a failure
    std::int64_t at_ms = 0;
  };
  const std::int64_t burst_, per_second_;
  std::mutex mutex_;
  std::map<std::string, Bucket, std::less<>> buckets_;
};

// A key as shown once.
struct NewKey {
  KeyRecord record;
  std::string text;  // jv-<id>-<secret>
};

// Creating, rotating and revoking: stored in the ledger with an audit row (who, when, what).
// `who`: "cli", "admin", ... Errors: invalid_value (name taken or malformed), ledger_unavailable.
Result<NewKey> create_key(Ledger& ledger, std::string_view pepper, KeyRecord wanted,
                          const std::string& who, Clock& clock);
// A new secret under the same name; the old one works for `overlap_s` more. Errors: not_found.
Result<NewKey> rotate_key(Ledger& ledger, std::string_view pepper, std::string_view name_or_id,
                          std::int64_t overlap_s, const std::string& who, Clock& clock);
// Errors: not_found.
Result<KeyRecord> revoke_key(Ledger& ledger, std::string_view name_or_id, const std::string& who,
                             Clock& clock);

}  // namespace jevons
