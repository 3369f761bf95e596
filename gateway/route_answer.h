// The JSON of POST /v1/route (contract.md 6), also what `jevons explain` reads.
#pragma once

#include <cstdint>
#include <string>

#include "providers/json.h"
#include "router/decision.h"

namespace jevons {

std::string route_answer(const Decision& decision, const Classification& classification,
                         const Catalog& catalog, std::int64_t decide_us);

// Its fields, into an object that is open: for answers that say more.
void write_route_fields(JsonWriter& json, const Decision& decision,
                        const Classification& classification, const Catalog& catalog);

}  // namespace jevons
