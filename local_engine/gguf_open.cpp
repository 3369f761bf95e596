// Mapping GGUF files, following splits, and typed look-ups.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "local_engine/gguf.h"
#include "local_engine/gguf_cursor.h"

namespace jevons::engine {

class GgufFile::Mapping {
 public:
  static EngineResult<std::shared_ptr<const Mapping>> map(const std::string& path) {
    const auto failed = [&](const char* what) {
      return EngineError(EngineFault::io, path + ": " + what + ": " + std::strerror(errno));
    };
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed("cannot open");
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(fd);
      return EngineError(EngineFault::io, path + ": not a regular file");
    }
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size == 0) {
      ::close(fd);
      return EngineError(EngineFault::invalid_model, path + ": the file is empty");
    }
    void* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    const int map_errno = errno;
    ::close(fd);
    errno = map_errno;
    if (start == MAP_FAILED) return failed("cannot map");
    return std::shared_ptr<const Mapping>(new Mapping(static_cast<const std::byte*>(start), size));
  }
  ~Mapping() { ::munmap(const_cast<std::byte*>(start_), size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::span<const std::byte> bytes() const { return {start_, size_}; }

 private:
  Mapping(const std::byte* start, std::size_t size) : start_(start), size_(size) {}
  const std::byte* start_ = nullptr;
  std::size_t size_ = 0;
};

namespace {

constexpr std::uint64_t kSplitsMax = 1024;

EngineError missing(const GgufFile& file, std::string_view key) {
  return {EngineFault::invalid_model, file.name() + ": " + std::string(key) + " is missing"};
}

EngineError wrong_kind(const GgufFile& file, std::string_view key, GgufKind is,
                       const char* expected) {
  return {EngineFault::invalid_model, file.name() + ": " + std::string(key) + " is of kind " +
                                          std::string(gguf_kind_name(is)) + ", expected " +
                                          expected};
}

}  // namespace

EngineResult<GgufFile> GgufFile::open(const std::string& path) {
  auto mapping = Mapping::map(path);
  if (!mapping) return mapping.error();
  GgufFile file;
  file.name_ = path;
  file.mappings_.push_back(*mapping);
  if (auto added = file.add_part((*mapping)->bytes(), path); !added) return added.error();
  if (auto added = file.add_splits(path); !added) return added.error();
  return file;
}

EngineResult<void> GgufFile::add_splits(const std::string& path) {
  const auto count = u64_or("split.count", 1);
  const auto number = u64_or("split.no", 0);
  if (!count) return count.error();
  if (!number) return number.error();
  if (*count <= 1) return {};
  const auto bad = [&](const std::string& what) {
    return EngineError(EngineFault::invalid_model, path + ": " + what);
  };
  if (*count > kSplitsMax) return bad("split.count is " + std::to_string(*count));
  if (*number != 0) {
    return bad("this is part " + std::to_string(*number + 1) + " of " + std::to_string(*count) +
               "; open the first part");
  }
  const auto parts = static_cast<unsigned>(*count);
  const std::string ending = gguf_split_name("", 1, parts);
  if (path.size() < ending.size() || !path.ends_with(ending)) {
    return bad("a file of " + std::to_string(parts) + " parts must be named NAME" + ending);
  }
  const std::string prefix = path.substr(0, path.size() - ending.size());
  for (unsigned part = 2; part <= parts; ++part) {
    const std::string part_path = gguf_split_name(prefix, part, parts);
    auto mapping = Mapping::map(part_path);
    if (!mapping) return mapping.error();
    mappings_.push_back(*mapping);
    if (auto added = add_part((*mapping)->bytes(), part_path); !added) return added.error();
  }
  const auto total = u64_or("split.tensors.count", tensors_.size());
  if (!total) return total.error();
  if (*total != tensors_.size()) {
    return bad("split.tensors.count is " + std::to_string(*total) + " but the parts hold " +
               std::to_string(tensors_.size()) + " tensors");
  }
  return {};
}

std::string gguf_split_name(std::string_view prefix, unsigned number, unsigned count) {
  char ending[40];
  std::snprintf(ending, sizeof(ending), "-%05u-of-%05u.gguf", number, count);
  return std::string(prefix) + ending;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

EngineResult<std::uint64_t> GgufFile::u64(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(*this, key);
  if (value->kind != GgufKind::boolean) {
    if (const auto* number = std::get_if<std::uint64_t>(&value->data)) return *number;
    const auto* number = std::get_if<std::int64_t>(&value->data);
    if (number != nullptr && *number >= 0) return static_cast<std::uint64_t>(*number);
    if (number != nullptr) {
      return EngineError(EngineFault::invalid_model,
                         name_ + ": " + std::string(key) + " is " + std::to_string(*number) +
                             ", expected a number that is not negative");
    }
  }
  return wrong_kind(*this, key, value->kind, "a whole number");
}

EngineResult<std::int64_t> GgufFile::i64(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(*this, key);
  if (const auto* number = std::get_if<std::int64_t>(&value->data)) return *number;
  const auto number = u64(key);
  if (!number) return number.error();
  if (*number > static_cast<std::uint64_t>(INT64_MAX)) {
    return EngineError(EngineFault::invalid_model,
                       name_ + ": " + std::string(key) + " is too large");
  }
  return static_cast<std::int64_t>(*number);
}

EngineResult<double> GgufFile::f64(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(*this, key);
  if (const auto* number = std::get_if<double>(&value->data)) return *number;
  if (value->kind != GgufKind::boolean) {
    if (const auto* number = std::get_if<std::uint64_t>(&value->data)) {
      return static_cast<double>(*number);
    }
    if (const auto* number = std::get_if<std::int64_t>(&value->data)) {
      return static_cast<double>(*number);
    }
  }
  return wrong_kind(*this, key, value->kind, "a number");
}

EngineResult<bool> GgufFile::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(*this, key);
  if (value->kind != GgufKind::boolean) return wrong_kind(*this, key, value->kind, "a boolean");
  return std::get<std::uint64_t>(value->data) == 1;
}

EngineResult<std::string_view> GgufFile::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(*this, key);
  if (const auto* text = std::get_if<std::string_view>(&value->data)) return *text;
  return wrong_kind(*this, key, value->kind, "a string");
}

EngineResult<const GgufArray*> GgufFile::array(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(*this, key);
  if (const auto* array = std::get_if<GgufArray>(&value->data)) return array;
  return wrong_kind(*this, key, value->kind, "an array");
}

EngineResult<std::uint64_t> GgufFile::u64_or(std::string_view key, std::uint64_t fallback) const {
  if (find(key) == nullptr) return fallback;
  return u64(key);
}

EngineResult<double> GgufFile::f64_or(std::string_view key, double fallback) const {
  if (find(key) == nullptr) return fallback;
  return f64(key);
}

EngineResult<bool> GgufFile::boolean_or(std::string_view key, bool fallback) const {
  if (find(key) == nullptr) return fallback;
  return boolean(key);
}

EngineResult<std::string_view> GgufFile::string_or(std::string_view key,
                                                   std::string_view fallback) const {
  if (find(key) == nullptr) return fallback;
  return string(key);
}

}  // namespace jevons::engine
