// The JSON texts inside ledger columns: tags of a request, rights and limits of a key.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "gateway/ledger/ledger.h"

namespace jevons {

// {"env":"prod","team":"search"}, keys in order; "" for no tags.
std::string tags_json(const std::map<std::string, std::string>& tags);
// What is not a JSON object of texts gives no tags: the column is ours.
std::map<std::string, std::string> tags_of_json(std::string_view json);

// Everything of a key that has no column of its own.
std::string key_limits_json(const KeyRecord& key);
void read_key_limits(std::string_view json, KeyRecord& key);

}  // namespace jevons
