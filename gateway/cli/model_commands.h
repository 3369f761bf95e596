// `jevons model`: look at a model file, measure it on this machine, get one.
#pragma once

#include <cstdint>
#include <string>

#include "gateway/cli/commands.h"

namespace jevons {

struct ModelInfoOptions {
  std::string file;
  bool json = false;
};
Exit run_model_info(const CliIo& io, const ModelInfoOptions& options);

// Loads the model and times prefill, one answer alone, and several together.
struct ModelBenchOptions {
  std::string file;
  std::uint32_t prompt = 512;    // tokens
  std::uint32_t generate = 128;  // tokens
  std::uint32_t together = 8;    // answers
  std::uint32_t runs = 3;        // medians of
  std::uint32_t threads = 0;     // 0: one per core
  double usd_per_hour = 0;       // above 0: also dollars per million tokens
  bool json = false;
};
Exit run_model_bench(const CliIo& io, const ModelBenchOptions& options);

// Copies or downloads into `to`, a folder or a file name. Goes on where an earlier attempt stopped
// (NAME.part); the name appears only when the whole file is there, is a model that we can read, and
// has the digest that was asked for.
struct ModelPullOptions {
  std::string source;  // https://..., http://... (with sha256 or from this machine), or a file
  std::string to = "models";
  std::string sha256;  // 64 hexadecimal digits; empty: only printed
  bool force = false;  // replace a file that exists
  bool json = false;
};
Exit run_model_pull(const CliIo& io, const ModelPullOptions& options);

}  // namespace jevons
