#include "gateway/keys.h"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "gateway/digest.h"
#include "router/policy.h"

namespace jevons {
namespace {

constexpr std::string_view key_prefix = "jv-";
constexpr std::string_view hash_prefix = "hmac-sha256:";
constexpr std::size_t digest_bytes = 32;
constexpr std::size_t key_text_max = 256;
constexpr std::size_t id_letters = 12;
constexpr std::size_t secret_letters = 43;  // of 62: 256 bits
constexpr std::size_t tags_max = 32, tag_bytes_max = 128;
constexpr std::int64_t ns_a_second = 1'000'000'000;

using Digest = std::array<unsigned char, digest_bytes>;

// HMAC-SHA256 under one pepper. OpenSSL's one-shot HMAC looks its algorithm up anew at each call,
// which costs several times the digest itself, so a thread keeps its context between calls.
class KeyedDigest {
 public:
  KeyedDigest() {
    EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    context_ = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
  }
  ~KeyedDigest() { EVP_MAC_CTX_free(context_); }
  KeyedDigest(const KeyedDigest&) = delete;
  KeyedDigest& operator=(const KeyedDigest&) = delete;

  Digest of(std::string_view text, std::string_view pepper) {
    Digest digest{};
    std::size_t length = 0;
    // Out of memory alone lets these fail; an unset digest must never be compared with a key's.
    if (context_ == nullptr || !start(pepper) ||
        EVP_MAC_update(context_, bytes_of(text), text.size()) != 1 ||
        EVP_MAC_final(context_, digest.data(), &length, digest.size()) != 1) {
      std::abort();
    }
    return digest;
  }

 private:
  static const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  }
  bool start(std::string_view pepper) {
    if (pepper_ == pepper) return EVP_MAC_init(context_, nullptr, 0, nullptr) == 1;
    std::string algorithm = "SHA256";
    const std::array<OSSL_PARAM, 2> parameters = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, algorithm.data(), 0),
        OSSL_PARAM_construct_end()};
    // Without a pepper the key is empty, which only a pointer tells from "the same as before".
    const auto* const key = pepper.empty() ? bytes_of("") : bytes_of(pepper);
    pepper_ = pepper;
    return EVP_MAC_init(context_, key, pepper.size(), parameters.data()) == 1;
  }

  EVP_MAC_CTX* context_ = nullptr;
  std::optional<std::string> pepper_;
};

Digest digest_of(std::string_view key_text, std::string_view pepper) {
  thread_local KeyedDigest keyed;
  return keyed.of(key_text, pepper);
}

