#include "local_engine/gguf.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <numeric>

using namespace jevons::engine;

namespace {

struct TempFolder {
  TempFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "jevons-gguf-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  std::filesystem::path path;
};

GgufWriter small_model() {
  GgufWriter writer;
  writer.set_string("general.architecture", "llama");
  writer.set_u32("llama.block_count", 2);
  writer.set_i32("a.negative", -7);
  writer.set_u16("a.short", 65535);
  writer.set_u64("a.long", 1ULL << 40);
  writer.set_f32("llama.rope.freq_base", 10000.5F);
  writer.set_bool("a.flag", true);
  writer.set_strings("tokenizer.ggml.tokens", {"a", "", "\xc3\xa9"});
  writer.set_f32s("tokenizer.ggml.scores", std::vector<float>{0.5F, -1.0F});
  writer.set_i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, -3});
  writer.set_u32s("a.counts", std::vector<std::uint32_t>{4000000000U});
  writer.set_bools("a.flags", {true, false, true});
  std::vector<float> values(96);
  std::iota(values.begin(), values.end(), -40.0F);
  writer.add_tensor("blk.0.w", TensorType::f32, {3, 2, 2},
                    std::vector<float>(values.begin(), values.begin() + 12));
  writer.add_tensor("blk.0.q", TensorType::q8_0, {32, 3}, values);
  return writer;
}

GgufFile parsed(std::span<const std::byte> bytes) {
  auto file = GgufFile::parse(bytes, "m.gguf");
  REQUIRE_MESSAGE(file.has_value(), file.error().message());
  return std::move(*file);
}

std::string message_of(std::span<const std::byte> bytes) {
  const auto file = GgufFile::parse(bytes, "m.gguf");
  return file.has_value() ? "accepted" : file.error().message();
}

template <class T>
void patch(std::vector<std::byte>& bytes, std::size_t at, T value) {
  REQUIRE(at + sizeof(T) <= bytes.size());
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

std::size_t find_text(const std::vector<std::byte>& bytes, std::string_view text) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t at = all.find(text);
  REQUIRE(at != std::string_view::npos);
  return at;
}

}  // namespace

TEST_CASE("a written model reads back in every version and alignment") {
  for (const std::uint32_t version : {1U, 2U, 3U}) {
    for (const std::uint32_t alignment : {32U, 8U, 4096U}) {
      CAPTURE(version);
      CAPTURE(alignment);
      GgufWriter writer = small_model();
      writer.set_version(version);
      writer.set_alignment(alignment);
      const std::vector<std::byte> bytes = writer.bytes();
      const GgufFile file = parsed(bytes);
      CHECK(file.version() == version);
      CHECK(file.alignment() == alignment);
      CHECK(file.string("general.architecture").value() == "llama");
      CHECK(file.u64("llama.block_count").value() == 2);
      CHECK(file.i64("a.negative").value() == -7);
      CHECK(file.u64("a.short").value() == 65535);
      CHECK(file.u64("a.long").value() == 1ULL << 40);
      CHECK(file.f64("llama.rope.freq_base").value() == 10000.5);
      CHECK(file.f64("llama.block_count").value() == 2.0);
      CHECK(file.boolean("a.flag").value());
      const GgufArray& tokens = *file.array("tokenizer.ggml.tokens").value();
      CHECK(tokens.strings == std::vector<std::string_view>{"a", "", "\xc3\xa9"});
      CHECK(file.array("tokenizer.ggml.scores").value()->real(1) == -1.0);
      CHECK(file.array("tokenizer.ggml.token_type").value()->integer(1) == -3);
      CHECK(file.array("a.counts").value()->integer(0) == 4000000000);
      CHECK(file.array("a.flags").value()->integer(2) == 1);
      REQUIRE(file.tensors().size() == 2);
      const GgufTensor* plain = file.find_tensor("blk.0.w");
      REQUIRE(plain != nullptr);
      CHECK(plain->rows() == 4);
      CHECK(plain->elements() == 12);
      float first = 0;
      std::memcpy(&first, plain->data.data(), sizeof(first));
      CHECK(first == -40.0F);
      const GgufTensor* packed = file.find_tensor("blk.0.q");
      REQUIRE(packed != nullptr);
      CHECK(packed->data.size() == 3 * 34);
      std::vector<float> row(32);
      decode_row(packed->type, packed->data.data() + 34, row);
      CHECK(row[31] == doctest::Approx(23.0).epsilon(0.01));
    }
  }
}

