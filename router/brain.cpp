#include "router/brain.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace jevons {
namespace {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian");

constexpr std::string_view magic = "JEVONSW\n";
constexpr std::size_t words_max = 40'000;
constexpr float number_max = 1e6f;

std::uint64_t hash_of(std::string_view bytes) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

template <class T>
void put(std::string& out, const T* values, std::size_t count) {
  out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

// Reads values one after the other; says when the bytes were not enough.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  bool get(T* values, std::size_t count) {
    const std::size_t size = count * sizeof(T);
    if (bytes_.size() < size) return false;
    if (size > 0) std::memcpy(values, bytes_.data(), size);  // no values may have no address
    bytes_.remove_prefix(size);
    return true;
  }
  // The bytes themselves, which need no alignment.
  bool lend(std::span<const std::int8_t>& values, std::size_t count) {
    if (bytes_.size() < count) return false;
    values = {reinterpret_cast<const std::int8_t*>(bytes_.data()), count};
    bytes_.remove_prefix(count);
    return true;
  }
  bool finished() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

bool all_finite(const BrainWeights& w) {
  const auto finite = [](const auto& values) {
    return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
  };
  return finite(w.mean) && finite(w.scale) && std::isfinite(w.ease_mean) &&
         std::all_of(w.maps.begin(), w.maps.end(), finite);
}

// Sums of products of such numbers stay finite.
bool all_small(const BrainWeights& w) {
  const auto small = [](const auto& values) {
    return std::all_of(values.begin(), values.end(),
                       [](float x) { return std::abs(x) <= number_max; });
  };
  return small(w.mean) && small(w.scale) && std::all_of(w.maps.begin(), w.maps.end(), small);
}

std::string payload_of(const BrainWeights& w) {
  std::string out;
  const auto count = static_cast<std::uint32_t>(w.words.hashes.size());
  put(out, &count, 1);
  put(out, w.words.hashes.data(), w.words.hashes.size());
  put(out, w.words.all_vectors().data(), w.words.all_vectors().size());
  put(out, w.mean.data(), w.mean.size());
  put(out, w.scale.data(), w.scale.size());
  for (const auto& map : w.maps) put(out, map.data(), map.size());
  put(out, &w.ease_mean, 1);
  return out;
}

// Leaves the word vectors where they are.
bool read_payload(std::string_view bytes, BrainWeights& w) {
  Reader reader(bytes);
  std::uint32_t count = 0;
  if (!reader.get(&count, 1) || count > words_max) return false;
  w.words.hashes.resize(count);
  bool good = reader.get(w.words.hashes.data(), w.words.hashes.size()) &&
              reader.lend(w.words.lent, count * word_dimensions) &&
              reader.get(w.mean.data(), w.mean.size()) &&
              reader.get(w.scale.data(), w.scale.size());
  for (auto& map : w.maps) good = good && reader.get(map.data(), map.size());
  return good && reader.get(&w.ease_mean, 1) && reader.finished();
}

std::string id_of(std::uint64_t hash) {
  std::string id = "w" + std::to_string(weights_version) + "-";
  for (int shift = 60; shift >= 0; shift -= 4) id += "0123456789abcdef"[(hash >> shift) & 15];
  return id;
}

Error bad(std::string what) { return Error(Fault::config, "weights: " + std::move(what)); }

}  // namespace

std::string weight_file(const BrainWeights& weights) {
  const std::string payload = payload_of(weights);
  const std::uint64_t hash = hash_of(payload);
  std::string out(magic);
  put(out, &weights_version, 1);
  put(out, &hash, 1);
  return out + payload;
}

Result<Brain> Brain::load(std::string_view bytes) { return load(bytes, Vectors::copied); }

Result<Brain> Brain::load_in_place(std::string_view bytes) { return load(bytes, Vectors::lent); }

Result<Brain> Brain::load(std::string_view bytes, Vectors vectors) {
  if (bytes.substr(0, magic.size()) != magic) return bad("this is not a weight file");
  Reader head(bytes.substr(magic.size()));
  std::uint32_t version = 0;
  std::uint64_t hash = 0;
  if (!head.get(&version, 1) || !head.get(&hash, 1)) return bad("the file ends in its header");
  if (version != weights_version) {
    return bad("version " + std::to_string(version) + ", this program reads version " +
               std::to_string(weights_version) + "; train again or use the built-in weights");
  }
  const std::string_view payload = bytes.substr(magic.size() + sizeof version + sizeof hash);
  if (hash_of(payload) != hash) return bad("the content does not match its hash");
  BrainWeights weights;
  if (!read_payload(payload, weights)) return bad("the content has another size than it says");
  if (!all_finite(weights)) return bad("a number is not finite");
  if (!all_small(weights)) return bad("a number is beyond 1,000,000");
  if (vectors == Vectors::copied) {
    weights.words.vectors.assign(weights.words.lent.begin(), weights.words.lent.end());
    weights.words.lent = {};
  }
  weights.words.index();
  return Brain(std::move(weights), id_of(hash));
}

BrainAnswer Brain::ask(const Features& features) const {
  return ask(brain_inputs_of(features, weights_.words));
}

BrainAnswer Brain::ask(const BrainInputs& inputs) const {
  BrainInputs x;
  BrainAnswer answer;
  for (std::size_t i = 0; i < brain_inputs; ++i) {
    x[i] = std::clamp((inputs[i] - weights_.mean[i]) * weights_.scale[i], -3.0f, 3.0f);
    answer.trunk[i] = static_cast<std::int8_t>(x[i] * float{trunk_scale});
  }
  const std::size_t own = block_size * (1 + static_cast<std::size_t>(text_kind_of(inputs)));
  std::array<double, brain_outputs> out{};
  for (std::size_t o = 0; o < brain_outputs; ++o) {
    const auto& map = weights_.maps[o];
    float sum = map[brain_inputs] + map[own + brain_inputs];
    for (std::size_t i = 0; i < brain_inputs; ++i) sum += x[i] * (map[i] + map[own + i]);
    out[o] = static_cast<double>(sum);
  }
  answer.ease = std::clamp(out[0], 0.02, 0.98);
  answer.gain = std::clamp(out[1], -1.0, 1.0);
  answer.length = std::clamp(out[2], -2.0, 2.0);
  answer.seen = static_cast<double>(inputs[dense_inputs - 4]);
  return answer;
}

}  // namespace jevons
