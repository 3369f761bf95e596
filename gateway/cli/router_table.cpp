// `jevons router eval FILES` without models: the table of the release check, by anybody. Each file
// is judged twice: by weights trained on a part of all files, on the rows they did not see; and by
// weights that never saw the file at all.
#include <algorithm>
#include <cstdio>
#include <set>

#include "gateway/cli/router_commands.h"
#include "gateway/cli/routing_rows.h"
#include "providers/json.h"
#include "router/eval.h"

namespace jevons {
namespace {

constexpr double gap_min = 0.05;  // less is nothing to route for

struct Pair {
  std::string weak, strong;
};

// By a rule, so that nobody picks: of the models by rising score a lower and the best, the middle
// and the best, a lower and a better one.
std::vector<Pair> pairs_of(const std::vector<RankedModel>& ranked) {
  const std::size_t last = ranked.size() - 1;
  std::vector<Pair> pairs;
  std::set<std::pair<std::size_t, std::size_t>> taken;
  for (const auto& [weak, strong] :
       {std::pair{last / 4, last}, {last / 2, last}, {last / 4, last * 3 / 4}}) {
    if (weak == strong || ranked[strong].score - ranked[weak].score < gap_min) continue;
    if (taken.emplace(weak, strong).second) {
      pairs.push_back({ranked[weak].model, ranked[strong].model});
    }
  }
  return pairs;
}

struct Line {
  std::string file;
  Pair pair;
  EvalReport seen, unseen;
};

struct LengthLine {
  std::string file;
  LengthReport seen, unseen;
};

// Of a file's first pair, by weights that were trained on the other files.
struct LearningLine {
  std::string file;
  Pair pair;
  std::vector<LearningReport> reports;
};

struct Table {
  std::vector<Line> lines;
  std::vector<LengthLine> lengths;
  std::vector<LearningLine> learning;
};

std::vector<TrainRow> rows_of(const std::vector<TrainRow>& rows, const std::string& group) {
  std::vector<TrainRow> own;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(own),
               [&group](const TrainRow& row) { return row.group == group; });
  return own;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

void report_json(JsonWriter& json, const char* key, const EvalReport& report) {
  json.key(key).begin_object();
  json.key("n").integer(static_cast<std::int64_t>(report.n));
  for (const auto& [name, value] : {std::pair{"gap", report.gap},
                                    {"apgr", report.apgr},
                                    {"apgr_low", report.apgr_low},
                                    {"apgr_high", report.apgr_high},
                                    {"cpt50", report.cpt50},
                                    {"cpt80", report.cpt80},
                                    {"ece", report.ece},
                                    {"flip_rate", report.flip_rate}}) {
    json.key(name).raw(number(value));
  }
  json.end_object();
}

void report_json(JsonWriter& json, const char* key, const LengthReport& report) {
  json.key(key).begin_object();
  json.key("answers").integer(static_cast<std::int64_t>(report.answers));
  for (const auto& [name, value] : {std::pair{"cold", report.cold},
                                    {"factor", report.learned},
                                    {"factor_low", report.learned_low},
                                    {"factor_high", report.learned_high}}) {
    json.key(name).raw(number(value));
  }
  json.end_object();
}

std::string table_json(const Table& table) {
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("pairs").begin_array();
  for (const Line& line : table.lines) {
    json.begin_object().key("file").string(line.file);
    json.key("weak").string(line.pair.weak).key("strong").string(line.pair.strong);
    report_json(json, "in_distribution", line.seen);
    report_json(json, "left_out", line.unseen);
    json.end_object();
  }
  json.end_array().key("lengths").begin_array();
  for (const LengthLine& line : table.lengths) {
    json.begin_object().key("file").string(line.file);
    report_json(json, "in_distribution", line.seen);
    report_json(json, "left_out", line.unseen);
    json.end_object();
  }
  json.end_array().key("learning").begin_array();
  for (const LearningLine& line : table.learning) {
    for (const LearningReport& report : line.reports) {
      json.begin_object().key("file").string(line.file);
      json.key("weak").string(line.pair.weak).key("strong").string(line.pair.strong);
      json.key("outcomes").integer(static_cast<std::int64_t>(report.outcomes));
      json.key("apgr").raw(number(report.apgr)).key("ece").raw(number(report.ece)).end_object();
    }
  }
  json.end_array().end_object();
  return text + "\n";
}

void print_side(std::ostream& out, const EvalReport& report) {
  char text[160];
  std::snprintf(text, sizeof text, " %.3f (%.3f-%.3f) | %.0f / %.0f | %.3f | %.3f |", report.apgr,
                report.apgr_low, report.apgr_high, report.cpt50, report.cpt80, report.ece,
                report.flip_rate);
  out << text;
}

void print_pairs(std::ostream& out, const std::vector<Line>& lines) {
  out << "| file | weak, strong | trained on | n | gap | APGR | CPT50 / CPT80 | ECE | flips |\n"
      << "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";
  double sum_seen = 0, sum_unseen = 0, least = 1;
  for (const Line& line : lines) {
    for (const bool seen : {true, false}) {
      const EvalReport& report = seen ? line.seen : line.unseen;
      out << "| " << line.file << " | " << line.pair.weak << ", " << line.pair.strong << " | "
          << (seen ? "all files" : "the others") << " | " << report.n << " | " << number(report.gap)
          << " |";
      print_side(out, report);
      out << "\n";
      (seen ? sum_seen : sum_unseen) += report.apgr;
    }
    least = std::min(least, line.unseen.apgr);
  }
  if (lines.empty()) return;
  const auto count = static_cast<double>(lines.size());
  out << "\nMean APGR: in distribution " << number(sum_seen / count) << ", left out "
      << number(sum_unseen / count) << " (lowest " << number(least) << "); random 0.5\n";
}

void print_learning(std::ostream& out, const std::vector<LearningLine>& lines) {
  out << "\nAPGR / ECE after outcomes as POST /v1/feedback learns them, file left out of training\n"
      << "| file | weak, strong |";
  for (const std::size_t outcomes : learning_outcomes) out << " " << outcomes << " |";
  out << "\n| --- | --- |";
  for (std::size_t i = 0; i < std::size(learning_outcomes); ++i) out << " --- |";
  out << "\n";
  for (const LearningLine& line : lines) {
    out << "| " << line.file << " | " << line.pair.weak << ", " << line.pair.strong << " |";
    for (std::size_t i = 0; i < std::size(learning_outcomes); ++i) {
      if (i < line.reports.size()) {
        out << " " << number(line.reports[i].apgr) << " / " << number(line.reports[i].ece) << " |";
      } else {
        out << " - |";
      }
    }
    out << "\n";
  }
  out << "\n";
}

void print_lengths(std::ostream& out, const std::vector<LengthLine>& lines) {
  for (const LengthLine& line : lines) {
    for (const bool seen : {true, false}) {
      const LengthReport& report = seen ? line.seen : line.unseen;
      out << "Length error factor, " << line.file << ", " << (seen ? "in distribution" : "left out")
          << ": " << number(report.cold) << " before a target's first answer, "
          << number(report.learned) << " (" << number(report.learned_low) << "-"
          << number(report.learned_high) << ") after " << lengths_learned_from
          << " of its answers\n";
    }
  }
}

// "[##..] 2 of 7 weights" where somebody watches.
class Steps {
 public:
  Steps(const CliIo& io, std::size_t all) : io_(io), all_(all) {}
  Progress next() {
    ++done_;
    if (!io_.tty) return [](std::size_t, std::size_t) {};
    return [this](std::size_t done, std::size_t all) {
      io_.err << "\rweights " << done_ << " of " << all_ << ": "
              << (all == 0 ? 100 : 100 * done / all) << " %  "
              << (done_ == all_ && done == all ? "\n" : "") << std::flush;
    };
  }