std::string hex_of(const Digest& digest) {
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::optional<Digest> digest_of_hash(std::string_view hash) {
  if (!hash.starts_with(hash_prefix)) return std::nullopt;
  hash.remove_prefix(hash_prefix.size());
  if (hash.size() != 2 * digest_bytes) return std::nullopt;
  Digest digest{};
  for (std::size_t i = 0; i < hash.size(); ++i) {
    const char c = hash[i];
    int value = -1;
    if (c >= '0' && c <= '9') value = c - '0';
    if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
    if (value < 0) return std::nullopt;
    digest[i / 2] = static_cast<unsigned char>(digest[i / 2] << 4 | value);
  }
  return digest;
}

bool is_word(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

// The public part of "jv-<id>-<secret>", empty if the text has not that form.
std::string_view id_of(std::string_view key_text) {
  key_text.remove_prefix(key_prefix.size());
  const auto dash = key_text.find('-');
  if (dash == std::string_view::npos || dash + 1 == key_text.size()) return {};
  const std::string_view id = key_text.substr(0, dash);
  return is_word(id, 32) ? id : std::string_view();
}

Error no_such_key(std::string_view key_text) {
  const std::string_view id = id_of(key_text);
  return Error(Fault::invalid_api_key, Origin::client,
               id.empty() ? std::string("the API key is not valid")
                          : fmt::format("the API key jv-{}-... is not valid", id));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

// `count` letters of 62, each equally likely.
std::string random_letters(Clock& clock, std::size_t count) {
  constexpr std::string_view letters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string text;
  while (text.size() < count) {
    std::uint64_t bits = clock.random();
    for (int i = 0; i < 8 && text.size() < count; ++i, bits >>= 8)
      if ((bits & 0xff) < 4 * letters.size()) text += letters[(bits & 0xff) % letters.size()];
  }
  return text;
}

}  // namespace

std::string key_hash(std::string_view key_text, std::string_view pepper) {
  return std::string(hash_prefix) + hex_of(digest_of(key_text, pepper));
}

std::string_view credential_of(const std::vector<std::string_view>& header_values) {
  constexpr std::string_view bearer = "bearer ";
  for (std::string_view value : header_values) {
    value = trimmed(value);
    if (lower(value.substr(0, bearer.size())) == bearer)
      value = trimmed(value.substr(bearer.size()));
    if (value.starts_with(key_prefix)) return value;
  }
  return {};
}

// Found by the whole digest: under a secret pepper nobody can steer or predict it, so neither the
// lookup nor its time tells anything about a secret.
struct KeyRing::Ring {
  struct Entry {
    Digest digest{};
    std::shared_ptr<const KeyRecord> record;
  };
  std::map<Digest, Entry> by_digest;
  std::vector<std::shared_ptr<const KeyRecord>> in_order;
};

Result<void> KeyRing::replace(std::vector<KeyRecord> from_config,
                              std::vector<KeyRecord> from_ledger) {
  auto ring = std::make_shared<Ring>();
  const auto by_name = [](const KeyRecord& a, const KeyRecord& b) { return a.name < b.name; };
  for (KeyRecord& key : from_config) key.from_config = true;
  for (std::vector<KeyRecord>* keys : {&from_config, &from_ledger}) {
    std::stable_sort(keys->begin(), keys->end(), by_name);
    for (KeyRecord& key : *keys) {
      const auto digest = digest_of_hash(key.hash);
      if (!digest) {
        return Error(Fault::config,
                     fmt::format("key '{}': the hash must be hmac-sha256: and 64 lower-case hex "
                                 "digits, as `jevons keys create` prints it",
                                 key.name));
      }
      auto record = std::make_shared<const KeyRecord>(std::move(key));
      const auto [at, fresh] = ring->by_digest.try_emplace(*digest, Ring::Entry{*digest, record});
      if (fresh) {
        ring->in_order.push_back(std::move(record));
        continue;
      }
      // The same key in both places: the configuration says what it may do.
      if (at->second.record->from_config && !record->from_config) continue;
      return Error(Fault::config, fmt::format("keys '{}' and '{}' have the same hash",
                                              at->second.record->name, record->name));
    }
  }
  if (!ring->in_order.empty()) configured_.store(true);
  ring_.store(std::move(ring));
  return {};
}

bool KeyRing::never_configured() const { return !configured_.load(); }
void KeyRing::note_configured() { configured_.store(true); }

Result<std::shared_ptr<const KeyRecord>> KeyRing::authenticate(
    const std::vector<std::string_view>& header_values, std::int64_t now_unix_s) const {
  const std::string_view text = credential_of(header_values);
  if (text.empty()) {
    return Error(Fault::invalid_api_key, Origin::client,
                 "no API key was sent; send 'Authorization: Bearer jv-...' or 'x-api-key: jv-...'");
  }
  if (text.size() > key_text_max) return no_such_key(key_prefix);
  const Digest digest = digest_of(text, pepper_);
  const auto ring = ring_.load();
  if (!ring) return no_such_key(text);
  const auto found = ring->by_digest.find(digest);
  if (found == ring->by_digest.end() ||
      CRYPTO_memcmp(found->second.digest.data(), digest.data(), digest.size()) != 0)
    return no_such_key(text);
  const KeyRecord& key = *found->second.record;
  const auto ended = [&](std::int64_t at) { return at != 0 && now_unix_s >= at; };
  if (ended(key.revoked_unix_s)) {
    return Error(Fault::invalid_api_key, Origin::client,
                 fmt::format("the API key '{}' was revoked", key.name));
  }
  if (ended(key.expires_unix_s)) {
    return Error(Fault::invalid_api_key, Origin::client,
                 fmt::format("the API key '{}' has expired", key.name));
  }
  return found->second.record;
}

std::vector<KeyRecord> KeyRing::list() const {
  std::vector<KeyRecord> keys;
  if (const auto ring = ring_.load())
    for (const auto& record : ring->in_order) keys.push_back(*record);
  return keys;
}

std::shared_ptr<const KeyRecord> anonymous_key() {
  static const auto key = [] {
    KeyRecord record;
    record.name = "anonymous";
    return std::make_shared<const KeyRecord>(std::move(record));
  }();
  return key;
}

bool is_loopback_authority(std::string_view host) {
  std::string_view name = host;
  if (name.starts_with('[')) {
    const auto close = name.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view port = name.substr(close + 1);
    return name.substr(0, close + 1) == "[::1]" && (port.empty() || port.front() == ':');
  }
  name = name.substr(0, name.find(':'));
  return lower(name) == "localhost" || name == "127.0.0.1";
}

Result<void> anonymous_allowed(const AnonymousRequest& request,
                               const std::vector<std::string>& allowed_origins) {
  const auto refuse = [](std::string_view why) -> Result<void> {
    return Error(
        Fault::invalid_api_key, Origin::client,
        fmt::format("without an API key {}; make one with `jevons keys create NAME`", why));
  };
  if (!request.peer_is_loopback)
    return refuse("only clients on the gateway's own machine are served");
  if (!is_loopback_authority(request.host))
    return refuse("the Host header must be a loopback name");
  if (request.has_forwarded) return refuse("forwarded requests are not served");
  if (!request.origin.empty() && std::find(allowed_origins.begin(), allowed_origins.end(),
                                           request.origin) == allowed_origins.end())
    return refuse("web pages of origins outside `cors` are not served");
  const std::string type = lower(trimmed(request.content_type.substr(
      0, std::min(request.content_type.find(';'), request.content_type.size()))));
  if (request.has_body && type != "application/json" && !type.ends_with("+json"))
    return refuse("the content type must be application/json");
  return {};
}

Result<Tags> parse_tags(std::string_view header) {
  const auto bad = [](std::string why) {
    return Error(Fault::invalid_value, Origin::client,
                 "x-jevons-tags " + why + "; write team=search,env=prod")
        .with_param("x-jevons-tags");
  };
  Tags tags;
  while (!trimmed(header).empty()) {
    const auto comma = header.find(',');
    const std::string_view entry = trimmed(header.substr(0, comma));
    header.remove_prefix(comma == std::string_view::npos ? header.size() : comma + 1);
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) return bad("has an entry without '='");
    const std::string_view name = trimmed(entry.substr(0, equals));
    const std::string_view value = trimmed(entry.substr(equals + 1));
    if (!is_word(name, tag_bytes_max)) return bad("has a name that is not a word");
    const bool printable = std::all_of(value.begin(), value.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
    });
    if (value.empty() || value.size() > tag_bytes_max || !printable)
      return bad(fmt::format("has no usable value for '{}'", name));
    if (!tags.emplace(name, value).second) return bad(fmt::format("names '{}' twice", name));
    if (tags.size() > tags_max) return bad(fmt::format("has more than {} tags", tags_max));
  }
  return tags;
}

