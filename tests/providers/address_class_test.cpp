#include "providers/address_class.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <cstring>
#include <string>

using namespace jevons;

namespace {

AddressClass class_of(const std::string& text) {
  sockaddr_storage storage{};
  if (text.find(':') == std::string::npos) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    REQUIRE(inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1);
    std::memcpy(&storage, &v4, sizeof v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    REQUIRE(inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1);
    std::memcpy(&storage, &v6, sizeof v6);
  }
  return address_class(reinterpret_cast<const sockaddr&>(storage));
}

}  // namespace

TEST_CASE("address classes") {
  const struct {
    const char* address;
    AddressClass means;
  } rows[] = {
      {"8.8.8.8", AddressClass::global},
      {"172.32.0.1", AddressClass::global},
      {"100.128.0.1", AddressClass::global},
      {"2606:4700::1111", AddressClass::global},
      {"127.0.0.1", AddressClass::loopback},
      {"127.255.0.9", AddressClass::loopback},
      {"::1", AddressClass::loopback},
      {"::ffff:127.0.0.1", AddressClass::loopback},
      {"10.1.2.3", AddressClass::private_network},
      {"172.16.0.1", AddressClass::private_network},
      {"172.31.255.255", AddressClass::private_network},
      {"192.168.1.1", AddressClass::private_network},
      {"100.64.0.1", AddressClass::private_network},
      {"169.254.169.254", AddressClass::private_network},
      {"fe80::1", AddressClass::private_network},
      {"fd00::1", AddressClass::private_network},
      {"::ffff:10.0.0.1", AddressClass::private_network},
      {"64:ff9b::a00:1", AddressClass::private_network},
      {"0.0.0.0", AddressClass::unusable},
      {"0.1.2.3", AddressClass::unusable},
      {"224.0.0.1", AddressClass::unusable},
      {"255.255.255.255", AddressClass::unusable},
      {"::", AddressClass::unusable},
      {"ff02::1", AddressClass::unusable},
      {"::ffff:0.0.0.0", AddressClass::unusable},
  };
  for (const auto& row : rows) {
    CAPTURE(row.address);
    CHECK(class_of(row.address) == row.means);
  }
  sockaddr unix_socket{};
  unix_socket.sa_family = AF_UNIX;
  CHECK(address_class(unix_socket) == AddressClass::unusable);
}

TEST_CASE("hosts of URLs") {
  CHECK(url_host("https://api.openai.com/v1") == "api.openai.com");
  CHECK(url_host("http://127.0.0.1:8000/v1?x#y") == "127.0.0.1");
  CHECK(url_host("http://[::1]:80/") == "[::1]");
  CHECK(url_host("no url") == "");
  CHECK(is_loopback_host("localhost"));
  CHECK(is_loopback_host("127.8.9.1"));
  CHECK(is_loopback_host("[::1]"));
  CHECK_FALSE(is_loopback_host("127.0.0.1.example.com"));
  CHECK_FALSE(is_loopback_host("localhost.example.com"));
  CHECK_FALSE(is_loopback_host("10.0.0.1"));
}
