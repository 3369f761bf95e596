#include "router/train.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "router/answer_length.h"
#include "router/judge.h"
#include "router/prior_prompts.h"
#include "router/reword.h"

namespace jevons {
namespace {

constexpr double reworded_weight = 0.5;
// How much it costs, beside being wrong, to judge a rewording otherwise than the prompt itself: a
// penalty on weights of inputs that rewordings move.
constexpr double moved_weight = 16;
constexpr double prior_set_size = 1'500;  // generated prompts weigh like a set of this size

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// The mean score of the models of a list that answered this row; empty if none did.
std::optional<double> mean_score(const TrainRow& row, const std::vector<std::string>& models) {
  std::vector<double> scores;
  for (const std::string& model : models) {
    if (const auto found = row.scores.find(model); found != row.scores.end()) {
      scores.push_back(found->second);
    }
  }
  if (scores.empty()) return std::nullopt;
  return mean_of(scores);
}

// Half of the models answered in fewer tokens; at least one token.
double median_tokens(const TrainRow& row) {
  std::vector<double> tokens;
  for (const auto& [model, count] : row.tokens) tokens.push_back(count);
  const auto middle = tokens.begin() + static_cast<std::ptrdiff_t>(tokens.size() / 2);
  std::nth_element(tokens.begin(), middle, tokens.end());
  return std::max(1.0, *middle);
}

Ladder ladder_of(const std::vector<RankedModel>& by_score) {
  Ladder ladder;
  const std::size_t n = by_score.size();
  for (std::size_t i = 0; i < n; ++i) {
    if (i < std::max<std::size_t>(1, n / 2)) ladder.weak.push_back(by_score[i].model);
    if (i >= n - std::max<std::size_t>(1, n / 3)) ladder.strong.push_back(by_score[i].model);
  }
  return ladder;
}

// The sum over lessons of x x^T and x y, kept only where x is not zero: the block of all texts and
// the block of the lesson's kind.
class NormalEquations {
 public:
  explicit NormalEquations(std::size_t outputs)
      : gram_(weight_count * weight_count, 0.0),
        sides_(outputs, std::vector<double>(weight_count, 0.0)) {}

  void add(const std::array<float, block_size>& x, TextKind kind, double weight,
           const std::vector<double>& y) {
    const std::size_t own = block_size * (1 + static_cast<std::size_t>(kind));
    used_[0] = used_[own / block_size] = true;
    for (std::size_t i = 0; i < block_size; ++i) {
      const double xi = weight * static_cast<double>(x[i]);
      for (std::size_t j = 0; j < block_size; ++j) {
        const double product = xi * static_cast<double>(x[j]);
        at(i, j) += product;
        at(own + i, j) += product;
        at(i, own + j) += product;
        at(own + i, own + j) += product;
      }
      for (std::size_t o = 0; o < sides_.size(); ++o) {
        sides_[o][i] += xi * y[o];
        sides_[o][own + i] += xi * y[o];
      }
    }
  }

  // Solves (G + ridge) w = b by Cholesky for the maps from `first` on; the constant of the block of
  // all texts is punished by `constant`. Kinds without lessons keep weights of zero and are left
  // out of the work.
  void solve(double ridge, double constant, BrainWeights& weights, std::size_t first) {
    for (std::size_t i = 0; i < weight_count; ++i) {
      if (used_[i / block_size]) active_.push_back(i);
      at(i, i) += i == brain_inputs ? constant : ridge;
    }
    factor();
    for (std::size_t o = 0; o < sides_.size(); ++o) {
      const std::vector<double> w = substitute(sides_[o]);
      for (const std::size_t i : active_) weights.maps[first + o][i] = static_cast<float>(w[i]);
    }
  }

 private:
  double& at(std::size_t row, std::size_t column) { return gram_[row * weight_count + column]; }

  void factor() {  // gram = L L^T, L in the lower half
    for (std::size_t jj = 0; jj < active_.size(); ++jj) {
      const std::size_t j = active_[jj];
      for (std::size_t ii = jj; ii < active_.size(); ++ii) {
        const std::size_t i = active_[ii];
        double sum = at(i, j);
        for (std::size_t kk = 0; kk < jj; ++kk) sum -= at(i, active_[kk]) * at(j, active_[kk]);
        at(i, j) = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / at(j, j);
      }
    }
  }

