// The upstream behind HTTP: an adapter's bytes over a transport, with rotation over the provider's
// keys.
#pragma once

#include <cstdint>
#include <memory>

#include "providers/adapter.h"
#include "providers/provider_config.h"
#include "providers/transport.h"
#include "providers/upstream.h"

namespace jevons {

class HttpUpstream final : public Upstream, public std::enable_shared_from_this<HttpUpstream> {
 public:
  // `adapter` and `transport` must outlive every call.
  HttpUpstream(std::shared_ptr<const ProviderConfig> provider, const Adapter& adapter,
               Transport& transport);

  // One POST. After a 401 or 429 the next call uses the provider's next key; the caller decides
  // whether to make it, as an attempt of its own.
  boost::asio::awaitable<Result<UpstreamAnswer>> open(const UpstreamCall& call,
                                                      CancelSlot& cancel) override;

  // Calls begun and not ended, streams being read included. Of this object, which is one thread's.
  std::int64_t in_flight() const { return *in_flight_; }

 private:
  HttpCall http_call(const UpstreamCall& call, WireRequest wire) const;
  void set_credential(HttpCall& call, std::size_t key) const;
  boost::asio::awaitable<Result<std::unique_ptr<HttpExchange>>> exchange_with_key(
      HttpCall call, CancelSlot& cancel);

  std::shared_ptr<const ProviderConfig> provider_;
  const Adapter& adapter_;
  Transport& transport_;
  std::size_t current_key_ = 0;
  std::shared_ptr<std::int64_t> in_flight_;
};

}  // namespace jevons
