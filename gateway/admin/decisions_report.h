// Recorded decisions as JSON, as GET /admin/v1/decisions answers and `jevons replay` reads them.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/ledger/ledger.h"

namespace jevons {

// from, until (unix nanoseconds), after, limit, request (an id). Errors: invalid_value with the
// parameter's name.
Result<DecisionQuery> decision_query(const std::vector<std::pair<std::string, std::string>>& words);

std::string decisions_json(const DecisionPage& page);
// Errors: Fault::internal for what is not such a document.
Result<DecisionPage> read_decisions_json(std::string_view json);

}  // namespace jevons
