#include "gateway/session_book.h"

#include <doctest/doctest.h>

using namespace jevons;

TEST_CASE("a session remembers its target and what is cached there while it is warm") {
  SessionBook book(10, 1'000);
  CHECK_FALSE(book.find("key", "s", 0).has_value());
  book.served("key", "s", "target", 500, 0);
  CHECK(book.find("key", "s", 1'000)->cached_tokens == 500);
  CHECK(book.find("key", "s", 1'001)->cached_tokens == 0);
  CHECK(book.find("key", "s", 1'001)->target == "target");
}

TEST_CASE("the same session name under another key is another session") {
  SessionBook book(10, 1'000);
  book.served("a", "s", "target", 500, 0);
  CHECK_FALSE(book.find("b", "s", 0).has_value());
}

TEST_CASE("the least recently used session is forgotten beyond the limit") {
  SessionBook book(2, 1'000);
  book.served("k", "1", "t", 1, 0);
  book.served("k", "2", "t", 1, 0);
  book.served("k", "1", "t", 2, 1);
  book.served("k", "3", "t", 1, 2);
  CHECK(book.find("k", "1", 2).has_value());
  CHECK_FALSE(book.find("k", "2", 2).has_value());
  CHECK(book.find("k", "3", 2).has_value());
}