TEST_CASE("metadata copied to another file is the same metadata") {
  const std::vector<std::byte> bytes = small_model().bytes();
  const GgufFile original = parsed(bytes);
  GgufWriter writer;
  for (const std::string_view key : original.keys()) {
    writer.copy_value(std::string(key), *original.find(key));
  }
  const std::vector<std::byte> copied = writer.bytes();
  const GgufFile copy = parsed(copied);
  CHECK(copy.keys() == original.keys());
  CHECK(copy.i64("a.negative").value() == -7);
  CHECK(copy.f64("llama.rope.freq_base").value() == 10000.5);
  CHECK(copy.array("tokenizer.ggml.tokens").value()->strings.size() == 3);
  CHECK(copy.array("a.flags").value()->integer(0) == 1);
}

TEST_CASE("look-ups say which key is missing or of the wrong kind") {
  const std::vector<std::byte> bytes = small_model().bytes();
  const GgufFile file = parsed(bytes);
  CHECK(file.u64("a.missing").error().message() == "m.gguf: a.missing is missing");
  CHECK(file.u64("a.flag").error().message() ==
        "m.gguf: a.flag is of kind bool, expected a whole number");
  CHECK(file.u64("a.negative").error().message() ==
        "m.gguf: a.negative is -7, expected a number that is not negative");
  CHECK(file.string("a.long").error().message() ==
        "m.gguf: a.long is of kind u64, expected a string");
  CHECK(file.array("a.long").error().message() ==
        "m.gguf: a.long is of kind u64, expected an array");
  CHECK(file.f64("general.architecture").error().message() ==
        "m.gguf: general.architecture is of kind string, expected a number");
  CHECK(file.boolean("a.long").error().message() ==
        "m.gguf: a.long is of kind u64, expected a boolean");
  CHECK(file.u64_or("a.missing", 5).value() == 5);
  CHECK(file.f64_or("a.missing", 0.5).value() == 0.5);
  CHECK(file.boolean_or("a.missing", true).value());
  CHECK(file.string_or("a.missing", "x").value() == "x");
  CHECK(file.u64_or("general.architecture", 5).has_error());
}

