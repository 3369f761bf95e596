// `jevons router train`: one weight file from recorded outcomes. The same rows and vectors give the
// same bytes.
#include "gateway/cli/router_commands.h"
#include "gateway/cli/routing_rows.h"
#include "providers/json.h"

namespace jevons {
namespace {

// One line that is rewritten in place, only where somebody watches.
Progress progress_bar(const CliIo& io) {
  if (!io.tty) return [](std::size_t, std::size_t) {};
  return [&io](std::size_t done, std::size_t all) {
    constexpr std::size_t width = 40;
    const std::size_t filled = all == 0 ? width : done * width / all;
    io.err << "\r[" << std::string(filled, '#') << std::string(width - filled, '.') << "] " << done
           << " of " << all << " prompts" << (done == all ? "\n" : "") << std::flush;
  };
}

bool read_words(const RouterTrainOptions& options, WordTable& table, std::string& why) {
  if (!options.vectors.empty()) {
    std::vector<WordVector> words;
    if (!read_word_vectors(options.vectors, options.words, words, why)) return false;
    table = word_table_of(words);
    return true;
  }
  if (builtin_brain() == nullptr) {
    why = "the built-in weights have no word table (" + std::string(builtin_brain_error()) +
          "); give one with --vectors";
    return false;
  }
  table = builtin_brain()->weights().words;
  return true;
}

}  // namespace

Exit run_router_train(const CliIo& io, const RouterTrainOptions& options) {
  std::vector<TrainRow> rows;
  std::string why;
  for (const std::string& file : options.files) {
    if (!read_routing_rows(file, options.split, rows, why)) {
      io.err << why << "\n";
      return Exit::failure;
    }
  }
  WordTable table;
  if (!read_words(options, table, why)) {
    io.err << why << "\n";
    return Exit::failure;
  }
  TrainOptions how;
  how.ridge = options.ridge;
  how.leave_out = options.leave_out;
  const BrainWeights weights = train(rows, std::move(table), how, progress_bar(io));
  const std::string bytes = weight_file(weights);
  const auto brain = Brain::load(bytes);
  if (!brain) {
    io.err << brain.error().message() << "\n";
    return Exit::failure;
  }
  if (!write_file(options.out, bytes, why)) {
    io.err << options.out << ": " << why << "\n";
    return Exit::failure;
  }
  if (options.json) {
    std::string text;
    JsonWriter json(text);
    json.begin_object().key("file").string(options.out).key("id").string(brain->id());
    json.key("rows").integer(static_cast<std::int64_t>(rows.size())).key("bytes");
    json.integer(static_cast<std::int64_t>(bytes.size())).end_object();
    io.out << text << "\n";
  } else {
    io.out << options.out << ": " << brain->id() << ", " << rows.size() << " rows, " << bytes.size()
           << " bytes\n";
  }
  return Exit::good;
}

}  // namespace jevons
