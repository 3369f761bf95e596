// Which addresses an upstream may have: a name that resolves to a private address is refused unless
// the configuration names the provider private (reliability.md F17, new-api CVE-2025-59146).
#pragma once

#include <sys/socket.h>

#include <string_view>

namespace jevons {

enum class AddressClass : unsigned char {
  global,
  loopback,
  private_network,  // RFC 1918, unique local, shared (100.64/10), link-local
  unusable          // unspecified, multicast, reserved, not IP
};

AddressClass address_class(const sockaddr& address);

// "localhost", 127.0.0.0/8 or ::1, as a URL writes it.
bool is_loopback_host(std::string_view host);

// The host of an http or https URL, without port, brackets kept; empty if there is none.
std::string_view url_host(std::string_view url);

}  // namespace jevons
