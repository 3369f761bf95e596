#include "local_engine/quant.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace jevons::engine;

namespace {

std::vector<std::byte> from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::vector<std::byte> out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<std::byte>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return out;
}

std::vector<float> decoded(TensorType type, const std::vector<std::byte>& blocks) {
  const TypeInfo& info = type_info(type);
  std::vector<float> out(blocks.size() / info.block_bytes * info.block_elements);
  decode_row(type, blocks.data(), out);
  return out;
}

constexpr TensorType kAllTypes[] = {
    TensorType::f32,  TensorType::f16,  TensorType::bf16, TensorType::q8_0, TensorType::q4_0,
    TensorType::q4_1, TensorType::q4_k, TensorType::q5_k, TensorType::q6_k, TensorType::mxfp4};

// Random blocks and single values of what the `gguf` Python package (ggml's own numbers) decodes
// them to; the plain and the position-weighted sum cover all other values.
struct Reference {
  TensorType type;
  std::string_view hex;
  std::vector<std::pair<std::size_t, double>> values;
  double sum;
  double weighted_sum;
};

std::vector<Reference> references() {
  return {
      {TensorType::q4_0,
       "c028e5f1a94106a0956a26afbccdafe562f9",
       {{0, -0.111328125},
        {1, -0.259765625},
        {15, 0.037109375},
        {16, 0.22265625},
        {31, 0.259765625}},
       0.22265625,
       20.70703125},
      {TensorType::q4_1,
       "c0288fb642276ad5ab2da7394551370e99b2d74c",
       {{0, -0.335693359375},
        {1, -0.150146484375},
        {15, 0.035400390625},
        {16, -0.261474609375},
        {31, -0.261474609375}},
       -4.953125,
       -85.474609375},
      {TensorType::q8_0,
       "c028fa48d732a1df70aca1e926115901dd06f27f8f063cd25e19a621f9bd0ccc2139",
       {{0, -0.22265625}, {1, 2.671875}, {15, 0.22265625}, {16, -0.51953125}, {31, 2.115234375}},
       1.150390625,
       42.37890625},
      {TensorType::mxfp4,
       "7c95ca7748dc03d17a88934d85527357a2",
       {{0, 0.375}, {1, -0.125}, {15, 0.125}, {16, -0.0625}, {31, -0.125}},
       4.5,
       82.75},
      {TensorType::q4_k,
       "4d186e241f223f4192c58efd5185f0711ef7677a1f132a818d882195a100b28d6b236b82481b"
       "d9fe630dc3ce3be4ebcab72f45b35223479f6e794d57037e2cfde9e15a7789781e3721a557d8"
       "e5a703296dcb81db3f65cf9c1bdc5d1d8fc83f0b0bb4db71be572209851d3d24f4c0cf83fe43"
       "63f82f4759778955f6ced681cbea7179ced2c8f814a13472ff70ce369d83",
       {{0, 0.5999336242675781},
        {1, 0.14423561096191406},
        {15, 0.5348339080810547},
        {16, 0.4046344757080078},
        {31, 0.3395347595214844},
        {32, -0.015117645263671875},
        {63, 0.7702789306640625},
        {64, 0.6838474273681641},
        {100, -1.0450115203857422},
        {127, -1.0513114929199219},
        {128, -0.6129283905029297},
        {160, -0.9059944152832031},
        {200, -0.813262939453125},
        {255, -0.6660919189453125}},
       -83.0844497680664,
       -19152.29022216797},
      {TensorType::q5_k,
       "4d186e24f318337f08cd1e614f235d3f83bc45fee9ee0403a79be118544441317c9311f85e04"
       "29b19f7ec0e156f65a3322e791b880ee995e3f0d307d2fbaf400693a179e0d027ed4e58be7a9"
       "ebc28a271d43a78855638144eb6603f7b2725de11fe6ac2f88a68182869793f0aad6ded8116e"
       "3ab51681c4a374fec70a68b3e4bdc92b387987416c17ec90963ec766888ab4b80eba7c5cfd81"
       "121bea9cee1810dfd5169faf26cd7b5c30c8aba44d972299",
       {{0, 1.7893638610839844},
        {1, 0.6112689971923828},
        {15, 1.575164794921875},
        {16, 0.8254680633544922},
        {31, 2.324861526489258},
        {32, 0.6822509765625},
        {63, 0.6822509765625},
        {64, 0.8731899261474609},
        {100, 2.207273483276367},
        {127, 1.1488780975341797},
        {128, 0.06308555603027344},
        {160, -0.8588733673095703},
        {200, -0.031917572021484375},
        {255, 0.25713157653808594}},
       218.2162857055664,
       22184.129819869995},
      {TensorType::q6_k,
       "e8c7b41b9a1d2b0f180600a974d63b6332202c998e82b2522c49c4394c7d73265b6aaf61b288"
       "fbd0aecfa766616223611e764c93aa388ffabd0a6a6412b209971e2d827076f7e49ab8fa1972"
       "71be53a3442b128cdad72bad0f8aeef42a0b9a26d74fc78f2562b8701097a55b5510543d27ed"
       "600de3200a6749307fd37899c118819af6674394c3f7aa5f93f32c810a37ca7bf1013ccdf8ab"
       "8ab4a6039954e84cbe3b3f7f1183c3df8375c517b4e786a9aadf7488f892b12191387ad86aca"
       "56d8531c927b931fe8f16e795b9b331767e75f93",
       {{0, 0.5974617004394531},
        {1, -0.5227789878845215},
        {15, -1.4189715385437012},
        {16, -0.050388336181640625},
        {31, 0.6550483703613281},
        {32, -2.078518867492676},
        {63, -2.545510768890381},
        {64, -1.7653913497924805},
        {100, -0.10797500610351562},
        {127, -0.09447813034057617},
        {128, -1.3856792449951172},
        {160, -1.8832640647888184},
        {200, 0.963676929473877},
        {255, 0.38241147994995117}},
       -37.28736877441406,
       -1721.3879356384277},
  };
}

}  // namespace

