// Loads the models of local targets into the process.
#pragma once

#include "gateway/config.h"
#include "providers/local_upstream.h"

namespace jevons {

// Loads every local target of the configuration that is not in the table yet; a target whose file
// is missing or damaged is logged and stays out, so that requests go elsewhere. Blocks.
void load_local_models(const Config& config, EngineTable& engines);

}  // namespace jevons
