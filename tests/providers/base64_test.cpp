#include "providers/base64.h"

#include <doctest/doctest.h>

#include <string>

using namespace jevons;

TEST_CASE("the vectors of RFC 4648, both ways") {
  const char* const texts[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
  const char* const codes[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
  for (std::size_t i = 0; i < std::size(texts); ++i) {
    CHECK(base64_encode(texts[i]) == codes[i]);
    CHECK(base64_decode(codes[i]) == texts[i]);
  }
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  CHECK(base64_decode(base64_encode(bytes)) == bytes);
}

TEST_CASE("what is no base64 decodes to nothing") {
  CHECK(base64_decode("Zg") == "f");  // padding may be absent
  CHECK(!base64_decode("Z"));
  CHECK(!base64_decode("Zm9v!"));
  CHECK(!base64_decode("Zm 9"));
  CHECK(!base64_decode("Zg==="));
  CHECK(!base64_decode("=Zg="));
  for (const char* const text : {"", "Zg", "Zg==", "Z", "Zm9v!", "Zm 9", "Zg===", "=Zg="}) {
    CAPTURE(text);
    CHECK(is_base64(text) == base64_decode(text).has_value());
  }
}
