// The writing half of gguf.h.
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "local_engine/gguf.h"
#include "local_engine/gguf_cursor.h"

namespace jevons::engine {
namespace {

template <class T>
void append(std::string& out, T value) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out.append(raw, sizeof(T));
}

template <class T>
std::string packed(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

std::uint64_t padding(std::uint64_t size, std::uint64_t alignment) {
  return (alignment - size % alignment) % alignment;
}

std::string scalar_payload(const GgufValue& value) {
  std::string out;
  if (const auto* number = std::get_if<double>(&value.data)) {
    value.kind == GgufKind::f32 ? append(out, static_cast<float>(*number)) : append(out, *number);
    return out;
  }
  if (const auto* number = std::get_if<std::uint64_t>(&value.data)) append(out, *number);
  if (const auto* number = std::get_if<std::int64_t>(&value.data)) append(out, *number);
  out.resize(gguf_kind_width(value.kind));  // little-endian: the low bytes are the number
  return out;
}

}  // namespace

GgufWriter::Entry& GgufWriter::entry(std::string key, GgufKind kind) {
  std::erase_if(entries_, [&](const Entry& old) { return old.key == key; });
  Entry added;
  added.key = std::move(key);
  added.kind = kind;
  entries_.push_back(std::move(added));
  return entries_.back();
}

void GgufWriter::set_u16(std::string key, std::uint16_t value) {
  append(entry(std::move(key), GgufKind::u16).payload, value);
}
void GgufWriter::set_u32(std::string key, std::uint32_t value) {
  append(entry(std::move(key), GgufKind::u32).payload, value);
}
void GgufWriter::set_u64(std::string key, std::uint64_t value) {
  append(entry(std::move(key), GgufKind::u64).payload, value);
}
void GgufWriter::set_i32(std::string key, std::int32_t value) {
  append(entry(std::move(key), GgufKind::i32).payload, value);
}
void GgufWriter::set_f32(std::string key, float value) {
  append(entry(std::move(key), GgufKind::f32).payload, value);
}
void GgufWriter::set_bool(std::string key, bool value) {
  append(entry(std::move(key), GgufKind::boolean).payload, static_cast<std::uint8_t>(value));
}
void GgufWriter::set_string(std::string key, std::string_view value) {
  entry(std::move(key), GgufKind::string).strings.emplace_back(value);
}

void GgufWriter::set_strings(std::string key, const std::vector<std::string>& values) {
  Entry& array = entry(std::move(key), GgufKind::array);
  array.element = GgufKind::string;
  array.count = values.size();
  array.strings = values;
}

void GgufWriter::set_i32s(std::string key, std::span<const std::int32_t> values) {
  Entry& array = entry(std::move(key), GgufKind::array);
  array.element = GgufKind::i32;
  array.count = values.size();
  array.payload = packed(values);
}

void GgufWriter::set_u32s(std::string key, std::span<const std::uint32_t> values) {
  Entry& array = entry(std::move(key), GgufKind::array);
  array.element = GgufKind::u32;
  array.count = values.size();
  array.payload = packed(values);
}

void GgufWriter::set_f32s(std::string key, std::span<const float> values) {
  Entry& array = entry(std::move(key), GgufKind::array);
  array.element = GgufKind::f32;
  array.count = values.size();
  array.payload = packed(values);
}

void GgufWriter::set_bools(std::string key, const std::vector<bool>& values) {
  Entry& array = entry(std::move(key), GgufKind::array);
  array.element = GgufKind::boolean;
  array.count = values.size();
  for (const bool value : values) array.payload += value ? '\1' : '\0';
}

void GgufWriter::copy_value(std::string key, const GgufValue& value) {
  Entry& copy = entry(std::move(key), value.kind);
  if (const auto* array = std::get_if<GgufArray>(&value.data)) {
    copy.element = array->kind;
    copy.count = array->count;
    copy.strings.assign(array->strings.begin(), array->strings.end());
    if (array->numbers != nullptr) {
      copy.payload.assign(reinterpret_cast<const char*>(array->numbers),
                          array->count * gguf_kind_width(array->kind));
    }
  } else if (const auto* text = std::get_if<std::string_view>(&value.data)) {
    copy.strings.emplace_back(*text);
  } else {
    copy.payload = scalar_payload(value);
  }
}

void GgufWriter::add_tensor(std::string name, TensorType type, std::vector<std::uint64_t> dims,
                            Fill fill) {
  Tensor tensor{std::move(name), type, std::move(dims), 0, std::move(fill)};
  tensor.bytes = row_bytes(type, static_cast<std::size_t>(tensor.dims.at(0)));
  for (std::size_t i = 1; i < tensor.dims.size(); ++i) tensor.bytes *= tensor.dims[i];
  tensors_.push_back(std::move(tensor));
}

void GgufWriter::add_tensor(std::string name, TensorType type, std::vector<std::uint64_t> dims,
                            std::vector<float> values) {
  add_tensor(std::move(name), type, std::move(dims),
             [type, values = std::move(values)](std::span<std::byte> out) {
               encode_row(type, values, out.data());
             });
}

void GgufWriter::append_length(std::string& out, std::uint64_t length) const {
  version_ == 1 ? append(out, static_cast<std::uint32_t>(length)) : append(out, length);
}

void GgufWriter::append_text(std::string& out, std::string_view text) const {
  append_length(out, text.size());
  out += text;
}

void GgufWriter::append_entry(std::string& out, const Entry& entry) const {
  append_text(out, entry.key);
  append(out, static_cast<std::uint32_t>(entry.kind));
  if (entry.kind == GgufKind::array) {
    append(out, static_cast<std::uint32_t>(entry.element));
    append_length(out, entry.count);
  }
  for (const std::string& text : entry.strings) append_text(out, text);
  out += entry.payload;
}

std::string GgufWriter::header() const {
  std::string out = "GGUF";
  append(out, version_);
  append_length(out, tensors_.size());
  append_length(out, entries_.size() + (alignment_ == 32 ? 0 : 1));
  for (const Entry& entry : entries_) append_entry(out, entry);
  if (alignment_ != 32) {
    Entry alignment;
    alignment.key = "general.alignment";
    alignment.kind = GgufKind::u32;
    append(alignment.payload, alignment_);
    append_entry(out, alignment);
  }
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    append_text(out, tensor.name);
    append(out, static_cast<std::uint32_t>(tensor.dims.size()));
    for (const std::uint64_t dim : tensor.dims) append_length(out, dim);
    append(out, static_cast<std::uint32_t>(tensor.type));
    append(out, offset);
    offset += tensor.bytes + padding(tensor.bytes, alignment_);
  }
  out.append(padding(out.size(), alignment_), '\0');
  return out;
}

