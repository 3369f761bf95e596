#include "gateway/services.h"

namespace jevons {

std::shared_ptr<Upstream> Worker::upstream(const std::shared_ptr<const Config>& config,
                                           const std::string& provider) {
  if (built_for_ != config) {
    // Running calls keep the upstreams they hold.
    upstreams_.clear();
    built_for_ = config;
  }
  const auto found = upstreams_.find(provider);
  if (found != upstreams_.end()) return found->second;
  const ProviderConfig* settings = config->provider(provider);
  if (!settings) return nullptr;
  return upstreams_.emplace(provider, factory_(*settings)).first->second;
}

}  // namespace jevons
