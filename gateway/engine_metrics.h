// What the local engines report of themselves, for Prometheus.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "local_engine/engine.h"

namespace jevons {

// Prometheus text format 0.0.4, label `model`: the target's name. Empty without engines.
std::string engine_metrics_text(const std::map<std::string, engine::Stats>& engines);

// Of every engine in a table as EngineTable::all gives it.
std::map<std::string, engine::Stats> stats_of(
    const std::map<std::string, std::shared_ptr<engine::Engine>>& engines);

}  // namespace jevons