TEST_CASE("fixed blocks decode to the numbers of the reference implementation") {
  for (const Reference& reference : references()) {
    CAPTURE(type_info(reference.type).name);
    const std::vector<float> out = decoded(reference.type, from_hex(reference.hex));
    for (const auto& [index, value] : reference.values) {
      const auto at = index;  // clang captures no structured binding
      CAPTURE(at);
      CHECK(out.at(at) == doctest::Approx(value).epsilon(1e-6));
    }
    double sum = 0, weighted_sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      sum += double{out[i]};
      weighted_sum += double{out[i]} * static_cast<double>(i + 1);
    }
    CHECK(sum == doctest::Approx(reference.sum).epsilon(1e-5));
    CHECK(weighted_sum == doctest::Approx(reference.weighted_sum).epsilon(1e-5));
  }
}

TEST_CASE("halves convert both ways at the edges of their range") {
  struct {
    std::string when;
    float value;
    std::uint16_t bits;
  } rows[] = {
      {"zero", 0.0F, 0x0000},
      {"minus zero keeps its sign", -0.0F, 0x8000},
      {"one", 1.0F, 0x3c00},
      {"largest half", 65504.0F, 0x7bff},
      {"smallest normal", 0x1p-14F, 0x0400},
      {"largest subnormal", 1023 * 0x1p-24F, 0x03ff},
      {"smallest subnormal", 0x1p-24F, 0x0001},
      {"infinity", INFINITY, 0x7c00},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    CHECK(f32_to_f16(row.value) == row.bits);
    CHECK(f16_to_f32(row.bits) == row.value);
    CHECK(std::signbit(f16_to_f32(row.bits)) == std::signbit(row.value));
  }
  CHECK(f32_to_f16(65519.9F) == 0x7bff);
  CHECK(f32_to_f16(65520.0F) == 0x7c00);  // half way to the next power: to even, so infinity
  CHECK(f32_to_f16(0x1p-25F) == 0x0000);  // half of the smallest: to even
  CHECK(f32_to_f16(0x1.8p-25F) == 0x0001);
  CHECK(std::isnan(f16_to_f32(f32_to_f16(NAN))));
}

TEST_CASE("every half survives the way to float and back") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if (std::isnan(f16_to_f32(half))) continue;
    if (f32_to_f16(f16_to_f32(half)) != half) FAIL("half " << bits);
  }
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if (std::isnan(bf16_to_f32(half))) continue;
    if (f32_to_bf16(bf16_to_f32(half)) != half) FAIL("bfloat " << bits);
  }
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(NAN))));
  CHECK(f32_to_bf16(1.00390625F) == 0x3f80);  // half way: to even
}

TEST_CASE("E8M0 scales are exact powers of two down to the subnormal ones") {
  for (int e = 0; e < 255; ++e) {
    CHECK(e8m0_half(static_cast<std::uint8_t>(e)) == std::ldexp(1.0F, e - 128));
  }
}

