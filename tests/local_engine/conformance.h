// Where tests/local_engine/fetch_conformance puts outside data: vocabularies with expected tokens,
// chat templates, and a small real model. Tests that need it say so and pass where it is missing,
// unless JEVONS_CONFORMANCE_REQUIRED is set (the step `weights` of tests/run sets it).
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace jevons::engine::testing {

inline std::filesystem::path conformance_folder() {
  const char* set = std::getenv("JEVONS_CONFORMANCE");
  if (set != nullptr) return set;
  return std::filesystem::path(JEVONS_SOURCE_DIR) / "build" / "conformance";
}

// False, with a message, where the path is not there.
inline bool have_conformance(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) return true;
  if (std::getenv("JEVONS_CONFORMANCE_REQUIRED") != nullptr) FAIL(path.string() << " is missing");
  MESSAGE("skipped: " << path.string() << " is missing; run tests/local_engine/fetch_conformance");
  return false;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace jevons::engine::testing
