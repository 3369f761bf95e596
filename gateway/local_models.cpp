#include "gateway/local_models.h"

#include "gateway/log.h"

namespace jevons {
namespace {

engine::Device device_of(const std::string& name) {
  if (name == "cpu") return engine::Device::cpu;
  if (name == "cuda") return engine::Device::cuda;
  return engine::Device::automatic;
}

void load(const Target& target, EngineTable& engines) {
  engine::EngineOptions options;
  options.model_path = target.model;
  options.name = target.name;
  options.device = device_of(target.device);
  options.context = static_cast<std::uint32_t>(target.context);
  options.slots = static_cast<std::uint32_t>(target.slots);
  auto loaded = engine::Engine::load(options);
  if (loaded.has_error()) {
    log_event(LogLevel::warning, "local_model_not_loaded",
              {{"target", target.name}, {"message", loaded.error().message()}});
    return;
  }
  const engine::ModelInfo& info = (*loaded)->info();
  log_event(LogLevel::info, "local_model_loaded",
            {{"target", target.name},
             {"architecture", info.architecture},
             {"quantisation", info.quantisation},
             {"device", info.device}});
  engines.put(target.name, std::shared_ptr<engine::Engine>(std::move(*loaded)));
}

}  // namespace

void load_local_models(const Config& config, EngineTable& engines) {
  for (const Target& target : config.catalog.targets) {
    const ProviderConfig* provider = config.provider(target.provider);
    if (!provider || provider->api != Api::local || engines.find(target.name)) continue;
    load(target, engines);
  }
}

}  // namespace jevons
