// Training of the weights from recorded outcomes: ridge regression in closed form, so the same
// rows give the same bytes. Rows are read by the caller; nothing of a prompt enters the weights.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router/brain.h"

namespace jevons {

struct TrainRow {
  std::string group;  // the same models answered all rows of a group (a file)
  std::string set;    // the data set inside it, for leaving sets out
  std::string prompt;
  std::int64_t tools = 0;
  std::int64_t schema_bytes = 0;
  std::map<std::string, double> scores;  // model -> 0..1
  std::map<std::string, double> tokens;  // model -> length of its answer, where it is known
};

struct TrainOptions {
  double ridge = 100;
  bool rewordings = true;  // two reworded copies of each prompt
  bool priors = true;      // generated prompts for kinds of work that outcomes rarely cover
  std::string leave_out;   // a set or group that is not trained on
};

// A prompt's inputs and what is learned from it.
struct Lesson {
  BrainInputs inputs{};
  double ease = 0.5, gain = 0, weight = 1;
  // log(median length of the models' answers / typical length of the task); empty: not known.
  std::optional<double> length;
  // Of a reworded prompt, the inputs of the prompt itself.
  std::optional<BrainInputs> reworded_from;
};

// Words with vectors, by falling frequency; longer vectors are cut, shorter are refused.
struct WordVector {
  std::string word;
  std::vector<float> vector;
};
WordTable word_table_of(const std::vector<WordVector>& words);

// Prompts and outcomes as lessons; `progress(done, all)` is called now and then.
using Progress = std::function<void(std::size_t done, std::size_t all)>;
std::vector<Lesson> lessons_of(const std::vector<TrainRow>& rows, const WordTable& words,
                               const TrainOptions& options, const Progress& progress);

// Lessons without a length teach none; where no lesson has one, every length is typical.
BrainWeights solve(const std::vector<Lesson>& lessons, WordTable words, double ridge);

// lessons_of and solve in one.
BrainWeights train(const std::vector<TrainRow>& rows, WordTable words, const TrainOptions& options,
                   const Progress& progress);

// The features of a single user prompt with tools, as training and eval see them.
Features features_of_prompt(std::string_view prompt, std::int64_t tools, std::int64_t schema_bytes);

// The models that answered nearly all rows of a group, by rising mean score; those that mostly fail
// for reasons of form (under 0.6 of the median) are left out.
struct RankedModel {
  double score = 0;
  std::string model;
};
std::map<std::string, std::vector<RankedModel>> ranked_models(const std::vector<TrainRow>& rows);

// Weak and strong ones of them: the lower half and the upper third.
struct Ladder {
  std::vector<std::string> weak, strong;
};
std::map<std::string, Ladder> ladders_of(const std::vector<TrainRow>& rows);

}  // namespace jevons
