// Files for the tests of `jevons router`: a folder that goes away, and rows that can be learned.
#pragma once

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

namespace jevons {

class RowsFolder {
 public:
  RowsFolder()
      : folder_(std::filesystem::temp_directory_path() /
                ("jevons-router-" + std::to_string(std::random_device{}()))) {
    std::filesystem::create_directories(folder_);
  }
  ~RowsFolder() { std::filesystem::remove_all(folder_); }
  RowsFolder(const RowsFolder&) = delete;
  RowsFolder& operator=(const RowsFolder&) = delete;

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

 private:
  std::filesystem::path folder_;
};

// Proofs, which only the strong model solves, and greetings, which both do.
inline std::string learnable_rows(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const bool hard = i % 3 == 0;
    const std::string prompt =
        (hard ? "Prove the lemma about the integral of the function number "
              : "Hello, please write a friendly poem about the river and the number ") +
        std::to_string(i);
    text += R"({"dataset":"toy","split":"train","prompt":")" + prompt + R"(","scores":{"weak":)" +
            (hard ? "0" : "1") + R"(,"strong":1}})" + "\n";
  }
  return text;
}

}  // namespace jevons
