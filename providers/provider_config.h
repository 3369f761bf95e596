// One upstream provider as configured: immutable after loading.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace jevons {

// A credential. It cannot be printed, logged or compared by accident; reveal() is for the one place
// that writes it into a header.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  const std::string& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }

 private:
  std::string value_;
};

struct Header {
  std::string name;
  std::string value;
};

enum class Api : std::uint8_t { openai, anthropic, gemini, local };
enum class Quirks : std::uint8_t {
  none,
  deepseek,
  mistral,
  xai,
  groq,
  together,
  openrouter,
  moonshot,
  ollama,
  vllm
};
enum class OnDisconnect : std::uint8_t { cancel, drain };

struct ProviderTimeouts {  // milliseconds
  std::int64_t connect_ms = 3'000;
  std::int64_t first_byte_ms = 120'000;        // streamed
  std::int64_t first_byte_whole_ms = 590'000;  // not streamed: first byte and total
  std::int64_t between_events_ms = 60'000;
  std::int64_t total_ms = 900'000;
};

struct ProviderConfig {
  std::string name;
  Api api = Api::openai;
  std::string base_url;      // no trailing slash; "https://api.openai.com/v1"
  std::vector<Secret> keys;  // rotated on 401 and 429; empty: sends no credential
  Quirks quirks = Quirks::none;
  std::string auth_header;  // empty: the API's own
  std::string proxy;        // egress proxy URL, empty: none (the environment is never read)
  std::string ca_file;      // private CA bundle, empty: the system's
  std::vector<Header> headers;
  OnDisconnect on_disconnect = OnDisconnect::cancel;
  ProviderTimeouts timeouts;
  std::int64_t max_in_flight = 200;
  bool insecure_http = false;
  bool allow_private = false;
};

}  // namespace jevons
