#include "local_engine/weight_memory.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

using namespace jevons::engine;

TEST_CASE("weights that the machine cannot hold are refused before anything is packed") {
  const auto memory = WeightMemory::allocate(std::size_t{1} << 50U);
  REQUIRE_FALSE(memory.has_value());
  CHECK(memory.error().fault() == EngineFault::overloaded);
  const std::string message = memory.error().message();
  CHECK(message.starts_with("the weights need 1073741826 MiB of memory, this machine has "));
  CHECK(message.ends_with(" MiB available"));
}

TEST_CASE("memory for weights is zeroed and aligned to huge pages") {
  const auto memory = WeightMemory::allocate(5'000'000);
  REQUIRE(memory.has_value());
  CHECK(memory->size() == 5'000'000);
  CHECK(reinterpret_cast<std::uintptr_t>(memory->data()) % (std::size_t{2} << 20U) == 0);
  CHECK(memory->data()[0] == std::byte{0});
  CHECK(memory->data()[4'999'999] == std::byte{0});
}

TEST_CASE("available memory is read from meminfo, and 0 where that does not say") {
  const auto folder = std::filesystem::temp_directory_path() / "jevons_weight_memory_test";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "meminfo").string();
  std::ofstream(path) << "MemTotal:  24683572 kB\nMemFree: 1 kB\nMemAvailable:   2048 kB\n";
  CHECK(available_bytes(path.c_str()) == 2048 * 1024);
  std::ofstream(path) << "MemTotal:  24683572 kB\n";
  CHECK(available_bytes(path.c_str()) == 0);
  CHECK(available_bytes((folder / "absent").c_str()) == 0);
  std::filesystem::remove_all(folder);
}
