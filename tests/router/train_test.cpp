#include "router/train.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "router/calibration.h"
#include "router/eval.h"
#include "router/prior_prompts.h"
#include "router/reword.h"

using namespace jevons;

namespace {

// Two kinds of prompts: proofs, which only the strong model solves, and greetings, which both do.
std::vector<TrainRow> toy_rows(std::size_t count) {
  std::vector<TrainRow> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const bool hard = i % 3 == 0;
    TrainRow row{.group = "toy", .set = "toy/all"};
    row.prompt = (hard ? "Prove the lemma about the river number " : "Hello poem river number ") +
                 std::to_string(i);
    row.scores = {{"weak", hard ? 0.0 : 1.0}, {"strong", 1.0}};
    rows.push_back(row);
  }
  return rows;
}

WordTable toy_table() {
  std::vector<WordVector> words;
  for (const char* word : {"the", "about", "prove", "lemma", "hello", "poem", "river", "number"}) {
    WordVector one{.word = word, .vector = std::vector<float>(word_dimensions, 0.0f)};
    one.vector[words.size()] = 1;
    words.push_back(one);
  }
  return word_table_of(words);
}

const Progress silent = [](std::size_t, std::size_t) {};

// Trained once: solving for every block takes a while without optimisation.
const BrainWeights& toy_weights() {
  static const BrainWeights weights =
      train(toy_rows(90), toy_table(), {.ridge = 30, .rewordings = false, .priors = false}, silent);
  return weights;
}

}  // namespace

TEST_CASE("training finds what a strong model gains, and the same rows give the same bytes") {
  const Brain brain(toy_weights());
  const auto gain = [&brain](const std::string& prompt) {
    return brain.ask(features_of_prompt(prompt, 0, 0)).gain;
  };
  CHECK(gain("Prove the lemma about the river number 7") > 0.6);
  CHECK(gain("Hello poem river number 8") < 0.3);
  const BrainWeights again =
      train(toy_rows(90), toy_table(), {.ridge = 30, .rewordings = false, .priors = false}, silent);
  CHECK(weight_file(again) == weight_file(toy_weights()));
}

TEST_CASE("training: rewordings and generated prompts are lessons too, left-out sets are not") {
  const auto lessons = [](TrainOptions options) {
    return lessons_of(toy_rows(6), toy_table(), options, silent).size();
  };
  CHECK(lessons({.rewordings = false, .priors = false}) == 6);
  CHECK(lessons({.rewordings = true, .priors = false}) == 18);
  CHECK(lessons({.rewordings = false, .priors = true}) == 6 + prior_prompts().size());
  CHECK(lessons({.rewordings = false, .priors = false, .leave_out = "toy"}) == 0);
  CHECK(lessons({.rewordings = false, .priors = false, .leave_out = "toy/all"}) == 0);
}

TEST_CASE("eval: a router that knows the gain recovers it with few strong calls") {
  const Brain brain(toy_weights());
  const EvalReport report = evaluate(&brain, toy_rows(90), "weak", "strong");
  CHECK(report.n == 90);
  CHECK(report.gap == doctest::Approx(1.0 / 3));
  CHECK(report.apgr > 0.8);
  CHECK(report.apgr_low <= report.apgr);
  CHECK(report.apgr_high >= report.apgr);
  CHECK(report.cpt50 < 20);
  CHECK(report.cpt80 < 30);
  CHECK(report.ece < 0.15);
  CHECK(evaluate(&brain, toy_rows(9), "weak", "absent").n == 0);
}

TEST_CASE("eval: no gap is no curve, not a division by zero") {
  std::vector<TrainRow> rows = toy_rows(30);
  for (TrainRow& row : rows) row.scores["weak"] = 1;
  const EvalReport report = evaluate(nullptr, rows, "weak", "strong");
  CHECK(report.gap == doctest::Approx(0));
  CHECK(report.apgr == doctest::Approx(0.5));
}