TEST_CASE("a file that lies about its contents is refused with the place") {
  const std::vector<std::byte> good = small_model().bytes();
  struct Row {
    std::string when;
    std::function<void(std::vector<std::byte>&)> damage;
    std::string message;
  };
  const auto entry_of = [](const std::vector<std::byte>& bytes, std::string_view tensor) {
    return find_text(bytes, tensor) + tensor.size();  // dim count, dims, type, offset follow
  };
  const Row rows[] = {
      {"another magic", [](auto& b) { patch(b, 0, 'X'); },
       "m.gguf: this is not a GGUF file (it does not begin with \"GGUF\") (at byte 4)"},
      {"a later version", [](auto& b) { patch(b, 4, 4U); },
       "m.gguf: GGUF version 4 is not supported (1 to 3 are) (at byte 8)"},
      {"big-endian", [](auto& b) { patch(b, 4, 0x03000000U); },
       "m.gguf: the file is big-endian, which is not supported (at byte 8)"},
      {"too many tensors", [](auto& b) { patch(b, 8, ~0ULL); },
       "m.gguf: the header claims 18446744073709551615 tensors, more than the file can hold (at "
       "byte 24)"},
      {"too many keys", [](auto& b) { patch(b, 16, 65000ULL); },
       "m.gguf: the header claims 65000 metadata entries, more than the file can hold (at byte "
       "24)"},
      {"a key longer than the file", [](auto& b) { patch(b, 24, ~0ULL); },
       "m.gguf: the file ends inside a metadata key (at byte 32)"},
      {"an unknown kind", [](auto& b) { patch(b, find_text(b, "a.flag") + 6, 13U); },
       "m.gguf: the value of 'a.flag' has unknown kind 13 (at byte 229)"},
      {"a boolean of 2", [](auto& b) { patch(b, find_text(b, "a.flag") + 10, std::uint8_t{2}); },
       "m.gguf: the boolean 'a.flag' is 2 (at byte 230)"},
      {"an array longer than the file",
       [](auto& b) { patch(b, find_text(b, "a.counts") + 16, 1ULL << 61); },
       "m.gguf: the array 'a.counts' claims 2305843009213693952 elements, more than the file can "
       "hold (at byte 444)"},
      {"an array of arrays", [](auto& b) { patch(b, find_text(b, "a.counts") + 12, 9U); },
       "m.gguf: the array 'a.counts' has elements of unsupported kind 9 (at byte 444)"},
      {"a type we do not read", [&](auto& b) { patch(b, entry_of(b, "blk.0.q") + 20, 16U); },
       "m.gguf: the tensor 'blk.0.q' has type IQ2_XXS, which is not supported (at byte 584)"},
      {"five dimensions", [&](auto& b) { patch(b, entry_of(b, "blk.0.q"), 5U); },
       "m.gguf: the tensor 'blk.0.q' has 5 dimensions (1 to 4 are possible) (at byte 556)"},
      {"an empty dimension", [&](auto& b) { patch(b, entry_of(b, "blk.0.q") + 12, 0ULL); },
       "m.gguf: the tensor 'blk.0.q' has an empty dimension (at byte 572)"},
      {"a broken block", [&](auto& b) { patch(b, entry_of(b, "blk.0.q") + 4, 33ULL); },
       "m.gguf: the tensor 'blk.0.q' has rows of 33 values, not a multiple of the 32 of a Q8_0 "
       "block (at byte 584)"},
      {"a size beyond 64 bits",
       [&](auto& b) {
         patch(b, entry_of(b, "blk.0.q") + 4, 1ULL << 40);
         patch(b, entry_of(b, "blk.0.q") + 12, 1ULL << 40);
       },
       "m.gguf: the size of the tensor 'blk.0.q' overflows 64 bits (at byte 584)"},
      {"data beyond the end", [&](auto& b) { patch(b, entry_of(b, "blk.0.q") + 24, 1ULL << 40); },
       "m.gguf: the tensor 'blk.0.q' lies outside the file: it needs 102 bytes at 1099511627776 "
       "of a data section of 192 bytes (at byte 584)"},
      {"an offset that wraps", [&](auto& b) { patch(b, entry_of(b, "blk.0.q") + 24, ~31ULL); },
       "m.gguf: the tensor 'blk.0.q' lies outside the file: it needs 102 bytes at "
       "18446744073709551584 of a data section of 192 bytes (at byte 584)"},
      {"an unaligned offset", [&](auto& b) { patch(b, entry_of(b, "blk.0.q") + 24, 65ULL); },
       "m.gguf: the data of the tensor 'blk.0.q' begins at 65, not a multiple of the alignment 32 "
       "(at byte 584)"},
      {"two tensors of one name", [&](auto& b) { patch(b, entry_of(b, "blk.0.w") - 1, 'q'); },
       "m.gguf: the tensor 'blk.0.q' appears twice (at byte 584)"},
      {"one key twice",
       [](auto& b) { std::memcpy(b.data() + find_text(b, "a.long"), "a.flag", 6); },
       "m.gguf: the key 'a.flag' appears twice (at byte 584)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.when);
    std::vector<std::byte> bytes = good;
    row.damage(bytes);
    CHECK(message_of(bytes) == row.message);
  }
}

TEST_CASE("an alignment that is no power of two is refused") {
  GgufWriter writer = small_model();
  writer.set_u32("general.alignment", 24);
  CHECK(message_of(writer.bytes()).find("general.alignment must be a power of two from 8") !=
        std::string::npos);
}

TEST_CASE("every shorter file is refused, none crashes") {
  const std::vector<std::byte> good = small_model().bytes();
  const std::size_t padding_at_end = 26;  // behind the last tensor, the only bytes one can spare
  for (std::size_t size = 0; size + padding_at_end < good.size(); ++size) {
    // A copy of exactly that size, so that the address sanitizer sees one byte too far.
    const std::vector<std::byte> part(good.begin(), good.begin() + static_cast<long>(size));
    if (message_of(part) == "accepted") FAIL("accepted at " << size);
  }
  CHECK(message_of(good) == "accepted");
}

TEST_CASE("a file is mapped, and says so when it cannot be") {
  const TempFolder folder;
  const std::string path = folder.file("m.gguf");
  REQUIRE(small_model().write(path).has_value());
  const auto file = GgufFile::open(path);
  REQUIRE(file.has_value());
  CHECK(file->tensors().size() == 2);
  CHECK(file->total_bytes() == std::filesystem::file_size(path));
  CHECK(GgufFile::open(folder.file("none")).error().message() ==
        folder.file("none") + ": cannot open: No such file or directory");
  CHECK(GgufFile::open(folder.path.string()).error().message() ==
        folder.path.string() + ": not a regular file");
  REQUIRE(fclose(fopen(folder.file("empty").c_str(), "w")) == 0);
  CHECK(GgufFile::open(folder.file("empty")).error().message() ==
        folder.file("empty") + ": the file is empty");
  CHECK(small_model().write(folder.file("no/such/folder")).error().fault() == EngineFault::io);
}

namespace {

// Part `number` (from 1) of `count`, with one tensor.
void write_part(const std::string& path, unsigned number, unsigned count, std::int32_t total) {
  GgufWriter writer;
  if (number == 1) writer.set_string("general.architecture", "llama");
  writer.set_u16("split.no", static_cast<std::uint16_t>(number - 1));
  writer.set_u16("split.count", static_cast<std::uint16_t>(count));
  writer.set_i32("split.tensors.count", total);
  writer.add_tensor("t" + std::to_string(number), TensorType::f32, {4},
                    std::vector<float>(4, static_cast<float>(number)));
  REQUIRE(writer.write(path).has_value());
}

}  // namespace

TEST_CASE("a split model opens as one") {
  const TempFolder folder;
  const std::string prefix = folder.file("big");
  for (unsigned part = 1; part <= 3; ++part) {
    write_part(gguf_split_name(prefix, part, 3), part, 3, 3);
  }
  const auto file = GgufFile::open(prefix + "-00001-of-00003.gguf");
  REQUIRE_MESSAGE(file.has_value(), file.error().message());
  REQUIRE(file->tensors().size() == 3);
  float value = 0;
  std::memcpy(&value, file->find_tensor("t3")->data.data(), sizeof(value));
  CHECK(value == 3.0F);
  CHECK(file->string("general.architecture").value() == "llama");

  const std::string second = gguf_split_name(prefix, 2, 3);
  CHECK(GgufFile::open(second).error().message() ==
        second + ": this is part 2 of 3; open the first part");
  std::filesystem::remove(second);
  CHECK(GgufFile::open(gguf_split_name(prefix, 1, 3)).error().message() ==
        second + ": cannot open: No such file or directory");
}

TEST_CASE("a split model with false names or counts is refused") {
  const TempFolder folder;
  const std::string alone = folder.file("alone.gguf");
  write_part(alone, 1, 2, 2);
  CHECK(GgufFile::open(alone).error().message() ==
        alone + ": a file of 2 parts must be named NAME-00001-of-00002.gguf");
  const std::string first = gguf_split_name(folder.file("x"), 1, 2);
  write_part(first, 1, 2, 5);
  write_part(gguf_split_name(folder.file("x"), 2, 2), 2, 2, 5);
  CHECK(GgufFile::open(first).error().message() ==
        first + ": split.tensors.count is 5 but the parts hold 2 tensors");
}
