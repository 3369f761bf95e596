#include "gateway/keys.h"

#include <sys/stat.h>

#include "gateway/ledger/files.h"
#include "tests/gateway/ledger/ledger_fixture.h"

namespace jevons {
namespace {

const std::string pepper(32, 'p');

class FixedClock final : public Clock {
 public:
  std::int64_t unix_ns() const override { return now_s * second_ns; }
  std::int64_t steady_ms() const override { return 0; }
  std::int64_t steady_us() const override { return 0; }
  std::uint64_t random() override { return state_ += 0x9e3779b97f4a7c15; }
  std::int64_t now_s = test_day_s;

 private:
  std::uint64_t state_ = 1;
};

KeyRecord key_of(const std::string& name, const std::string& text) {
  KeyRecord key;
  key.name = name;
  key.hash = key_hash(text, pepper);
  return key;
}

std::string outcome(const KeyRing& ring, const std::vector<std::string_view>& headers,
                    std::int64_t now_s = test_day_s) {
  const auto key = ring.authenticate(headers, now_s);
  return key ? (*key)->name : key.error().message();
}

TEST_CASE("the credential is the first jv- value of four headers") {
  struct Row {
    const char* name;
    std::vector<std::string_view> headers;
    std::string_view credential;
  };
  const Row rows[] = {
      {"bearer", {"Bearer jv-a-1", "", "", ""}, "jv-a-1"},
      {"bearer in small letters with blanks", {"bearer   jv-a-1 ", "", "", ""}, "jv-a-1"},
      {"bare", {"jv-a-1", "", "", ""}, "jv-a-1"},
      {"another scheme's value is passed over", {"Bearer sk-x", "jv-b-2", "", ""}, "jv-b-2"},
      {"the first of two", {"Bearer jv-a-1", "jv-b-2", "", ""}, "jv-a-1"},
      {"google's", {"", "", "", "jv-g-4"}, "jv-g-4"},
      {"none", {"Basic abc", "sk-1", "", ""}, ""},
      {"not in the middle", {"Bearer xjv-a-1"}, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(credential_of(row.headers) == row.credential);
  }
}

TEST_CASE("a key is known by its secret alone, and errors name its public id at most") {
  KeyRing ring(pepper);
  CHECK(ring.never_configured());
  KeyRecord expiring = key_of("old", "jv-old-secret");
  expiring.expires_unix_s = test_day_s + 10;
  KeyRecord revoked = key_of("gone", "jv-gone-secret");
  revoked.revoked_unix_s = test_day_s + 10;
  REQUIRE(ring.replace({key_of("ci", "jv-abc-secret")}, {expiring, revoked}));
  CHECK_FALSE(ring.never_configured());
  CHECK(outcome(ring, {"Bearer jv-abc-secret"}) == "ci");
  CHECK(outcome(ring, {"Bearer jv-abc-secreT"}) == "the API key jv-abc-... is not valid");
  CHECK(outcome(ring, {"Bearer jv-zzz-secret"}) == "the API key jv-zzz-... is not valid");
  CHECK(outcome(ring, {"Bearer jv-abc"}) == "the API key is not valid");
  CHECK(outcome(ring, {"Bearer jv-a\x01-secret"}) == "the API key is not valid");
  CHECK(outcome(ring, {"Bearer jv-" + std::string(1000, 'a')}) == "the API key is not valid");
  CHECK(outcome(ring, {}) ==
        "no API key was sent; send 'Authorization: Bearer jv-...' or 'x-api-key: jv-...'");
  CHECK(outcome(ring, {"jv-old-secret"}, test_day_s + 9) == "old");
  CHECK(outcome(ring, {"jv-old-secret"}, test_day_s + 10) == "the API key 'old' has expired");
  CHECK(outcome(ring, {"jv-gone-secret"}, test_day_s + 9) == "gone");
  CHECK(outcome(ring, {"jv-gone-secret"}, test_day_s + 10) == "the API key 'gone' was revoked");
}

TEST_CASE("a configured key outlives the stored one of the same secret") {
  KeyRing ring(pepper);
  KeyRecord stored = key_of("slow", "jv-abc-secret");
  stored.revoked_unix_s = test_day_s - 1;
  REQUIRE(ring.replace({key_of("few", "jv-abc-secret")}, {stored}));
  CHECK(outcome(ring, {"jv-abc-secret"}) == "few");
  CHECK(ring.list().size() == 1);
  CHECK(ring.replace({key_of("a", "jv-abc-secret"), key_of("b", "jv-abc-secret")}, {})
            .error()
            .message() == "keys 'a' and 'b' have the same hash");
  KeyRecord bad = key_of("bad", "x");
  bad.hash = "sha256:00";
  CHECK(ring.replace({bad}, {}).error().message() ==
        "key 'bad': the hash must be hmac-sha256: and 64 lower-case hex digits, as `jevons keys "
        "create` prints it");
  CHECK(outcome(ring, {"jv-abc-secret"}) == "few");
}

TEST_CASE("anonymous use needs a loopback peer and host, no proxy, a known origin and JSON") {
  const AnonymousRequest good{.peer_is_loopback = true,
                              .host = "127.0.0.1:8080",
                              .content_type = "application/json; charset=utf-8",
                              .has_body = true};
  const auto why = [](const AnonymousRequest& request) {
    const auto allowed = anonymous_allowed(request, {"http://app.local"});
    return allowed ? std::string("allowed") : allowed.error().message();
  };
  const std::string advice = "; make one with `jevons keys create NAME`";
  CHECK(why(good) == "allowed");
  AnonymousRequest changed = good;
  changed.peer_is_loopback = false;
  CHECK(why(changed) ==
        "without an API key only clients on the gateway's own machine are served" + advice);
  for (const std::string_view host :
       {"", "evil.example", "127.0.0.1.evil.example", "[::1", "10.0.0.1", "localhost.evil:80"}) {
    changed = good;
    changed.host = host;
    CAPTURE(host);
    CHECK(why(changed) == "without an API key the Host header must be a loopback name" + advice);
  }
  for (const std::string_view host : {"localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.1"}) {
    changed.host = host;
    CHECK(why(changed) == "allowed");
  }
  changed = good;
  changed.has_forwarded = true;
  CHECK(why(changed) == "without an API key forwarded requests are not served" + advice);
  changed = good;
  changed.origin = "http://evil.example";
  CHECK(why(changed) ==
        "without an API key web pages of origins outside `cors` are not served" + advice);
  changed.origin = "http://app.local";
  CHECK(why(changed) == "allowed");
  for (const std::string_view type : {"", "text/plain", "application/x-www-form-urlencoded"}) {
    changed = good;
    changed.content_type = type;
    CHECK(why(changed) == "without an API key the content type must be application/json" + advice);
    changed.has_body = false;
    CHECK(why(changed) == "allowed");
  }
}

TEST_CASE("tags: the key's win, required ones must be there, bad ones are refused") {
  const auto parsed = [](std::string_view header) {
    const auto tags = parse_tags(header);
    if (!tags) return tags.error().message();
    std::string text;
    for (const auto& [name, value] : *tags) text += name + "=" + value + ";";
    return text;
  };
  CHECK(parsed("team=search, env = prod") == "env=prod;team=search;");
  CHECK(parsed("") == "");
  CHECK(parsed("a=b=c") == "a=b=c;");
  CHECK(parsed("a=1,,b=2") == "x-jevons-tags has an entry without '='; write team=search,env=prod");
  CHECK(parsed("a") == "x-jevons-tags has an entry without '='; write team=search,env=prod");
  CHECK(parsed("a b=1") ==
        "x-jevons-tags has a name that is not a word; write team=search,env=prod");
  CHECK(parsed("a=") == "x-jevons-tags has no usable value for 'a'; write team=search,env=prod");
  CHECK(parsed("a=1,a=2") == "x-jevons-tags names 'a' twice; write team=search,env=prod");
  KeyRecord key = key_of("ci", "jv-a-b");
  key.tags = {{"team", "search"}};
  key.require_tags = {"env"};
  CHECK(merge_tags(key, {{"team", "evil"}}).error().message() ==
        "key 'ci' requires the tag 'env'; send it in x-jevons-tags, such as env=...");
  CHECK(*merge_tags(key, {{"team", "evil"}, {"env", "prod"}}) ==
        Tags{{"env", "prod"}, {"team", "search"}});
}

TEST_CASE("what a key may use") {
  KeyRecord key = key_of("ci", "jv-a-b");
  CHECK(key_allows_target(key, "anything"));
  CHECK(key_allows_policy(key, "default", "default"));
  CHECK_FALSE(key_allows_policy(key, "private", "default"));
  key.models = {"local-*", "mini"};
  key.policies = {"private"};
  CHECK(key_allows_target(key, "local-moe"));
  CHECK(key_allows_target(key, "mini"));
  CHECK_FALSE(key_allows_target(key, "mini2"));
  CHECK(key_allows_policy(key, "private", "default"));
  CHECK_FALSE(key_allows_policy(key, "default", "default"));
}

TEST_CASE("guessing is slowed down for one address and nobody else") {
  GuessGuard guard(3, 2);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(guard.failed("10.0.0.1", 0));
  CHECK(guard.failed("10.0.0.1", 0) == 500);
  CHECK_FALSE(guard.failed("10.0.0.2", 0));
  CHECK(guard.failed("10.0.0.1", 250) == 250);
  CHECK_FALSE(guard.failed("10.0.0.1", 500));
  CHECK(guard.failed("10.0.0.1", 500) == 500);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(guard.failed("10.0.0.1", 1'000'000));
  CHECK(guard.failed("10.0.0.1", 999'000));
}

TEST_CASE("keys are created, rotated with an overlap and revoked, and the audit says so") {
  const TemporaryFolder folder;
  const auto ledger = open_test_ledger({.path = folder.file("l.db")});
  FixedClock clock;
  KeyRing ring(pepper);
  const auto reload = [&] { REQUIRE(ring.replace({}, *ledger->keys())); };
  CHECK_FALSE(*ledger->keys_ever_configured());
  KeyRecord wanted;
  wanted.name = "ci";
  wanted.tags = {{"team", "search"}};
  wanted.models = {"local-*"};
  wanted.min_quality = 0.5;
  wanted.requests_per_minute = 7;
  const auto first = create_key(*ledger, pepper, wanted, "cli", clock);
  REQUIRE(first);
  CHECK(*ledger->keys_ever_configured());
  CHECK(first->text.size() == 3 + 12 + 1 + 43);
  CHECK(first->text.starts_with("jv-" + first->record.id + "-"));
  reload();
  CHECK(outcome(ring, {first->text}) == "ci");
  const KeyRecord stored = ring.list().front();
  CHECK(stored.tags == wanted.tags);
  CHECK(stored.models == wanted.models);
  CHECK(stored.min_quality == 0.5);
  CHECK(stored.requests_per_minute == 7);
  CHECK(create_key(*ledger, pepper, wanted, "cli", clock).error().message() ==
        "there is a key 'ci' already; rotate or revoke it");
  wanted.name = "a b";
  CHECK(create_key(*ledger, pepper, wanted, "cli", clock).error().message() ==
        "'a b' cannot be a key's name; use up to 64 letters, digits, '-', '_' and '.'");

  const auto second = rotate_key(*ledger, pepper, "ci", 3'600, "admin", clock);
  REQUIRE(second);
  CHECK(second->record.requests_per_minute == 7);
  reload();
  CHECK(outcome(ring, {first->text}, test_day_s + 3'599) == "ci");
  CHECK(outcome(ring, {first->text}, test_day_s + 3'600) == "the API key 'ci' was revoked");
  CHECK(outcome(ring, {second->text}, test_day_s + 3'600) == "ci");

  REQUIRE(revoke_key(*ledger, "ci", "admin", clock));
  reload();
  CHECK(outcome(ring, {first->text}) == "the API key 'ci' was revoked");
  CHECK(outcome(ring, {second->text}) == "the API key 'ci' was revoked");
  CHECK(revoke_key(*ledger, "ci", "admin", clock).error().message() ==
        "there is no key 'ci'; `jevons keys list` shows all");
  REQUIRE(ledger->flush());
  std::string said;
  for (const AuditRow& row : *ledger->audit_rows(0)) {
    said += row.who + " " + row.what + "; ";
    CHECK(row.detail.find(second->text) == std::string::npos);
    CHECK(row.before_hash.size() == (row.what == "keys.create" ? 0 : 64));
    CHECK(row.after_hash.size() == 64);
    CHECK(row.after_hash != row.before_hash);
    CHECK(first->record.hash.find(row.after_hash) == std::string::npos);
  }
  CHECK(said == "cli keys.create; admin keys.rotate; admin keys.revoke; admin keys.revoke; ");
}

TEST_CASE("the pepper is made once, for its owner alone, and a loose one is refused") {
  const TemporaryFolder folder;
  const std::string ledger = folder.file("l.db");
  const auto made = load_or_make_pepper(ledger);
  REQUIRE(made);
  CHECK(made->size() == 32);
  CHECK(*load_or_make_pepper(ledger) == *made);
  struct stat status {};
  REQUIRE(::stat((ledger + ".pepper").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0400);
  REQUIRE(::chmod((ledger + ".pepper").c_str(), 0444) == 0);
  CHECK(load_or_make_pepper(ledger).error().message() ==
        ledger + ".pepper may be read by others; run: chmod 0400 " + ledger + ".pepper");
}

}  // namespace
}  // namespace jevons