bool GgufWriter::emit(const Sink& sink) const {
  const std::string head = header();
  if (!sink(std::as_bytes(std::span(head)))) return false;
  std::vector<std::byte> data;
  for (const Tensor& tensor : tensors_) {
    data.assign(tensor.bytes + padding(tensor.bytes, alignment_), std::byte{0});
    tensor.fill(std::span(data).first(tensor.bytes));
    if (!sink(data)) return false;
  }
  return true;
}

std::vector<std::byte> GgufWriter::bytes() const {
  std::vector<std::byte> out;
  emit([&](std::span<const std::byte> part) {
    out.insert(out.end(), part.begin(), part.end());
    return true;
  });
  return out;
}

EngineResult<void> GgufWriter::write(const std::string& path) const {
  const auto failed = [&] {
    return EngineError(EngineFault::io, path + ": cannot write: " + std::strerror(errno));
  };
  std::FILE* file = std::fopen(path.c_str(), "wbe");
  if (file == nullptr) return failed();
  const bool written = emit([&](std::span<const std::byte> part) {
    return std::fwrite(part.data(), 1, part.size(), file) == part.size();
  });
  const EngineError write_error = failed();
  if (std::fclose(file) != 0) return failed();
  if (!written) return write_error;
  return {};
}

}  // namespace jevons::engine
