#include "local_engine/kv_cache.h"

#include <doctest/doctest.h>

#include <array>
#include <map>
#include <random>
#include <vector>

using namespace jevons::engine;

namespace {

std::array<Token, kBlockTokens> tokens_from(Token first) {
  std::array<Token, kBlockTokens> out{};
  for (Token i = 0; i < kBlockTokens; ++i) out[i] = first + i;
  return out;
}

}  // namespace

TEST_CASE("prefix hashes: same chain equal; other salt, secret, order or parent differ") {
  const auto a = tokens_from(1);
  const auto b = tokens_from(2);
  const PrefixHash root = hash_salt(7, "tenant-a");
  const PrefixHash first = hash_block(7, root, a);
  CHECK(first == hash_block(7, hash_salt(7, "tenant-a"), a));
  CHECK_FALSE(first == hash_block(7, hash_salt(7, "tenant-b"), a));
  CHECK_FALSE(first == hash_block(8, hash_salt(8, "tenant-a"), a));
  CHECK_FALSE(first == hash_block(7, root, b));
  CHECK_FALSE(hash_block(7, first, a) == first);
  CHECK_FALSE(hash_salt(7, "") == hash_salt(7, std::string_view("\0", 1)));
}

TEST_CASE("a released block stays findable until its place is needed, longest unused first") {
  BlockPool pool(2);
  const PrefixHash h1 = hash_block(1, {}, tokens_from(1));
  const PrefixHash h2 = hash_block(1, h1, tokens_from(2));
  const BlockId first = *pool.take();
  const BlockId second = *pool.take();
  CHECK_FALSE(pool.take().has_value());
  pool.publish(first, h1);
  pool.publish(second, h2);
  pool.release_all(std::array{first, second});
  CHECK(pool.available() == 2);
  // Released last first: the tail of the sequence is given up before its beginning.
  CHECK(*pool.take() == second);
  CHECK_FALSE(pool.find(h2).has_value());
  CHECK(*pool.find(h1) == first);
  CHECK(pool.references(first) == 1);
  CHECK(*pool.find(h1) == first);
  CHECK(pool.references(first) == 2);
  CHECK(pool.in_use() == 2);
}

TEST_CASE("blocks without a name are reused before cached ones") {
  BlockPool pool(3);
  const BlockId named = *pool.take();
  const BlockId plain = *pool.take();
  pool.publish(named, hash_block(1, {}, tokens_from(1)));
  pool.release(named);
  pool.release(plain);
  CHECK(*pool.take() == plain);
}

TEST_CASE("the same content twice: the second block stays unnamed") {
  BlockPool pool(2);
  const PrefixHash hash = hash_block(1, {}, tokens_from(1));
  const BlockId a = *pool.take();
  const BlockId b = *pool.take();
  pool.publish(a, hash);
  pool.publish(b, hash);
  pool.release(b);
  CHECK(*pool.find(hash) == a);
}

TEST_CASE("random use against a model of references: nothing leaks") {
  std::mt19937 generator(3);
  const auto random = [&] { return static_cast<unsigned>(generator()); };
  BlockPool pool(32);
  std::map<BlockId, std::uint32_t> held;
  for (int step = 0; step < 20'000; ++step) {
    const unsigned action = random() % 3;
    if (action == 0) {
      const auto block = pool.take();
      CHECK(block.has_value() == (held.size() < 32));
      if (block) {
        CHECK(held.count(*block) == 0);
        held[*block] = 1;
        pool.publish(*block, hash_block(1, {}, tokens_from(random() % 60)));
      }
    } else if (action == 1) {
      if (const auto block = pool.find(hash_block(1, {}, tokens_from(random() % 60)))) {
        ++held[*block];
      }
    } else if (!held.empty()) {
      auto at = held.begin();
      std::advance(at, random() % held.size());
      pool.release(at->first);
      if (--at->second == 0) held.erase(at);
    }
    CHECK(pool.in_use() == held.size());
  }
  for (const auto& [block, count] : held) {
    for (std::uint32_t i = 0; i < count; ++i) pool.release(block);
  }
  CHECK(pool.in_use() == 0);
}
