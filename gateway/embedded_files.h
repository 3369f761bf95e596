// The files of policies/ inside the program, so that an installed binary can write them.
#pragma once

#include <span>
#include <string_view>

namespace jevons {

struct EmbeddedFile {
  std::string_view path;  // "policies/catalog.yaml"
  std::string_view text;
};

// Generated from policies/ by gateway/CMakeLists.txt.
std::span<const EmbeddedFile> embedded_files();
// Its text; empty if there is none of that path.
std::string_view embedded_file(std::string_view path);

}  // namespace jevons
