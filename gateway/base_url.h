// Addresses in the configuration: where an upstream may be, and where we listen.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace jevons {

// What an address means for safety. A host name is `name`: the transport checks what it resolves
// to.
enum class AddressClass : std::uint8_t { name, loopback, private_network, public_network };

// "127.0.0.1", "::1", "localhost", "10.0.0.7", "api.openai.com".
AddressClass address_class(std::string_view host);

struct BaseUrl {
  bool tls = true;
  std::string host;  // without brackets
  std::uint16_t port = 443;
  std::string path;  // "" or "/v1", no trailing slash
};

// scheme://host[:port][/path]. False, with what is wrong in `why`, for anything else: user names,
// queries, fragments, spaces, numbers that only look like an address.
bool parse_base_url(std::string_view text, BaseUrl& url, std::string& why);

// "127.0.0.1:8080", "[::1]:0". False, with what is wrong in `why`.
bool parse_listen(std::string_view text, std::string& host, std::uint16_t& port, std::string& why);

}  // namespace jevons