Result<Tags> merge_tags(const KeyRecord& key, Tags from_request) {
  for (const auto& [name, value] : key.tags) from_request[name] = value;
  for (const std::string& name : key.require_tags) {
    if (from_request.contains(name)) continue;
    return Error(Fault::missing_tag, Origin::client,
                 fmt::format("key '{}' requires the tag '{}'; send it in x-jevons-tags, such as "
                             "{}=...",
                             key.name, name, name))
        .with_param("x-jevons-tags");
  }
  return from_request;
}

bool key_allows_target(const KeyRecord& key, std::string_view target_name) {
  return key.models.empty() ||
         std::any_of(key.models.begin(), key.models.end(),
                     [&](const std::string& pattern) { return glob_match(pattern, target_name); });
}

bool key_allows_policy(const KeyRecord& key, std::string_view policy,
                       std::string_view default_policy) {
  if (key.policies.empty()) return policy == default_policy;
  return std::find(key.policies.begin(), key.policies.end(), policy) != key.policies.end();
}

GuessGuard::GuessGuard(std::int64_t burst, std::int64_t per_second)
    : burst_(burst), per_second_(per_second) {}

std::optional<std::int64_t> GuessGuard::failed(std::string_view address, std::int64_t steady_ms) {
  constexpr std::size_t addresses_max = 65'536;
  const std::int64_t full = burst_ * 1'000;
  const auto level = [&](const Bucket& bucket) {
    const std::int64_t passed = std::max<std::int64_t>(steady_ms - bucket.at_ms, 0);
    return std::min(full, bucket.milli_left + std::min(passed, full) * per_second_);
  };
  const std::lock_guard lock(mutex_);
  auto found = buckets_.find(address);
  if (found == buckets_.end()) {
    if (buckets_.size() >= addresses_max)
      std::erase_if(buckets_, [&](const auto& entry) { return level(entry.second) >= full; });
    if (buckets_.size() >= addresses_max) buckets_.clear();
    found = buckets_.emplace(std::string(address), Bucket{full, steady_ms}).first;
  }
  Bucket& bucket = found->second;
  bucket.milli_left = level(bucket);
  bucket.at_ms = std::max(bucket.at_ms, steady_ms);
  if (bucket.milli_left >= 1'000) {
    bucket.milli_left -= 1'000;
    return std::nullopt;
  }
  return (1'000 - bucket.milli_left + per_second_ - 1) / per_second_;
}

namespace {

// Of everything that a key may do, so that a row shows whether anything changed. The hash that
// credentials are checked against belongs in no row.
std::string state_hash(const KeyRecord& key) {
  std::string text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n", key.name, key.id,
                                 key.min_quality, key.requests_per_minute, key.tokens_per_minute,
                                 key.created_unix_s, key.expires_unix_s, key.revoked_unix_s);
  for (const auto* list : {&key.policies, &key.models, &key.require_tags}) {
    for (const std::string& one : *list) text += one + '\n';
    text += '\n';
  }
  for (const auto& [name, value] : key.tags) text += name + '=' + value + '\n';
  return sha256_hex(text);
}

void audit(Ledger& ledger, const std::string& who, const std::string& what, const KeyRecord* before,
           const KeyRecord& after, std::int64_t now_ns) {
  ledger.audit({.time_unix_ns = now_ns,
                .who = who,
                .what = what,
                .detail = fmt::format("key '{}' (jv-{}-...)", after.name, after.id),
                .before_hash = before ? state_hash(*before) : std::string(),
                .after_hash = state_hash(after)});
}

Result<NewKey> store_new(Ledger& ledger, std::string_view pepper, KeyRecord record, Clock& clock) {
  NewKey made;
  record.id = random_letters(clock, id_letters);
  made.text = fmt::format("{}{}-{}", key_prefix, record.id, random_letters(clock, secret_letters));
  record.hash = key_hash(made.text, pepper);
  record.created_unix_s = clock.unix_ns() / ns_a_second;
  record.revoked_unix_s = 0;
  record.from_config = false;
  if (const auto saved = ledger.save_key(record); !saved) return saved.error();
  made.record = std::move(record);
  return made;
}

// The newest record of that name or id that works now.
Result<KeyRecord> find_key(Ledger& ledger, std::string_view name_or_id, std::int64_t now_s) {
  auto keys = ledger.keys();
  if (!keys) return keys.error();
  const KeyRecord* found = nullptr;
  for (const KeyRecord& key : *keys) {
    const bool works = key.revoked_unix_s == 0 || key.revoked_unix_s > now_s;
    const bool meant = key.name == name_or_id || key.id == name_or_id;
    if (works && meant && (!found || key.revoked_unix_s == 0)) found = &key;
  }
  if (found) return *found;
  return Error(Fault::not_found,
               fmt::format("there is no key '{}'; `jevons keys list` shows all", name_or_id));
}

}  // namespace

