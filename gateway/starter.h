// A configuration to start from: the files that are built in, cut down to the providers that the
// environment has keys for. `jevons init` writes them; without any file they serve as they are.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/config.h"

namespace jevons {

// A provider of the built-in jevons.yaml and the variable that holds its key.
struct StarterProvider {
  std::string name;      // "openai"
  std::string variable;  // "OPENAI_API_KEY"
};
// In the order of the file; the local engine, which needs no key, is not among them.
std::vector<StarterProvider> starter_providers();
// Those whose variable is set and not empty.
std::vector<std::string> providers_with_keys(const ConfigSources& sources);

struct StarterFile {
  std::string path;  // "jevons.yaml", "policies/catalog.yaml", ...
  std::string text;
};
// jevons.yaml with the other providers commented out, the catalog with the targets of these and of
// the local engine, policies whose baseline is among them, prices and schemas.
std::vector<StarterFile> starter_files(const std::vector<std::string>& providers);

// Loads the starter files as if they lay in `folder`. Shown as "(built in)/...".
bool load_starter(const std::vector<std::string>& providers, const std::string& folder,
                  const ConfigSources& sources, Config& out, std::vector<ConfigError>& errors);

}  // namespace jevons
