#include "router/utf8.h"

#include <doctest/doctest.h>

#include <string>

using jevons::is_utf8;
using jevons::quoted;
using jevons::utf8_length;
using jevons::utf8_or_replaced;

TEST_CASE("the length of a character is that of its well-formed sequence") {
  CHECK(utf8_length("") == 0);
  CHECK(utf8_length("az") == 1);
  CHECK(utf8_length("\xC3\xA9z") == 2);
  CHECK(utf8_length("\xE2\x82\xACz") == 3);
  CHECK(utf8_length("\xF0\x9F\x98\x80z") == 4);
  CHECK(utf8_length("\xC0\x80") == 0);          // overlong
  CHECK(utf8_length("\xED\xA0\x80") == 0);      // surrogate
  CHECK(utf8_length("\xF4\x90\x80\x80") == 0);  // beyond U+10FFFF
  CHECK(utf8_length("\xE2\x82") == 0);          // cut
}

TEST_CASE("bytes that are not UTF-8 are replaced one by one") {
  CHECK(utf8_or_replaced("plain") == "plain");
  CHECK(utf8_or_replaced("a\xFF\xE2\x82z\xC3") ==
        "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\xEF\xBF\xBD");
  CHECK(is_utf8("0123456789012345\xC3\xA9 0123456789"));
  CHECK(!is_utf8("0123456789012345\xC3"));
}

TEST_CASE("a long word is quoted up to a border between two characters") {
  const std::string ninety_nine(99, 'x');
  CHECK(quoted("") == "''");
  CHECK(quoted("gpt-5") == "'gpt-5'");
  CHECK(quoted(ninety_nine + "y") == "'" + ninety_nine + "y'");
  CHECK(quoted(ninety_nine + "yz") == "'" + ninety_nine + "y...'");
  CHECK(quoted(ninety_nine + "\xC3\xA9") == "'" + ninety_nine + "...'");
  CHECK(quoted(ninety_nine + "\xF0\x9F\x98\x80z") == "'" + ninety_nine + "...'");
}
