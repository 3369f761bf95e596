#include "providers/address_class.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace jevons {

namespace {

struct V4Range {
  std::uint32_t network;
  int bits;
  AddressClass means;
};

// The first match holds; IANA's special-purpose registry.
constexpr V4Range v4_ranges[] = {
    {0x7f000000, 8, AddressClass::loopback},          // 127/8
    {0x0a000000, 8, AddressClass::private_network},   // 10/8
    {0xac100000, 12, AddressClass::private_network},  // 172.16/12
    {0xc0a80000, 16, AddressClass::private_network},  // 192.168/16
    {0x64400000, 10, AddressClass::private_network},  // 100.64/10
    {0xa9fe0000, 16, AddressClass::private_network},  // 169.254/16, metadata services too
    {0x00000000, 8, AddressClass::unusable},          // 0/8
    {0xe0000000, 3, AddressClass::unusable},          // multicast and reserved
};

AddressClass v4_class(std::uint32_t address) {
  for (const V4Range& range : v4_ranges) {
    if ((address ^ range.network) >> (32 - range.bits) == 0) return range.means;
  }
  return AddressClass::global;
}

AddressClass v6_class(const in6_addr& address) {
  if (IN6_IS_ADDR_LOOPBACK(&address)) return AddressClass::loopback;
  if (IN6_IS_ADDR_UNSPECIFIED(&address) || IN6_IS_ADDR_MULTICAST(&address)) {
    return AddressClass::unusable;
  }
  const unsigned char* bytes = address.s6_addr;
  // 4-in-6 forms reach the IPv4 address inside: mapped and NAT64.
  constexpr unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  if (IN6_IS_ADDR_V4MAPPED(&address) || std::memcmp(bytes, nat64, sizeof nat64) == 0) {
    std::uint32_t v4 = 0;
    std::memcpy(&v4, bytes + 12, sizeof v4);
    return v4_class(ntohl(v4));
  }
  if (IN6_IS_ADDR_LINKLOCAL(&address) || IN6_IS_ADDR_SITELOCAL(&address) ||
      (bytes[0] & 0xfe) == 0xfc) {
    return AddressClass::private_network;
  }
  return AddressClass::global;
}

}  // namespace

AddressClass address_class(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    return v4_class(ntohl(v4.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    return v6_class(v6.sin6_addr);
  }
  return AddressClass::unusable;
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "[::1]" || host == "::1") return true;
  in_addr address{};
  return ::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         v4_class(ntohl(address.s_addr)) == AddressClass::loopback;
}

std::string_view url_host(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (!url.empty() && url.front() == '[') return url.substr(0, url.find(']') + 1);
  return url.substr(0, url.find(':'));
}

}  // namespace jevons
