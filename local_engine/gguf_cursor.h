// A bounds-checked reader over the bytes of a GGUF file. Internal to the GGUF reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "local_engine/gguf.h"

namespace jevons::engine {

// Reads never pass the end: the first one that would sets the error, and later reads return zeros.
// So a caller may read a whole record and ask ok() once before using it.
class GgufCursor {
 public:
  GgufCursor(std::span<const std::byte> bytes, std::string file)
      : bytes_(bytes), file_(std::move(file)) {}

  bool ok() const { return message_.empty(); }
  EngineError error() const {
    return {fault_, file_ + ": " + message_ + " (at byte " + std::to_string(error_at_) + ")"};
  }
  // Keeps the first message only: what follows is a consequence.
  void fail(std::string message, EngineFault fault = EngineFault::invalid_model) {
    if (!ok()) return;
    message_ = std::move(message);
    fault_ = fault;
    error_at_ = at_;
  }

  template <class T>
  T read(const char* what) {
    T value{};
    if (const std::byte* from = take(sizeof(T), what)) std::memcpy(&value, from, sizeof(T));
    return value;
  }

  // Null when fewer than `size` bytes are left.
  const std::byte* take(std::uint64_t size, const char* what) {
    if (!ok()) return nullptr;
    if (size > remaining()) {
      fail(std::string("the file ends inside ") + what);
      return nullptr;
    }
    const std::byte* from = bytes_.data() + at_;
    at_ += static_cast<std::size_t>(size);
    return from;
  }

  // Version 1 stored counts and lengths in 32 bits, later ones in 64.
  std::uint64_t length(const char* what) {
    return version_ == 1 ? read<std::uint32_t>(what) : read<std::uint64_t>(what);
  }

  std::string_view text(const char* what) {
    const std::uint64_t size = length(what);
    const std::byte* from = take(size, what);
    if (from == nullptr) return {};
    return {reinterpret_cast<const char*>(from), static_cast<std::size_t>(size)};
  }

  void set_version(std::uint32_t version) { version_ = version; }
  std::size_t position() const { return at_; }
  std::size_t remaining() const { return bytes_.size() - at_; }

 private:
  std::span<const std::byte> bytes_;
  std::string file_;
  std::size_t at_ = 0;
  std::uint32_t version_ = 3;
  std::string message_;
  EngineFault fault_ = EngineFault::invalid_model;
  std::size_t error_at_ = 0;
};

// Bytes of one number of the kind; 0 for strings and arrays and for numbers outside the enum.
std::size_t gguf_kind_width(GgufKind kind);
std::string_view gguf_kind_name(GgufKind kind);

}  // namespace jevons::engine