Result<NewKey> create_key(Ledger& ledger, std::string_view pepper, KeyRecord wanted,
                          const std::string& who, Clock& clock) {
  const std::int64_t now_ns = clock.unix_ns();
  if (!is_word(wanted.name, 64) || wanted.name == "anonymous") {
    return Error(Fault::invalid_value,
                 fmt::format("'{}' cannot be a key's name; use up to 64 letters, digits, '-', '_' "
                             "and '.'",
                             wanted.name))
        .with_param("name");
  }
  if (const auto taken = find_key(ledger, wanted.name, now_ns / ns_a_second)) {
    return Error(Fault::invalid_value,
                 fmt::format("there is a key '{}' already; rotate or revoke it", wanted.name))
        .with_param("name");
  } else if (taken.error().fault() != Fault::not_found) {
    return taken.error();
  }
  auto made = store_new(ledger, pepper, std::move(wanted), clock);
  if (made) audit(ledger, who, "keys.create", nullptr, made->record, now_ns);
  return made;
}

Result<NewKey> rotate_key(Ledger& ledger, std::string_view pepper, std::string_view name_or_id,
                          std::int64_t overlap_s, const std::string& who, Clock& clock) {
  const std::int64_t now_ns = clock.unix_ns();
  auto old = find_key(ledger, name_or_id, now_ns / ns_a_second);
  if (!old) return old.error();
  auto made = store_new(ledger, pepper, *old, clock);
  if (!made) return made;
  const KeyRecord before = *old;
  const std::int64_t until = now_ns / ns_a_second + std::max<std::int64_t>(overlap_s, 0);
  old->revoked_unix_s = old->revoked_unix_s == 0 ? until : std::min(old->revoked_unix_s, until);
  if (const auto saved = ledger.save_key(*old); !saved) return saved.error();
  audit(ledger, who, "keys.rotate", &before, made->record, now_ns);
  return made;
}

Result<KeyRecord> revoke_key(Ledger& ledger, std::string_view name_or_id, const std::string& who,
                             Clock& clock) {
  const std::int64_t now_ns = clock.unix_ns();
  auto keys = ledger.keys();
  if (!keys) return keys.error();
  auto newest = find_key(ledger, name_or_id, now_ns / ns_a_second);
  if (!newest) return newest.error();
  // By name, a predecessor in its overlap ends too.
  for (KeyRecord& key : *keys) {
    const bool works = key.revoked_unix_s == 0 || key.revoked_unix_s > now_ns / ns_a_second;
    if (!works || (key.name != name_or_id && key.id != name_or_id)) continue;
    const KeyRecord before = key;
    key.revoked_unix_s = now_ns / ns_a_second;
    if (const auto saved = ledger.save_key(key); !saved) return saved.error();
    audit(ledger, who, "keys.revoke", &before, key, now_ns);
  }
  newest->revoked_unix_s = now_ns / ns_a_second;
  return newest;
}

}  // namespace jevons
