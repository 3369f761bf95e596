// Parsing one GGUF file held in memory. gguf_open.cpp maps files, follows splits and looks up
// values.
#include "local_engine/gguf.h"

#include <algorithm>
#include <cctype>

#include "local_engine/gguf_cursor.h"

namespace jevons::engine {
namespace {

// Far above any real model; they bound work on a file that lies about its counts.
constexpr std::uint64_t kKeysMax = 1U << 16;
constexpr std::uint64_t kTensorsMax = 1U << 20;
constexpr std::uint64_t kArrayMax = 1U << 26;
constexpr std::size_t kKeyBytesMax = 1024;
constexpr std::size_t kTensorNameBytesMax = 256;
constexpr std::uint64_t kAlignmentMax = 1U << 20;

// Strings from a file in a message: printable and short.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, 80)) {
    out += std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '?';
  }
  return out + (text.size() > 80 ? "...'" : "'");
}

bool multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& product) {
  return !__builtin_mul_overflow(a, b, &product);
}

template <class T>
T load(const std::byte* from) {
  T value{};
  std::memcpy(&value, from, sizeof(T));
  return value;
}

GgufArray read_array(GgufCursor& in, std::string_view key) {
  GgufArray array;
  array.kind = static_cast<GgufKind>(in.read<std::uint32_t>("an array"));
  const std::uint64_t count = in.length("an array");
  if (!in.ok()) return array;
  const std::size_t width = gguf_kind_width(array.kind);
  if (width == 0 && array.kind != GgufKind::string) {
    in.fail("the array " + quoted(key) + " has elements of unsupported kind " +
            std::to_string(static_cast<std::uint32_t>(array.kind)));
    return array;
  }
  // A string takes at least its length field, so a false count is refused before memory is.
  const std::size_t least = width != 0 ? width : 4;
  if (count > kArrayMax || count > in.remaining() / least) {
    in.fail("the array " + quoted(key) + " claims " + std::to_string(count) +
            " elements, more than the file can hold");
    return array;
  }
  array.count = static_cast<std::size_t>(count);
  if (width != 0) {
    array.numbers = in.take(count * width, "an array");
    return array;
  }
  array.strings.reserve(array.count);
  for (std::size_t i = 0; i < array.count && in.ok(); ++i) {
    array.strings.push_back(in.text("an array of strings"));
  }
  return array;
}

GgufValue read_value(GgufCursor& in, std::string_view key) {
  GgufValue value;
  value.kind = static_cast<GgufKind>(in.read<std::uint32_t>("a metadata value"));
  constexpr const char* what = "a metadata value";
  switch (value.kind) {
    case GgufKind::u8:
      value.data = std::uint64_t{in.read<std::uint8_t>(what)};
      break;
    case GgufKind::i8:
      value.data = std::int64_t{in.read<std::int8_t>(what)};
      break;
    case GgufKind::u16:
      value.data = std::uint64_t{in.read<std::uint16_t>(what)};
      break;
    case GgufKind::i16:
      value.data = std::int64_t{in.read<std::int16_t>(what)};
      break;
    case GgufKind::u32:
      value.data = std::uint64_t{in.read<std::uint32_t>(what)};
      break;
    case GgufKind::i32:
      value.data = std::int64_t{in.read<std::int32_t>(what)};
      break;
    case GgufKind::f32:
      value.data = double{in.read<float>(what)};
      break;
    case GgufKind::u64:
      value.data = in.read<std::uint64_t>(what);
      break;
    case GgufKind::i64:
      value.data = in.read<std::int64_t>(what);
      break;
    case GgufKind::f64:
      value.data = in.read<double>(what);
      break;
    case GgufKind::boolean: {
      const auto byte = in.read<std::uint8_t>(what);
      if (byte > 1) in.fail("the boolean " + quoted(key) + " is " + std::to_string(byte));
      value.data = std::uint64_t{byte};
      break;
    }
    case GgufKind::string:
      value.data = in.text(what);
      break;
    case GgufKind::array:
      value.data = read_array(in, key);
      break;
    default:
      in.fail("the value of " + quoted(key) + " has unknown kind " +
              std::to_string(static_cast<std::uint32_t>(value.kind)));
  }
  return value;
}

struct Counts {
  std::uint32_t version = 0;
  std::uint64_t tensors = 0;
  std::uint64_t keys = 0;
};