  std::vector<double> substitute(std::vector<double> b) {
    for (std::size_t ii = 0; ii < active_.size(); ++ii) {
      const std::size_t i = active_[ii];
      for (std::size_t kk = 0; kk < ii; ++kk) b[i] -= at(i, active_[kk]) * b[active_[kk]];
      b[i] /= at(i, i);
    }
    for (std::size_t ii = active_.size(); ii-- > 0;) {
      const std::size_t i = active_[ii];
      for (std::size_t kk = ii + 1; kk < active_.size(); ++kk) {
        b[i] -= at(active_[kk], i) * b[active_[kk]];
      }
      b[i] /= at(i, i);
    }
    return b;
  }

  std::vector<double> gram_;
  std::vector<std::vector<double>> sides_;
  std::array<bool, 1 + text_kinds> used_{};  // by block
  std::vector<std::size_t> active_;
};

void standardise(const std::vector<Lesson>& lessons, BrainWeights& weights) {
  for (std::size_t i = 0; i < brain_inputs; ++i) {
    double sum = 0, squares = 0;
    for (const Lesson& lesson : lessons) {
      const double x = static_cast<double>(lesson.inputs[i]);
      sum += x;
      squares += x * x;
    }
    const double n = std::max<double>(1, static_cast<double>(lessons.size()));
    const double mean = sum / n, variance = std::max(0.0, squares / n - mean * mean);
    weights.mean[i] = static_cast<float>(mean);
    weights.scale[i] = variance > 1e-10 ? static_cast<float>(1.0 / std::sqrt(variance)) : 0.0f;
  }
}

}  // namespace

WordTable word_table_of(const std::vector<WordVector>& words) {
  WordTable table;
  // The mean of all vectors says nothing; without it, directions tell words apart.
  std::vector<double> mean(word_dimensions, 0.0);
  for (const WordVector& word : words) {
    for (std::size_t i = 0; i < word_dimensions; ++i) {
      mean[i] += static_cast<double>(word.vector[i]) / static_cast<double>(words.size());
    }
  }
  for (const WordVector& word : words) {
    std::uint32_t hash = word_hash_seed;
    for (const char c : word.word) hash = word_hash_step(hash, static_cast<unsigned char>(c));
    table.hashes.push_back(hash);
    std::vector<double> v(word_dimensions);
    double norm = 0;
    for (std::size_t i = 0; i < word_dimensions; ++i) {
      v[i] = static_cast<double>(word.vector[i]) - mean[i];
      norm += v[i] * v[i];
    }
    for (const double x : v) {
      const double scaled = norm > 0 ? x / std::sqrt(norm) * 127.0 : 0.0;
      table.vectors.push_back(
          static_cast<std::int8_t>(std::clamp(std::round(scaled), -127.0, 127.0)));
    }
  }
  table.index();
  return table;
}

Features features_of_prompt(std::string_view prompt, std::int64_t tools,
                            std::int64_t schema_bytes) {
  Features features;
  scan_text(prompt, features.question);
  features.question_texts[0] = prompt;
  features.question_text_count = 1;
  features.tools = tools;
  features.schema_bytes = schema_bytes;
  features.prompt_tokens = features.question.tokens;
  return features;
}

std::map<std::string, std::vector<RankedModel>> ranked_models(const std::vector<TrainRow>& rows) {
  std::map<std::string, std::map<std::string, std::vector<double>>> scores;
  std::map<std::string, std::size_t> sizes;
  for (const TrainRow& row : rows) {
    ++sizes[row.group];
    for (const auto& [model, score] : row.scores) scores[row.group][model].push_back(score);
  }
  std::map<std::string, std::vector<RankedModel>> ranked;
  for (const auto& [group, models] : scores) {
    std::vector<RankedModel> by_score;
    for (const auto& [model, values] : models) {
      if (values.size() * 10 > sizes[group] * 9) by_score.push_back({mean_of(values), model});
    }
    std::sort(by_score.begin(), by_score.end(), [](const RankedModel& a, const RankedModel& b) {
      return std::tie(a.score, a.model) < std::tie(b.score, b.model);
    });
    if (by_score.size() > 4) {
      const double least = 0.6 * by_score[by_score.size() / 2].score;
      std::erase_if(by_score, [least](const RankedModel& one) { return one.score < least; });
    }
    if (by_score.size() >= 2) ranked[group] = std::move(by_score);
  }
  return ranked;
}

std::map<std::string, Ladder> ladders_of(const std::vector<TrainRow>& rows) {
  std::map<std::string, Ladder> ladders;
  for (const auto& [group, models] : ranked_models(rows)) ladders[group] = ladder_of(models);
  return ladders;
}

std::vector<Lesson> lessons_of(const std::vector<TrainRow>& rows, const WordTable& words,
                               const TrainOptions& options, const Progress& progress) {
  const auto ladders = ladders_of(rows);
  std::map<std::string, double> sizes;
  for (const TrainRow& row : rows) sizes[row.set] += 1;
  std::vector<Lesson> lessons;
  const auto teach = [&](const std::string& prompt, const TrainRow& row, Lesson lesson) {
    const Features features = features_of_prompt(prompt, row.tools, row.schema_bytes);
    lesson.inputs = brain_inputs_of(features, words);
    if (!row.tokens.empty()) {
      const Task task = task_of_text(features);
      lesson.length =
          std::log(median_tokens(row) / typical_length(task, features.question.tokens).p50);
    }
    lessons.push_back(lesson);
    return lesson.inputs;
  };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const TrainRow& row = rows[i];
    if (i % 512 == 0) progress(i, rows.size());
    const auto ladder = ladders.find(row.group);
    if (row.set == options.leave_out || row.group == options.leave_out) continue;
    if (ladder == ladders.end()) continue;
    const auto weak = mean_score(row, ladder->second.weak);
    const auto strong = mean_score(row, ladder->second.strong);
    if (!weak || !strong) continue;
    // A set of many rows weighs more than one of few, but not in proportion.
    Lesson lesson{.ease = (*weak + *strong) / 2,
                  .gain = *strong - *weak,
                  .weight = 25.0 / std::sqrt(sizes[row.set])};
    lesson.reworded_from = teach(row.prompt, row, lesson);
    lesson.weight *= reworded_weight;
    for (std::uint64_t copy = 0; options.rewordings && copy < 2; ++copy) {
      const auto how = static_cast<Rewording>((i * 2 + copy) % rewording_count);
      teach(reword(row.prompt, how, i * 2 + copy), row, lesson);
    }
  }
  if (options.priors) {
    for (const PriorPrompt& prior : prior_prompts()) {
      teach(
          prior.text, {},
          {.ease = prior.ease,
           .gain = prior.gain,
           .weight = 25.0 * std::sqrt(prior_set_size) / static_cast<double>(prior_prompts().size()),
           .length = 0});  // typical, where nothing was measured
    }
  }
  progress(rows.size(), rows.size());
  return lessons;
}

