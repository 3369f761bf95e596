// An adapter translates between the internal form and one wire format, both ways. It is pure:
// bytes and structs in, structs and bytes out; sockets are the transport's. A provider that speaks
// an existing format is a YAML row with quirks; a new format is one file in providers/adapters/
// that exports one `const Adapter`.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "providers/provider_config.h"
#include "router/chat.h"
#include "router/error.h"
#include "router/target.h"

namespace jevons {

struct WireRequest {
  std::string path;                         // appended to the provider's base_url, query included
  std::string body;                         // JSON
  std::vector<Header> headers;              // besides credential and content-type
  std::vector<std::string> dropped_params;  // what the target cannot take
};

struct EncodeOptions {
  bool stream = false;          // ask the upstream to stream (usage always asked for)
  std::int64_t output_cap = 0;  // output tokens allowed, always sent; 0 only for embeddings
  std::string effort;           // reasoning effort to send, empty: the request's own
  std::string service_tier;     // empty: the request's own
  bool strict_params = false;   // refuse (unsupported_parameter) instead of dropping
  bool logprobs = false;        // ask for token probabilities although the request does not
  Quirks quirks = Quirks::none;
};

// Turns response bytes, split anywhere, into events. The same events come out for every split.
class StreamDecoder {
 public:
  virtual ~StreamDecoder() = default;
  // Appends events; an error means the upstream broke its protocol or a limit (line 1 MiB, event
  // 4 MiB, answer 64 MiB).
  virtual Result<void> feed(std::string_view bytes, std::vector<StreamEvent>& events) = 0;
  // The body ended. An error if the answer was cut: no finish, no terminal event.
  virtual Result<void> finish(std::vector<StreamEvent>& events) = 0;
  // The terminal marker was seen ([DONE], message_stop): what follows can be ignored.
  virtual bool done() const = 0;
};

struct Adapter {
  std::string_view name;
  // Errors: unsupported_parameter, invalid_value (a request the format cannot express).
  Result<WireRequest> (*encode)(const ChatRequest&, const Target&, const EncodeOptions&);
  // A whole 2xx body. Error: upstream_protocol_error.
  Result<ChatResponse> (*decode)(std::string_view body, const ChatRequest&, Quirks);
  std::unique_ptr<StreamDecoder> (*open_stream)(const ChatRequest&, Quirks);
  // A non-2xx answer as an Error: fault, retryable, maybe_billed, retry-after, upstream_status and
  // a message with secrets scrubbed.
  Error (*fault_of)(int status, std::span<const Header> headers, std::string_view body);
  std::string_view key_header;  // carries the provider's key where the configuration names none
};

// The header with the provider's key; `auth_header` is the configured name, or empty.
Header credential(const Adapter& adapter, const Secret& key, std::string_view auth_header);

// Defined one each in providers/adapters/.
extern const Adapter openai_adapter;
extern const Adapter anthropic_adapter;
extern const Adapter gemini_adapter;

const Adapter* adapter_of(Api api);  // null for local

}  // namespace jevons