Counts read_header(GgufCursor& in) {
  Counts counts;
  const std::byte* magic = in.take(4, "its first 4 bytes");
  if (magic != nullptr && std::memcmp(magic, "GGUF", 4) != 0) {
    in.fail("this is not a GGUF file (it does not begin with \"GGUF\")");
  }
  counts.version = in.read<std::uint32_t>("its header");
  if (in.ok() && (counts.version < 1 || counts.version > 3)) {
    const bool swapped = (counts.version & 0xffffU) == 0 && counts.version != 0;
    in.fail(swapped ? "the file is big-endian, which is not supported"
                    : "GGUF version " + std::to_string(counts.version) +
                          " is not supported (1 to 3 are)",
            EngineFault::unsupported);
  }
  in.set_version(counts.version);
  counts.tensors = in.length("its header");
  counts.keys = in.length("its header");
  // An entry takes at least 4 + 4 + 1 bytes of key, kind and value, a tensor 4 + 4 + 4 + 4 + 8.
  if (counts.keys > kKeysMax || counts.keys > in.remaining() / 9) {
    in.fail("the header claims " + std::to_string(counts.keys) +
            " metadata entries, more than the file can hold");
  }
  if (counts.tensors > kTensorsMax || counts.tensors > in.remaining() / 24) {
    in.fail("the header claims " + std::to_string(counts.tensors) +
            " tensors, more than the file can hold");
  }
  return counts;
}

struct TensorRecord {
  GgufTensor tensor;
  std::uint64_t offset = 0;  // from the start of the data section
  std::uint64_t bytes = 0;
};

// Fills dims and bytes; refuses shapes that overflow or do not divide into blocks.
void read_shape(GgufCursor& in, TensorRecord& record) {
  GgufTensor& tensor = record.tensor;
  const std::string name = quoted(tensor.name);
  tensor.dim_count = in.read<std::uint32_t>("a tensor entry");
  if (in.ok() && (tensor.dim_count < 1 || tensor.dim_count > 4)) {
    in.fail("the tensor " + name + " has " + std::to_string(tensor.dim_count) +
            " dimensions (1 to 4 are possible)");
  }
  for (std::uint32_t i = 0; i < tensor.dim_count && in.ok(); ++i) {
    tensor.dims[i] = in.length("a tensor entry");
    if (in.ok() && tensor.dims[i] == 0) in.fail("the tensor " + name + " has an empty dimension");
  }
  const auto raw_type = in.read<std::uint32_t>("a tensor entry");
  record.offset = in.read<std::uint64_t>("a tensor entry");
  if (!in.ok()) return;
  const TypeInfo* info = find_type(raw_type);
  if (info == nullptr) {
    return in.fail(
        "the tensor " + name + " has type " + type_name(raw_type) + ", which is not supported",
        EngineFault::unsupported);
  }
  tensor.type = info->type;
  if (tensor.dims[0] % info->block_elements != 0) {
    return in.fail("the tensor " + name + " has rows of " + std::to_string(tensor.dims[0]) +
                   " values, not a multiple of the " + std::to_string(info->block_elements) +
                   " of a " + std::string(info->name) + " block");
  }
  record.bytes = tensor.dims[0] / info->block_elements;
  bool fits = multiply(record.bytes, info->block_bytes, record.bytes);
  for (std::size_t i = 1; i < 4; ++i)
    fits = fits && multiply(record.bytes, tensor.dims[i], record.bytes);
  std::uint64_t elements = tensor.dims[0];
  for (std::size_t i = 1; i < 4; ++i) fits = fits && multiply(elements, tensor.dims[i], elements);
  if (!fits) in.fail("the size of the tensor " + name + " overflows 64 bits");
}

TensorRecord read_tensor(GgufCursor& in) {
  TensorRecord record;
  record.tensor.name = in.text("a tensor entry");
  if (in.ok() && (record.tensor.name.empty() || record.tensor.name.size() > kTensorNameBytesMax)) {
    in.fail("a tensor name has " + std::to_string(record.tensor.name.size()) + " bytes (1 to " +
            std::to_string(kTensorNameBytesMax) + " are possible)");
  }
  read_shape(in, record);
  return record;
}

std::uint64_t alignment_of(GgufCursor& in,
                           const std::vector<std::pair<std::string_view, GgufValue>>& entries) {
  for (const auto& [key, value] : entries) {
    if (key != "general.alignment") continue;
    const auto* number = std::get_if<std::uint64_t>(&value.data);
    const std::uint64_t alignment = number != nullptr ? *number : 0;
    if (alignment < 8 || alignment > kAlignmentMax || (alignment & (alignment - 1)) != 0) {
      in.fail("general.alignment must be a power of two from 8 to " +
              std::to_string(kAlignmentMax));
      return 32;
    }
    return alignment;
  }
  return 32;
}