BrainWeights solve(const std::vector<Lesson>& lessons, WordTable words, double ridge) {
  BrainWeights weights;
  weights.words = std::move(words);
  standardise(lessons, weights);
  NormalEquations success(2), length(1);
  double ease = 0, total = 0;
  bool any_length = false;
  const auto scaled = [&weights](const BrainInputs& inputs) {
    std::array<float, block_size> x{};
    for (std::size_t i = 0; i < brain_inputs; ++i) {
      x[i] = std::clamp((inputs[i] - weights.mean[i]) * weights.scale[i], -3.0f, 3.0f);
    }
    x[brain_inputs] = 1;
    return x;
  };
  for (const Lesson& lesson : lessons) {
    const std::array<float, block_size> x = scaled(lesson.inputs);
    const TextKind kind = text_kind_of(lesson.inputs);
    if (lesson.reworded_from && text_kind_of(*lesson.reworded_from) == kind) {
      std::array<float, block_size> moved = scaled(*lesson.reworded_from);
      for (std::size_t i = 0; i < block_size; ++i) moved[i] -= x[i];
      success.add(moved, kind, lesson.weight * moved_weight, {0, 0});
    }
    success.add(x, kind, lesson.weight, {lesson.ease, lesson.gain});
    if (lesson.length) {
      length.add(x, kind, lesson.weight, {*lesson.length});
      any_length = true;
    }
    ease += lesson.weight * lesson.ease;
    total += lesson.weight;
  }
  success.solve(ridge, 1e-6, weights, 0);
  // What is typical is the prior here: without evidence nothing is added to it.
  if (any_length) length.solve(ridge, ridge, weights, 2);
  weights.ease_mean = total > 0 ? static_cast<float>(ease / total) : 0.5f;
  return weights;
}

BrainWeights train(const std::vector<TrainRow>& rows, WordTable words, const TrainOptions& options,
                   const Progress& progress) {
  const auto lessons = lessons_of(rows, words, options, progress);
  return solve(lessons, std::move(words), options.ridge);
}

}  // namespace jevons
