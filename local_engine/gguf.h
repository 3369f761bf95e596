// Reading GGUF model files (versions 1 to 3, single or split) and writing small ones.
// Source: ggml's docs/gguf.md. The file comes from outside: every count, offset and size is checked
// before it is used, and a refusal names the file and what is wrong with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "local_engine/quant.h"
#include "local_engine/status.h"

namespace jevons::engine {

enum class GgufKind : std::uint32_t {
  u8 = 0,
  i8 = 1,
  u16 = 2,
  i16 = 3,
  u32 = 4,
  i32 = 5,
  f32 = 6,
  boolean = 7,
  string = 8,
  array = 9,
  u64 = 10,
  i64 = 11,
  f64 = 12,
};

// An array of numbers or booleans stays in the file; strings become views of it.
struct GgufArray {
  GgufKind kind = GgufKind::u8;
  std::size_t count = 0;
  const std::byte* numbers = nullptr;     // unaligned, count * width bytes; null for strings
  std::vector<std::string_view> strings;  // empty for numbers

  // Element i widened; i < count, and the kind must be a number or boolean.
  std::int64_t integer(std::size_t i) const;
  double real(std::size_t i) const;
};

struct GgufValue {
  GgufKind kind = GgufKind::u8;
  // Integers widened by sign, floats as double, bool as 0 or 1.
  std::variant<std::uint64_t, std::int64_t, double, std::string_view, GgufArray> data;
};

struct GgufTensor {
  std::string_view name;
  TensorType type = TensorType::f32;
  // Extents, innermost first; unused ones are 1. dims[0] is a multiple of the type's block.
  std::array<std::uint64_t, 4> dims = {1, 1, 1, 1};
  std::uint32_t dim_count = 1;
  std::span<const std::byte> data;  // inside the mapping, aligned to general.alignment

  std::uint64_t rows() const { return dims[1] * dims[2] * dims[3]; }
  std::uint64_t elements() const { return dims[0] * rows(); }
};

// One model: the metadata of its first file and the tensors of all of its files. Owns the read-only
// mappings; every view handed out lives as long as this object (moving it keeps them valid). A file
// shortened by another process while mapped raises SIGBUS, as with any mmap: replace model files by
// rename, never in place.
class GgufFile {
 public:
  // `path` is the only file, or the first of a split (NAME-00001-of-0000N.gguf).
  static EngineResult<GgufFile> open(const std::string& path);
  // One file already in memory, which must outlive the object. `name` is for messages.
  static EngineResult<GgufFile> parse(std::span<const std::byte> bytes, std::string name);

  std::uint32_t version() const { return version_; }
  std::uint64_t alignment() const { return alignment_; }
  std::uint64_t total_bytes() const { return total_bytes_; }
  const std::string& name() const { return name_; }
  bool is_mapped() const { return !mappings_.empty(); }  // false for one parsed in memory

  const GgufValue* find(std::string_view key) const;
  const std::vector<std::string_view>& keys() const { return keys_; }  // in file order
  // Typed look-ups; the error names the key and says "is missing" or what it is instead.
  EngineResult<std::uint64_t> u64(std::string_view key) const;
  EngineResult<std::int64_t> i64(std::string_view key) const;
  EngineResult<double> f64(std::string_view key) const;  // integers are accepted
  EngineResult<bool> boolean(std::string_view key) const;
  EngineResult<std::string_view> string(std::string_view key) const;
  EngineResult<const GgufArray*> array(std::string_view key) const;
  // The fallback where the key is missing; a wrong type is still an error.
  EngineResult<std::uint64_t> u64_or(std::string_view key, std::uint64_t fallback) const;
  EngineResult<double> f64_or(std::string_view key, double fallback) const;
  EngineResult<bool> boolean_or(std::string_view key, bool fallback) const;
  EngineResult<std::string_view> string_or(std::string_view key, std::string_view fallback) const;

  const std::vector<GgufTensor>& tensors() const { return tensors_; }  // in file order
  const GgufTensor* find_tensor(std::string_view name) const;          // null if absent

 private:
  class Mapping;
  GgufFile() = default;
  EngineResult<void> add_part(std::span<const std::byte> bytes, const std::string& part_name);
  EngineResult<void> add_splits(const std::string& path);

  std::string name_;
  std::uint32_t version_ = 0;
  std::uint64_t alignment_ = 32;
  std::uint64_t total_bytes_ = 0;
  std::vector<std::shared_ptr<const Mapping>> mappings_;
  std::vector<std::string_view> keys_;
  std::unordered_map<std::string_view, GgufValue> values_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, std::size_t> tensor_index_;
};

// NAME-00002-of-00003.gguf for prefix NAME, number 2 (from 1) of 3.
std::string gguf_split_name(std::string_view prefix, unsigned number, unsigned count);

// Collects metadata and tensors, then writes one file. For tests, the synthetic generator and the
// dense-to-MoE splitter: tensors are filled one after the other, so memory holds only the largest.
class GgufWriter {
 public:
  // Writes exactly out.size() bytes of encoded tensor data.
  using Fill = std::function<void(std::span<std::byte> out)>;

  void set_u32(std::string key, std::uint32_t value);
  void set_u64(std::string key, std::uint64_t value);
  void set_u16(std::string key, std::uint16_t value);
  void set_i32(std::string key, std::int32_t value);
  void set_f32(std::string key, float value);
  void set_bool(std::string key, bool value);
  void set_string(std::string key, std::string_view value);
  void set_strings(std::string key, const std::vector<std::string>& values);
  void set_i32s(std::string key, std::span<const std::int32_t> values);
  void set_u32s(std::string key, std::span<const std::uint32_t> values);
  void set_f32s(std::string key, std::span<const float> values);
  void set_bools(std::string key, const std::vector<bool>& values);
  // Metadata of another file, copied whole (arrays too).
  void copy_value(std::string key, const GgufValue& value);

  // dims innermost first, 1 to 4 of them; dims[0] must be a multiple of the block.
  void add_tensor(std::string name, TensorType type, std::vector<std::uint64_t> dims, Fill fill);
  // Encodes `values` (the product of dims) with encode_row.
  void add_tensor(std::string name, TensorType type, std::vector<std::uint64_t> dims,
                  std::vector<float> values);

  // Power of two, at least 8; written as general.alignment where it is not 32.
  void set_alignment(std::uint32_t alignment) { alignment_ = alignment; }
  void set_version(std::uint32_t version) { version_ = version; }  // 1 to 3

  std::vector<std::byte> bytes() const;
  EngineResult<void> write(const std::string& path) const;

 private:
  struct Entry {
    std::string key;
    GgufKind kind = GgufKind::u8;
    GgufKind element = GgufKind::u8;   // of an array
    std::uint64_t count = 0;           // of an array
    std::string payload;               // numbers as stored; strings joined below
    std::vector<std::string> strings;  // of a string (one) or an array of strings
  };
  struct Tensor {
    std::string name;
    TensorType type = TensorType::f32;
    std::vector<std::uint64_t> dims;
    std::uint64_t bytes = 0;
    Fill fill;
  };
  using Sink = std::function<bool(std::span<const std::byte>)>;
  std::string header() const;
  bool emit(const Sink& sink) const;
  void append_length(std::string& out, std::uint64_t length) const;
  void append_text(std::string& out, std::string_view text) const;
  void append_entry(std::string& out, const Entry& entry) const;
  Entry& entry(std::string key, GgufKind kind);

  std::uint32_t version_ = 3;
  std::uint32_t alignment_ = 32;
  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;
};

}  // namespace jevons::engine
