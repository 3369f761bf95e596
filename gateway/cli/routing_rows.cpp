#include "gateway/cli/routing_rows.h"

#include <rapidjson/filereadstream.h>
#include <rapidjson/reader.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "providers/json.h"

namespace jevons {
namespace {

constexpr std::size_t line_bytes_max = 64u << 20;

struct CloseGzip {
  void operator()(gzFile_s* file) const { gzclose(file); }
};
struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// Reads plain files as well as compressed ones: zlib tells them apart.
bool next_line(gzFile_s* file, std::string& line) {
  std::array<char, 65'536> part{};
  line.clear();
  while (gzgets(file, part.data(), static_cast<int>(part.size())) != nullptr) {
    line += part.data();
    if (line.back() == '\n' || line.size() > line_bytes_max) break;
  }
  return !line.empty();
}

std::string stem_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string name = path.substr(slash == std::string::npos ? 0 : slash + 1);
  return name.substr(0, name.find('.'));
}

TrainRow row_of(const JsonView& json, const std::string& group, std::string_view line) {
  TrainRow row;
  row.group = group;
  row.set = group + "/" + std::string(json["dataset"].text());
  row.prompt = std::string(json["prompt"].text());
  if (json["tools"].is_array()) {
    row.tools = static_cast<std::int64_t>(json["tools"].size());
    // What the schemas take, near enough: the rest of the line without prompt and scores.
    const std::size_t from = line.find("\"tools\""), to = line.find("\"scores\"");
    if (from < to && to != std::string_view::npos) {
      row.schema_bytes = static_cast<std::int64_t>(to - from);
    }
  }
  const JsonView scores = json["scores"];
  for (auto score = scores.begin(); score != scores.end(); ++score) {
    if (const auto value = (*score).number()) {
      row.scores[std::string(score.key())] = std::clamp(*value, 0.0, 1.0);
    }
  }
  // Lengths are recorded in characters; a token takes about four.
  const JsonView lengths = json["out_chars"];
  for (auto length = lengths.begin(); length != lengths.end(); ++length) {
    if (const auto value = (*length).number(); value && *value > 0) {
      row.tokens[std::string(length.key())] = std::max(1.0, *value / 4);
    }
  }
  return row;
}

// Stops at the wanted number of words: the file is several hundred megabytes of text.
class VectorHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, VectorHandler> {
 public:
  VectorHandler(std::size_t count, std::vector<WordVector>& words) : count_(count), words_(words) {}

  bool Key(const char* text, rapidjson::SizeType length, bool) {
    key_.assign(text, length);
    if (key_ == "vectors" && depth_ == 1) inside_ = true;
    return true;
  }
  bool StartObject() {
    ++depth_;
    return true;
  }
  bool EndObject(rapidjson::SizeType) {
    if (--depth_ == 1) inside_ = false;
    return true;
  }
  bool StartArray() {
    numbers_.clear();
    return true;
  }
  bool Double(double value) {
    if (inside_) numbers_.push_back(static_cast<float>(value));
    return true;
  }
  bool Int(int value) { return Double(value); }
  bool Uint(unsigned value) { return Double(value); }
  bool EndArray(rapidjson::SizeType) {
    if (!inside_ || numbers_.size() < word_dimensions || !is_word()) return true;
    numbers_.resize(word_dimensions);
    words_.push_back({.word = key_, .vector = numbers_});
    return words_.size() < count_;
  }

 private:
  bool is_word() const {
    return key_.size() > 1 &&
           std::all_of(key_.begin(), key_.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  }

  std::size_t count_;
  std::vector<WordVector>& words_;
  std::string key_;
  std::vector<float> numbers_;
  int depth_ = 0;
  bool inside_ = false;
};

}  // namespace

bool read_routing_rows(const std::string& path, const std::string& split,
                       std::vector<TrainRow>& rows, std::string& why) {
  const std::unique_ptr<gzFile_s, CloseGzip> file(gzopen(path.c_str(), "rb"));
  if (!file) {
    why = path + ": cannot be read";
    return false;
  }
  const std::string group = stem_of(path);
  JsonDocument document;
  std::string line;
  for (std::size_t number = 1; next_line(file.get(), line); ++number) {
    if (line.find_first_not_of(" \r\n") == std::string::npos) continue;
    const auto parsed = document.parse(line);
    const JsonView json = document.root();
    if (!parsed || !json["prompt"].is_string() || !json["scores"].is_object()) {
      why = path + ":" + std::to_string(number) +
            ": not an object with a text 'prompt' and 'scores' by model";
      return false;
    }
    if (!split.empty() && json["split"].text() != split) continue;
    rows.push_back(row_of(json, group, line));
  }
  return true;
}

bool read_word_vectors(const std::string& path, std::size_t count, std::vector<WordVector>& words,
                       std::string& why) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rb"));
  if (!file) {
    why = path + ": cannot be read";
    return false;
  }
  std::vector<char> buffer(1u << 20);
  rapidjson::FileReadStream stream(file.get(), buffer.data(), buffer.size());
  VectorHandler handler(count, words);
  rapidjson::Reader reader;
  reader.Parse(stream, handler);
  if (words.size() < count) {
    why = path + ": only " + std::to_string(words.size()) + " words with vectors of " +
          std::to_string(word_dimensions) + " numbers or more, " + std::to_string(count) +
          " are wanted";
    return false;
  }
  return true;
}

}  // namespace jevons