TEST_CASE("edge scales decode without surprise") {
  for (const TensorType type : kAllTypes) {
    CAPTURE(type_info(type).name);
    const std::vector<std::byte> zeros(type_info(type).block_bytes);
    for (const float value : decoded(type, zeros)) CHECK(std::abs(value) == 0.0F);
  }
  BlockQ8_0 block;
  block.d = 1;  // the smallest subnormal half
  block.qs[0] = -128;
  float out[32];
  decode_row(TensorType::q8_0, reinterpret_cast<const std::byte*>(&block), out);
  CHECK(out[0] == -128 * 0x1p-24F);
}

TEST_CASE("encode then decode stays within the error of the format") {
  struct {
    TensorType type;
    double rmse_max;  // for values of N(0, 1)
  } rows[] = {{TensorType::f32, 0},     {TensorType::f16, 4e-4},  {TensorType::bf16, 3e-3},
              {TensorType::q8_0, 8e-3}, {TensorType::q6_k, 2e-2}, {TensorType::q5_k, 4.5e-2},
              {TensorType::q4_k, 0.09}, {TensorType::q4_1, 0.1},  {TensorType::q4_0, 0.11},
              {TensorType::mxfp4, 0.14}};
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> values(4096);
  for (float& value : values) value = normal(random);
  for (const auto& row : rows) {
    CAPTURE(type_info(row.type).name);
    std::vector<std::byte> blocks(row_bytes(row.type, values.size()));
    encode_row(row.type, values, blocks.data());
    std::vector<float> out(values.size());
    decode_row(row.type, blocks.data(), out);
    double squares = 0;
    for (std::size_t i = 0; i < out.size(); ++i) {
      squares += std::pow(double{out[i]} - double{values[i]}, 2);
    }
    const double rmse = std::sqrt(squares / static_cast<double>(out.size()));
    CHECK(rmse <= row.rmse_max);
    CHECK(rmse >= row.rmse_max / 4);  // the limit means something
  }
}

TEST_CASE("encoding survives values it cannot scale well") {
  struct {
    std::string when;
    float value;
  } rows[] = {{"all zero", 0.0F}, {"all equal", 3.5F}, {"all equal and negative", -2.25F},
              {"tiny", 1e-30F},   {"large", 3e4F},     {"the smallest float", 1e-45F}};
  for (const TensorType type : kAllTypes) {
    for (const auto& row : rows) {
      CAPTURE(type_info(type).name);
      CAPTURE(row.when);
      const std::vector<float> values(256, row.value);
      std::vector<std::byte> blocks(row_bytes(type, values.size()));
      encode_row(type, values, blocks.data());
      std::vector<float> out(values.size());
      decode_row(type, blocks.data(), out);
      for (const float value : out) {
        REQUIRE(std::isfinite(value));
        REQUIRE(std::abs(value - row.value) <= 0.26F * std::abs(row.value) + 1e-7F);
      }
    }
  }
}

TEST_CASE("six-bit scales and mins unpack from all twelve bytes") {
  // Group g has scale 8g + 1 and min 63 - 7g.
  std::uint8_t packed[12] = {};
  for (unsigned g = 0; g < 8; ++g) {
    const unsigned scale = 8 * g + 1, min = 63 - 7 * g;
    if (g < 4) {
      packed[g] = static_cast<std::uint8_t>(packed[g] | scale);
      packed[g + 4] = static_cast<std::uint8_t>(packed[g + 4] | min);
    } else {
      packed[g + 4] = static_cast<std::uint8_t>((scale & 15) | ((min & 15) << 4));
      packed[g - 4] = static_cast<std::uint8_t>(packed[g - 4] | ((scale >> 4) << 6));
      packed[g] = static_cast<std::uint8_t>(packed[g] | ((min >> 4) << 6));
    }
  }
  for (std::size_t g = 0; g < 8; ++g) {
    CHECK(scale_min_k4(g, packed).scale == 8 * g + 1);
    CHECK(scale_min_k4(g, packed).min == 63 - 7 * g);
  }
}

TEST_CASE("types are named, also those we refuse") {
  CHECK(type_name(12) == "Q4_K");
  CHECK(type_name(16) == "IQ2_XXS");
  CHECK(type_name(39) == "MXFP4");
  CHECK(type_name(4711) == "unknown type 4711");
  CHECK(find_type(16) == nullptr);
  for (const TensorType type : kAllTypes) {
    const auto raw = static_cast<std::uint32_t>(type);
    CHECK(type_name(raw) == type_info(type).name);
    CHECK(find_type(raw) == &type_info(type));
  }
  CHECK(row_bytes(TensorType::q4_0, 64) == 36);
  CHECK(row_bytes(TensorType::q6_k, 512) == 420);
}
