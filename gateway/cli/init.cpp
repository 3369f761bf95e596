// `jevons init`: a starter configuration for the providers whose keys the environment has.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "gateway/cli/commands.h"
#include "gateway/starter.h"
#include "providers/json.h"

namespace jevons {
namespace {

std::string init_json(const std::vector<std::string>& providers,
                      const std::vector<std::string>& written) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("providers").begin_array();
  for (const std::string& name : providers) json.string(name);
  json.end_array().key("written").begin_array();
  for (const std::string& path : written) json.string(path);
  json.end_array().end_object();
  return out + "\n";
}

void say_what_was_found(const CliIo& io, const std::vector<std::string>& providers) {
  for (const StarterProvider& provider : starter_providers()) {
    const bool found =
        std::find(providers.begin(), providers.end(), provider.name) != providers.end();
    if (found) io.err << "found " << provider.variable << ": provider " << provider.name << "\n";
  }
  if (providers.empty()) {
    io.err << "no provider key in the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, ...): only "
              "the local model will serve; 'jevons model pull' gets one\n";
  }
}

// The paths that exist already and must not be overwritten.
std::vector<std::string> in_the_way(const ConfigSources& sources,
                                    const std::vector<std::string>& paths) {
  std::vector<std::string> existing;
  for (const std::string& path : paths) {
    if (sources.exists && sources.exists(path)) existing.push_back(path);
  }
  return existing;
}

}  // namespace

bool write_file(const std::string& path, const std::string& text, std::string& why) {
  std::error_code code;
  const auto folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, code);
  if (code) {
    why = code.message();
    return false;
  }
  // Written beside and renamed: an interrupted init leaves no half file.
  const std::string temporary = path + ".new";
  std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) {
    why = std::strerror(errno);
    unlink(temporary.c_str());
    return false;
  }
  return true;
}

Exit run_init(const CliIo& io, const ConfigSources& sources, const InitOptions& options) {
  const std::vector<std::string> providers = providers_with_keys(sources);
  const std::vector<StarterFile> files = starter_files(providers);
  std::vector<std::string> paths;
  for (const StarterFile& file : files) {
    paths.push_back(
        (std::filesystem::path(options.folder) / file.path).lexically_normal().string());
  }
  const auto existing = in_the_way(sources, paths);
  if (!existing.empty() && !options.force && !options.dry_run) {
    for (const std::string& path : existing) io.err << path << " exists already\n";
    io.err << "nothing was written; --force overwrites\n";
    return Exit::failure;
  }
  // What is written must load: a mistake in the built-in files is found here, not by the operator.
  Config config;
  std::vector<ConfigError> errors;
  if (!load_starter(providers, options.folder, sources, config, errors)) {
    io.err << config_errors_text(errors);
    return Exit::failure;
  }
  for (std::size_t i = 0; i < files.size() && !options.dry_run; ++i) {
    std::string why;
    if (options.write(paths[i], files[i].text, why)) continue;
    io.err << "cannot write " << paths[i] << ": " << why << "\n";
    return Exit::failure;
  }
  if (options.json) {
    io.out << init_json(providers, paths);
    return Exit::good;
  }
  say_what_was_found(io, providers);
  for (const std::string& path : paths) {
    io.out << (options.dry_run ? "would write " : "wrote ") << path << "\n";
  }
  io.err << "next: 'jevons check', then 'jevons serve'; undo by removing these files\n";
  return Exit::good;
}

}  // namespace jevons
