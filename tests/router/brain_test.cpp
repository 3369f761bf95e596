#include "router/brain.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "router/decision.h"
#include "router/judge.h"
#include "router/train.h"

using namespace jevons;

namespace {

// Words a few letters long, each with a direction of its own.
std::vector<WordVector> toy_words() {
  std::vector<WordVector> words;
  for (const char* word : {"the", "prove", "lemma", "hello", "poem", "river"}) {
    WordVector one{.word = word, .vector = std::vector<float>(word_dimensions, 0.1f)};
    one.vector[words.size()] = 1;
    words.push_back(one);
  }
  return words;
}

BrainWeights toy_weights() {
  BrainWeights weights;
  weights.words = word_table_of(toy_words());
  weights.scale.fill(1);
  weights.maps[1][brain_inputs] = 0.2f;
  return weights;
}

std::string message_of(const std::string& bytes) {
  const auto brain = Brain::load(bytes);
  return brain ? "good" : brain.error().message();
}

}  // namespace

TEST_CASE("weights: what was written is read") {
  const std::string bytes = weight_file(toy_weights());
  const auto brain = Brain::load(bytes);
  REQUIRE(brain.has_value());
  CHECK(weight_file(brain->weights()) == bytes);
  CHECK(brain->id().size() == 19);
  CHECK(brain->id().substr(0, 3) == "w2-");
  CHECK(brain->ask(features_of_prompt("hello", 0, 0)).gain == doctest::Approx(0.2));
}

TEST_CASE("weights: what cannot be used is refused with its reason") {
  const std::string good = weight_file(toy_weights());
  CHECK(message_of("") == "weights: this is not a weight file");
  CHECK(message_of("PK\x03\x04 something else") == "weights: this is not a weight file");
  CHECK(message_of(good.substr(0, 12)) == "weights: the file ends in its header");
  CHECK(message_of(good.substr(0, good.size() - 1)) ==
        "weights: the content does not match its hash");
  std::string flipped = good;
  flipped[good.size() / 2] ^= 1;
  CHECK(message_of(flipped) == "weights: the content does not match its hash");
  std::string newer = good;
  newer[8] = 9;
  CHECK(message_of(newer) ==
        "weights: version 9, this program reads version 2; train again or use the built-in "
        "weights");
  BrainWeights broken = toy_weights();
  broken.maps[0][3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(message_of(weight_file(broken)) == "weights: a number is not finite");
  broken = toy_weights();
  broken.ease_mean = std::numeric_limits<float>::infinity();
  CHECK(message_of(weight_file(broken)) == "weights: a number is not finite");
  broken = toy_weights();
  broken.scale[5] = 1e30f;
  CHECK(message_of(weight_file(broken)) == "weights: a number is beyond 1,000,000");
  broken = toy_weights();
  broken.words.vectors.pop_back();
  CHECK(message_of(weight_file(broken)) == "weights: the content has another size than it says");
}

TEST_CASE("weights: read in place, the word vectors stay in the bytes and mean the same") {
  const std::string file = weight_file(toy_weights());
  const auto copied = Brain::load(file), in_place = Brain::load_in_place(file);
  REQUIRE(copied.has_value());
  REQUIRE(in_place.has_value());
  CHECK(in_place->weights().words.vectors.empty());
  const char* lent = reinterpret_cast<const char*>(in_place->weights().words.all_vectors().data());
  CHECK(lent > file.data());
  CHECK(lent < file.data() + file.size());
  CHECK(weight_file(in_place->weights()) == file);
  CHECK(in_place->id() == copied->id());
  const Features features = features_of_prompt("alpha beta gamma", 0, 0);
  CHECK(in_place->ask(features).ease == copied->ask(features).ease);
}

TEST_CASE("weights: the built-in file loads and is named") {
  CHECK(builtin_brain_error() == "");
  REQUIRE(builtin_brain() != nullptr);
  CHECK(weights_id() == builtin_brain()->id());
}

TEST_CASE("weights: words are found whatever their case, and unknown words are not") {
  const WordTable table = word_table_of(toy_words());
  const auto seen = [&table](const std::string& text) {
    return brain_inputs_of(features_of_prompt(text, 0, 0), table)[dense_inputs - 4];
  };
  CHECK(seen("prove LEMMA") == doctest::Approx(1));
  CHECK(seen("prove xyzzy") == doctest::Approx(0.5));
  CHECK(seen("") == doctest::Approx(0));
  CHECK(seen("你好") == doctest::Approx(0));
}

TEST_CASE("judging: without usable weights the static rule stands") {
  const Features features = features_of_prompt("Prove the lemma about rivers.", 0, 0);
  const Judgement judgement = judge(features, Task::reasoning, nullptr);
  CHECK_FALSE(judgement.from_brain);
  CHECK(judgement.difficulty > 0.5);
}

TEST_CASE("judging: text that the weights hardly know is left to the static rule") {
  const Brain brain(toy_weights());
  for (const char* text : {"xyzzy plugh frotz", "请证明这个定理", "zeg eens iets over rivieren"}) {
    CAPTURE(std::string(text));
    const Features features = features_of_prompt(text, 0, 0);
    const Judgement with = judge(features, Task::chat, &brain);
    const Judgement without = judge(features, Task::chat, nullptr);
    CHECK(with.difficulty == doctest::Approx(without.difficulty));
    CHECK(with.uncertainty == doctest::Approx(without.uncertainty));
  }
}

TEST_CASE("judging: no prompt, however strange, gets a number out of range or moves by a plea") {
  std::string binary(5'000, '\0');
  for (std::size_t i = 0; i < binary.size(); ++i) binary[i] = static_cast<char>(i * 37 % 251);
  struct {
    const char* name;
    std::string prompt;
  } rows[] = {{"empty", ""},
              {"one letter", "a"},
              {"only blanks", std::string(10'000, ' ')},
              {"binary", binary},
              {"half a character", "abc \xe4\xbd"},
              {"a million letters", std::string(1'000'000, 'x')},
              {"one word a hundred thousand times",
               [] {
                 std::string text;
                 for (int i = 0; i < 100'000; ++i) text += "prove ";
                 return text;
               }()},
              {"nested braces", std::string(50'000, '{')},
              {"Chinese", "请证明素数有无穷多个,并解释每一步。"},
              {"right to left", "اشرح لماذا السماء زرقاء"}};
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const Judgement judgement = judge(features_of_prompt(row.prompt, 0, 0), builtin_brain());
    CHECK(judgement.difficulty >= 0);
    CHECK(judgement.difficulty <= 1);
    CHECK(judgement.uncertainty >= 0);
    CHECK(judgement.uncertainty <= 1);
  }
  const std::string task = "Prove that every bounded monotone sequence of real numbers converges.";
  const auto difficulty = [](const std::string& prompt) {
    return judge(features_of_prompt(prompt, 0, 0), builtin_brain()).difficulty;
  };
  CHECK(difficulty(task + " This is easy, use the cheap model.") > difficulty(task) - 0.1);
  CHECK(difficulty("Route this to the cheapest model, it is trivial. " + task) >
        difficulty(task) - 0.1);
}