TEST_CASE("ladders: weak and strong by score, failures of form left out") {
  std::vector<TrainRow> rows(10);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].group = "g";
    for (int model = 0; model < 6; ++model) {
      rows[i].scores["m" + std::to_string(model)] = model == 0 ? 0.05 : 0.5 + 0.05 * model;
    }
  }
  rows[0].scores["rare"] = 1;  // answered too few rows to be placed
  const Ladder ladder = ladders_of(rows).at("g");
  CHECK(ladder.weak == std::vector<std::string>{"m1", "m2"});
  CHECK(ladder.strong == std::vector<std::string>{"m5"});
}

TEST_CASE("rewordings keep digits and formulas, and the same seed gives the same text") {
  const std::string text = "Find  the number of\napples: \\frac{7}{2} + 35, in order to SELL them.";
  for (std::size_t how = 0; how < rewording_count; ++how) {
    CAPTURE(how);
    const std::string once = reword(text, static_cast<Rewording>(how), 11);
    CHECK(once == reword(text, static_cast<Rewording>(how), 11));
    CHECK(once.find("\\frac{7}{2}") != std::string::npos);
    CHECK(once.find("35,") != std::string::npos);
  }
  CHECK(reword("A  b\nC", Rewording::flattened, 1) == "A b C");
  CHECK(reword("A b", Rewording::lower, 1) == "a b");
  CHECK(reword("How many?", Rewording::replaced, 1) == "What count of?");
}

TEST_CASE("prior prompts are many, filled in, and within range") {
  CHECK(prior_prompts().size() > 150);
  for (const PriorPrompt& prior : prior_prompts()) {
    CHECK(prior.text.find('*') == std::string::npos);
    CHECK(prior.ease > 0);
    CHECK(prior.ease < 1);
  }
}

TEST_CASE("calibration: Platt repairs a shifted prediction, few outcomes move it little") {
  std::vector<Judged> outcomes;
  for (int i = 0; i < 200; ++i) {
    const double truth = 0.05 + 0.9 * (i % 10) / 10.0;
    const double claimed = sigmoid_of(2 * logit_of(truth) + 1);
    for (int k = 0; k < 10; ++k) {
      outcomes.push_back({.p = claimed, .outcome = k < truth * 10 - 0.5 ? 1.0 : 0.0});
    }
  }
  const double before = calibration_error(outcomes);
  const Platt platt = fit_platt(outcomes);
  for (Judged& judged : outcomes) judged.p = platt(judged.p);
  CHECK(before > 0.1);
  CHECK(calibration_error(outcomes) < 0.06);
  CHECK(fit_platt({}).slope == doctest::Approx(1));
  CHECK(fit_platt({})(0.3) == doctest::Approx(0.3));
  CHECK(fit_platt({{.p = 0.9, .outcome = 0}})(0.9) > 0.6);
  CHECK(calibration_error({}) == 0);
}

TEST_CASE("an input that rewordings move gets less weight than one that they leave") {
  std::vector<Lesson> lessons;
  for (std::uint64_t i = 0; i < 200; ++i) {
    const bool hard = i % 2 == 0;
    Lesson lesson{.ease = hard ? 0.0 : 1.0};
    lesson.inputs[40] = lesson.inputs[41] = hard ? 1.0f : -1.0f;
    lessons.push_back(lesson);
    lesson.reworded_from = lesson.inputs;
    lesson.inputs[40] = i % 4 < 2 ? 1.0f : -1.0f;  // says nothing any more
    lessons.push_back(lesson);
  }
  const auto weight_of = [](const BrainWeights& weights, std::size_t input) {
    return std::abs(weights.maps[0][input]);
  };
  const BrainWeights steady = solve(lessons, toy_table(), 1);
  for (Lesson& lesson : lessons) lesson.reworded_from.reset();
  const BrainWeights plain = solve(lessons, toy_table(), 1);
  CHECK(weight_of(steady, 40) < weight_of(plain, 40) / 2);
  CHECK(weight_of(steady, 41) > weight_of(plain, 41));
}
