#include "gateway/base_url.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace jevons {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

AddressClass class_of_v4(std::uint32_t ip) {
  const auto within = [ip](std::uint32_t net, int bits) { return (ip ^ net) >> (32 - bits) == 0; };
  if (within(0x7F000000, 8)) return AddressClass::loopback;
  const bool is_private = within(0x0A000000, 8) || within(0xAC100000, 12) ||
                          within(0xC0A80000, 16) ||  // 10/8, 172.16/12, 192.168/16
                          within(0xA9FE0000, 16) ||  // link-local, cloud metadata
                          within(0x64400000, 10) ||  // carrier-grade NAT
                          within(0x00000000, 8) || within(0xE0000000, 3);  // this host, multicast
  return is_private ? AddressClass::private_network : AddressClass::public_network;
}

AddressClass class_of_v6(const std::array<unsigned char, 16>& ip) {
  const auto zeros = [&](std::size_t count) {
    return std::all_of(ip.begin(), ip.begin() + static_cast<std::ptrdiff_t>(count),
                       [](unsigned char byte) { return byte == 0; });
  };
  if (zeros(15) && ip[15] == 1) return AddressClass::loopback;
  const bool mapped = zeros(10) && ip[10] == 0xFF && ip[11] == 0xFF;
  const bool translated = ip[0] == 0x00 && ip[1] == 0x64 && ip[2] == 0xFF && ip[3] == 0x9B;
  if (mapped || translated) {
    return class_of_v4(static_cast<std::uint32_t>(ip[12]) << 24 |
                       static_cast<std::uint32_t>(ip[13]) << 16 |
                       static_cast<std::uint32_t>(ip[14]) << 8 | ip[15]);
  }
  const bool unique_local = (ip[0] & 0xFE) == 0xFC;
  const bool link_local = ip[0] == 0xFE && (ip[1] & 0xC0) == 0x80;
  return zeros(15) || unique_local || link_local || ip[0] == 0xFF ? AddressClass::private_network
                                                                  : AddressClass::public_network;
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  unsigned value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value > 65'535) return false;
  port = static_cast<std::uint16_t>(value);
  return !text.empty() && (text.size() == 1 || text.front() != '0');
}

// A literal address as the system reads it.
bool is_literal(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

// A host name that no resolver takes for a number: "0x7f.1" and "2130706433" mean 127.0.0.1 there.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  const std::string_view last = host.substr(host.find_last_of('.') + 1);
  if (last.empty() || is_digit(last.front())) return false;
  return std::all_of(host.begin(), host.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '.' || c == '_'; });
}

// host[:port] or [v6][:port]. `has_port` tells whether one was given.
bool split_authority(std::string_view text, std::string& host, std::uint16_t& port,
                     bool& has_port) {
  std::string_view rest;
  const bool bracketed = text.starts_with('[');
  if (bracketed) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return false;
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (host.find(':') == std::string::npos || !is_literal(host)) return false;
  } else {
    const std::size_t colon = text.find(':');
    host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? "" : text.substr(colon);
    if (!is_literal(host) && !is_host_name(host)) return false;
  }
  has_port = !rest.empty();
  return !has_port || (rest.front() == ':' && parse_port(rest.substr(1), port));
}

}  // namespace

AddressClass address_class(std::string_view host) {
  const std::string text(host);
  std::array<unsigned char, 16> bytes{};
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return class_of_v4(ntohl(v4.s_addr));
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return class_of_v6(bytes);
  return text == "localhost" || text.ends_with(".localhost") ? AddressClass::loopback
                                                             : AddressClass::name;
}

bool parse_base_url(std::string_view text, BaseUrl& url, std::string& why) {
  why = "a URL such as https://api.example.com/v1 is needed";
  if (text.starts_with("https://")) {
    url.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    url.tls = false;
    text.remove_prefix(7);
  } else {
    return false;
  }
  url.port = url.tls ? 443 : 80;
  const std::size_t slash = text.find('/');
  const std::string_view authority = text.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? "" : text.substr(slash);
  while (path.ends_with('/')) path.remove_suffix(1);
  if (authority.find('@') != std::string_view::npos) {
    why = "a user name or password does not belong in a URL; use 'key'";
    return false;
  }
  if (text.find_first_of("?#") != std::string_view::npos) {
    why = "a base URL has no query ('?') and no fragment ('#')";
    return false;
  }
  const bool plain_path = std::all_of(path.begin(), path.end(), [](char c) {
    return is_alnum(c) || std::string_view("/-._~%:@!$&'()*+,;=").find(c) != std::string_view::npos;
  });
  bool has_port = false;
  if (!plain_path || path.find("//") != std::string_view::npos ||
      !split_authority(authority, url.host, url.port, has_port) || url.port == 0) {
    return false;
  }
  url.path = path;
  return true;
}

bool parse_listen(std::string_view text, std::string& host, std::uint16_t& port, std::string& why) {
  bool has_port = false;
  if (split_authority(text, host, port, has_port) && has_port) return true;
  why = "an address such as 127.0.0.1:8080 or [::1]:8080 is needed; port 0 takes a free one";
  return false;
}

}  // namespace jevons