 private:
  const CliIo& io_;
  std::size_t all_ = 0, done_ = 0;
};

}  // namespace

Exit run_router_table(const CliIo& io, const RouterTableOptions& options) {
  std::vector<TrainRow> learned, judged;
  std::string why;
  for (const std::string& file : options.files) {
    if (!read_routing_rows(file, "train", learned, why) ||
        !read_routing_rows(file, "", judged, why)) {
      io.err << why << "\n";
      return Exit::failure;
    }
  }
  std::vector<TrainRow> held_out;
  for (const std::string& file : options.files) read_routing_rows(file, "dev", held_out, why);
  if (builtin_brain() == nullptr) {
    io.err << "the built-in weights have no word table: " << builtin_brain_error() << "\n";
    return Exit::failure;
  }
  const WordTable& words = builtin_brain()->weights().words;
  const auto ranked = ranked_models(judged);
  Steps steps(io, ranked.size() + 1);
  const Brain all(train(learned, words, {}, steps.next()));
  Table table;
  for (const auto& [group, models] : ranked) {
    const Brain others(train(learned, words, {.leave_out = group}, steps.next()));
    const std::vector<TrainRow> rows = rows_of(judged, group), dev = rows_of(held_out, group);
    const std::vector<Pair> pairs = pairs_of(models);
    for (const Pair& pair : pairs) {
      table.lines.push_back({.file = group,
                       .pair = pair,
                       .seen = evaluate(&all, dev, pair.weak, pair.strong),
                       .unseen = evaluate(&others, rows, pair.weak, pair.strong)});
    }
    if (!pairs.empty()) {
      const Pair& pair = pairs.front();
      table.learning.push_back(
          {.file = group,
           .pair = pair,
           .reports = evaluate_learning(&others, rows, pair.weak, pair.strong)});
    }
    LengthLine length{.file = group,
                      .seen = evaluate_lengths(&all, dev),
                      .unseen = evaluate_lengths(&others, rows)};
    if (length.unseen.answers > 0) table.lengths.push_back(length);
  }
  if (options.json) {
    io.out << table_json(table);
  } else {
    print_pairs(io.out, table.lines);
    print_learning(io.out, table.learning);
    print_lengths(io.out, table.lengths);
  }
  return Exit::good;
}

}  // namespace jevons
