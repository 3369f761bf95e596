// `jevons router train` and `jevons router eval` (contract.md 9).
#pragma once

#include <string>
#include <vector>

#include "gateway/cli/commands.h"

namespace jevons {

struct RouterTrainOptions {
  std::vector<std::string> files;  // JSON Lines, plain or gzip
  std::string vectors;             // JSON file of word vectors; empty: the built-in word table
  std::size_t words = 16'000;
  std::string split = "train";  // rows of this split, empty: all
  std::string leave_out;        // a set or file that is not trained on
  double ridge = 100;
  std::string out = "weights.bin";
  bool json = false;
};
Exit run_router_train(const CliIo& io, const RouterTrainOptions& options);

struct RouterEvalOptions {
  std::string file;
  std::string weak, strong;
  std::string weights;       // a weight file, empty: the built-in one
  std::string split;         // rows of this split, empty: all
  std::string set;           // rows whose data set contains this, empty: all
  bool static_rule = false;  // without weights
  bool json = false;
};
Exit run_router_eval(const CliIo& io, const RouterEvalOptions& options);

// `router eval FILES` without models: every file in distribution and left out of training, for
// pairs of models that a rule picks, and the lengths of answers where the files have them. Trains
// one set of weights a file and one for all, on the rows with the split "train".
struct RouterTableOptions {
  std::vector<std::string> files;
  bool json = false;
};
Exit run_router_table(const CliIo& io, const RouterTableOptions& options);

}  // namespace jevons