void place_tensor(GgufCursor& in, TensorRecord& record, std::span<const std::byte> data,
                  std::uint64_t alignment) {
  const std::string name = quoted(record.tensor.name);
  if (record.offset % alignment != 0) {
    return in.fail("the data of the tensor " + name + " begins at " +
                   std::to_string(record.offset) + ", not a multiple of the alignment " +
                   std::to_string(alignment));
  }
  if (record.offset > data.size() || record.bytes > data.size() - record.offset) {
    return in.fail("the tensor " + name + " lies outside the file: it needs " +
                   std::to_string(record.bytes) + " bytes at " + std::to_string(record.offset) +
                   " of a data section of " + std::to_string(data.size()) + " bytes");
  }
  record.tensor.data =
      data.subspan(static_cast<std::size_t>(record.offset), static_cast<std::size_t>(record.bytes));
}

}  // namespace

std::size_t gguf_kind_width(GgufKind kind) {
  switch (kind) {
    case GgufKind::u8:
    case GgufKind::i8:
    case GgufKind::boolean:
      return 1;
    case GgufKind::u16:
    case GgufKind::i16:
      return 2;
    case GgufKind::u32:
    case GgufKind::i32:
    case GgufKind::f32:
      return 4;
    case GgufKind::u64:
    case GgufKind::i64:
    case GgufKind::f64:
      return 8;
    default:
      return 0;
  }
}

std::string_view gguf_kind_name(GgufKind kind) {
  constexpr std::string_view names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
  const auto index = static_cast<std::size_t>(kind);
  return index < std::size(names) ? names[index] : "unknown";
}

std::int64_t GgufArray::integer(std::size_t i) const {
  const std::byte* from = numbers + i * gguf_kind_width(kind);
  switch (kind) {
    case GgufKind::u8:
    case GgufKind::boolean:
      return load<std::uint8_t>(from);
    case GgufKind::i8:
      return load<std::int8_t>(from);
    case GgufKind::u16:
      return load<std::uint16_t>(from);
    case GgufKind::i16:
      return load<std::int16_t>(from);
    case GgufKind::u32:
      return load<std::uint32_t>(from);
    case GgufKind::i32:
      return load<std::int32_t>(from);
    case GgufKind::u64:
    case GgufKind::i64:
      return load<std::int64_t>(from);
    case GgufKind::f32:
    case GgufKind::f64: {
      const double value = real(i);
      return value >= -0x1p62 && value <= 0x1p62 ? static_cast<std::int64_t>(value) : 0;
    }
    default:
      return 0;
  }
}

double GgufArray::real(std::size_t i) const {
  if (kind == GgufKind::f32) return double{load<float>(numbers + 4 * i)};
  if (kind == GgufKind::f64) return load<double>(numbers + 8 * i);
  return static_cast<double>(integer(i));
}

EngineResult<void> GgufFile::add_part(std::span<const std::byte> bytes,
                                      const std::string& part_name) {
  GgufCursor in(bytes, part_name);
  const Counts counts = read_header(in);
  std::vector<std::pair<std::string_view, GgufValue>> entries;
  for (std::uint64_t i = 0; i < counts.keys && in.ok(); ++i) {
    const std::string_view key = in.text("a metadata key");
    if (in.ok() && (key.empty() || key.size() > kKeyBytesMax))
      in.fail("a metadata key has a bad length");
    entries.emplace_back(key, read_value(in, key));
  }
  const std::uint64_t alignment = alignment_of(in, entries);
  std::vector<TensorRecord> records;
  for (std::uint64_t i = 0; i < counts.tensors && in.ok(); ++i) records.push_back(read_tensor(in));
  if (!in.ok()) return in.error();

  const std::uint64_t begin = (in.position() + alignment - 1) / alignment * alignment;
  const auto data = begin <= bytes.size() ? bytes.subspan(static_cast<std::size_t>(begin))
                                          : std::span<const std::byte>();
  const bool first = version_ == 0;
  if (first) {
    version_ = counts.version;
    alignment_ = alignment;
    for (auto& [key, value] : entries) {
      if (!values_.emplace(key, std::move(value)).second)
        in.fail("the key " + quoted(key) + " appears twice");
      keys_.push_back(key);
    }
  }
  for (TensorRecord& record : records) {
    place_tensor(in, record, data, alignment);
    if (!tensor_index_.emplace(record.tensor.name, tensors_.size()).second) {
      in.fail("the tensor " + quoted(record.tensor.name) + " appears twice");
    }
    tensors_.push_back(record.tensor);
  }
  total_bytes_ += bytes.size();
  if (!in.ok()) return in.error();
  return {};
}

EngineResult<GgufFile> GgufFile::parse(std::span<const std::byte> bytes, std::string name) {
  GgufFile file;
  file.name_ = std::move(name);
  if (auto added = file.add_part(bytes, file.name_); !added) return added.error();
  return file;
}

}  // namespace jevons::engine
