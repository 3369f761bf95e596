// Speeds of the CPU engine on one model file, one JSON object a line, for tests/bench/engine:
//   engine_bench synth SHAPE LAYERS OUT.gguf     writes a synthetic model
//   engine_bench read                            GB/s that all threads read together
//   engine_bench speed MODEL [THREADS] [PROMPT] [TOKENS]   prefill, decode and batch of 8
//   engine_bench first MODEL [THREADS]           ms from nothing to the first token
//   engine_bench packed MODEL [THREADS]          ms from nothing until all weights are packed
//   engine_bench prefix MODEL [THREADS]          ms to first token, 2,000 tokens cold and cached
//   engine_bench mask MODEL SCHEMAS              us for each token mask; a JSON schema a line
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "local_engine/engine.h"
#include "local_engine/forward.h"
#include "local_engine/grammar.h"
#include "local_engine/synth.h"
#include "local_engine/tokenizer.h"

namespace jevons::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

int fail(const EngineError& error) {
  std::fprintf(stderr, "engine_bench: %s\n", error.message().c_str());
  return 1;
}

unsigned number(int argc, char** argv, int index, unsigned fallback) {
  return argc > index ? static_cast<unsigned>(std::stoul(argv[index])) : fallback;
}

int write_synthetic(int argc, char** argv) {
  if (argc < 5) return 2;
  const auto spec = synth_spec(argv[2], number(argc, argv, 3, 0));
  if (!spec) return fail(spec.error());
  const auto ok = synth_model(*spec).write(argv[4]);
  return ok ? 0 : fail(ok.error());
}

// Reads 1 GiB of huge pages with every thread, a slice each.
int measure_read(unsigned threads) {
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  auto memory = WeightMemory::allocate(kBytes);
  if (!memory) return fail(memory.error());
  std::memset(memory->data(), 1, kBytes);
  ThreadPool pool(threads);
  std::vector<double> runs;
  std::vector<std::uint64_t> sums(64);
  for (int round = 0; round < 7; ++round) {
    const auto start = Clock::now();
    pool.run(64, [&](std::size_t chunk, unsigned) {
      // Eight running sums, so that the adds do not wait for each other.
      std::uint64_t sum[8] = {};
      const std::byte* at = memory->data() + chunk * (kBytes / 64);
      for (std::size_t i = 0; i < kBytes / 64; i += 64) {
        std::uint64_t words[8];
        std::memcpy(words, at + i, 64);
        for (std::size_t j = 0; j < 8; ++j) sum[j] += words[j];
      }
      sums[chunk] += std::accumulate(std::begin(sum), std::end(sum), std::uint64_t{0});
    });
    runs.push_back(static_cast<double>(kBytes) / seconds_since(start) / 1e9);
  }
  std::sort(runs.begin(), runs.end());
  std::printf("{\"read_gb_per_s\":%.1f,\"checksum\":%llu}\n", runs[runs.size() / 2],
              static_cast<unsigned long long>(sums[0] & 1U));
  return 0;
}

// A model with one forward pass over blocks of its own.
struct Loaded {
  explicit Loaded(unsigned threads) : pool(threads) {}

  EngineResult<void> open(const std::string& path, std::uint32_t rows) {
    auto file = GgufFile::open(path);
    if (!file) return file.error();
    auto loaded = load_model(std::make_shared<const GgufFile>(std::move(*file)), pool, {});
    if (!loaded) return loaded.error();
    model = std::move(*loaded);
    auto store = KvStore::allocate(model.shape, kBlocks);
    if (!store) return store.error();
    kv = std::move(*store);
    for (BlockId i = 0; i < kBlocks; ++i) table.push_back(i);
    Forward::Limits limits;
    limits.rows = rows;
    limits.logit_rows = 8;
    limits.context = kBlocks / 8 * kBlockTokens;
    forward = std::make_unique<Forward>(model, best_kernels(), pool, *kv, limits);
    return {};
  }
  // Sequence s has an eighth of the blocks.
  std::vector<std::span<const BlockId>> tables() const {
    std::vector<std::span<const BlockId>> out;
    for (std::size_t s = 0; s < 8; ++s) {
      out.push_back(std::span(table).subspan(s * (kBlocks / 8), kBlocks / 8));
    }
    return out;
  }
  static constexpr BlockId kBlocks = 8 * 64;

  ThreadPool pool;
  Model model;
  std::unique_ptr<KvStore> kv;
  std::vector<BlockId> table;
  std::unique_ptr<Forward> forward;
};

Token made_up(std::size_t i, std::uint32_t vocabulary) {
  return static_cast<Token>((i * 7919 + 13) % vocabulary);
}

double prefill(Loaded& engine, unsigned tokens) {
  std::vector<BatchRow> rows;
  for (std::uint32_t i = 0; i < tokens; ++i) {
    rows.push_back({made_up(i, engine.model.shape.vocabulary), i, 0, i + 1 == tokens});
  }
  const auto tables = engine.tables();
  const auto start = Clock::now();
  engine.forward->run(rows, tables);
  return tokens / seconds_since(start);
}

// Tokens a second of `sequences` decoded together from empty.
double decode(Loaded& engine, unsigned tokens, std::uint32_t sequences) {
  const auto tables = engine.tables();
  std::vector<BatchRow> rows;
  for (std::uint32_t s = 0; s < sequences; ++s) {
    rows.push_back({made_up(s, engine.model.shape.vocabulary), 0, s, true});
  }
  const auto start = Clock::now();
  for (std::uint32_t i = 0; i < tokens; ++i) {
    engine.forward->run(rows, tables);
    for (std::uint32_t s = 0; s < sequences; ++s) {
      const auto logits = engine.forward->logits(s);
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      rows[s] = {static_cast<Token>(best), i + 1, s, true};
    }
  }
  return tokens * sequences / seconds_since(start);
}

// File bytes of one expert of one layer.
std::uint64_t expert_bytes(const Model& model) {
  if (model.shape.router.experts == 0) return 0;
  std::uint64_t all = 0;
  for (const GgufTensor& tensor : model.file->tensors()) {
    if (tensor.name.find("_exps") != std::string_view::npos) all += tensor.data.size();
  }
  return all / model.shape.router.experts / model.layers.size();
}

int measure_speed(int argc, char** argv) {
  if (argc < 3) return 2;
  const unsigned prompt = number(argc, argv, 4, 512);
  const unsigned tokens = number(argc, argv, 5, 64);
  Loaded engine(number(argc, argv, 3, std::thread::hardware_concurrency()));
  if (const auto ok = engine.open(argv[2], std::max(prompt, 8U)); !ok) return fail(ok.error());
  while (engine.forward->pack_ahead()) {
  }
  decode(engine, 4, 1);  // page tables and caches
  const double pp = prefill(engine, prompt);
  const double tg = decode(engine, tokens, 1);
  const std::uint64_t visited = engine.forward->expert_visits();
  const double batch = decode(engine, tokens / 2, 8);
  // What a step of eight reads: everything that one reads, and the experts that any of them visits.
  const auto steps = static_cast<double>(tokens / 2);
  const double visits = static_cast<double>(engine.forward->expert_visits() - visited) / steps;
  const std::size_t alone = engine.model.layers.size() * engine.model.shape.router.used;
  const double step_bytes =
      static_cast<double>(engine.model.active_bytes) +
      (visits - static_cast<double>(engine.model.shape.router.experts > 0 ? alone : 0)) *
          static_cast<double>(expert_bytes(engine.model));
  std::printf(
      "{\"prefill\":%.2f,\"decode\":%.2f,\"batch8\":%.2f,\"batch8_bytes\":%.0f,\"active_bytes\":%"
      "llu,"
      "\"kernels\":\"%s\",\"set_asides\":%llu}\n",
      pp, tg, batch, step_bytes, static_cast<unsigned long long>(engine.model.active_bytes),
      std::string(best_kernels().name).c_str(),
      static_cast<unsigned long long>(engine.pool.set_asides()));
  return 0;
}

int measure_first(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto start = Clock::now();
  Loaded engine(number(argc, argv, 3, std::thread::hardware_concurrency()));
  if (const auto ok = engine.open(argv[2], 16); !ok) return fail(ok.error());
  prefill(engine, 1);
  std::printf("{\"first_token_ms\":%.1f}\n", seconds_since(start) * 1e3);
  return 0;
}

int measure_packed(int argc, char** argv) {
  if (argc < 3) return 2;
  const auto start = Clock::now();
  Loaded engine(number(argc, argv, 3, std::thread::hardware_concurrency()));
  if (const auto ok = engine.open(argv[2], 16); !ok) return fail(ok.error());
  while (engine.forward->pack_ahead()) {
  }
  std::printf("{\"packed_ms\":%.1f}\n", seconds_since(start) * 1e3);
  return 0;
}

// Milliseconds to the first update of a job with 2,000 tokens of prompt.
double first_token_ms(Engine& engine, const std::string& prompt) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  double ms = 0;
  Job job;
  job.raw_prompt = prompt;
  job.sampling.max_tokens = 1;
  job.sampling.temperature = 0;
  const auto start = Clock::now();
  const auto id = engine.submit(job, [&](Update&&) {
    const std::lock_guard lock(mutex);
    ms = seconds_since(start) * 1e3;
    done = true;
    changed.notify_one();
  });
  if (!id) return 0;
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
  return ms;
}

int measure_prefix(int argc, char** argv) {
  if (argc < 3) return 2;
  EngineOptions options;
  options.model_path = argv[2];
  options.context = 2048;
  options.slots = 2;
  options.threads = number(argc, argv, 3, 0);
  auto engine = Engine::load(options);
  if (!engine) return fail(engine.error());
  for (int round = 0; round < 3; ++round) {
    std::string prompt = "Round " + std::to_string(round);
    Job job;
    for (std::uint32_t tokens = 0; tokens < 1990; tokens = *(*engine)->count_tokens(job)) {
      const std::uint32_t missing = 1990 - tokens;
      for (std::uint32_t i = 0; i < 1 + missing / 2; ++i) prompt += " the";
      job.raw_prompt = prompt;
    }
    const double cold = first_token_ms(**engine, prompt);
    const double warm = first_token_ms(**engine, prompt + " and so");
    std::printf("{\"cold_ms\":%.2f,\"cached_ms\":%.2f}\n", cold, warm);
  }
  return 0;
}

// One of the allowed tokens at random; late in an answer one that closes something, where there is.
TokenId pick(const TokenBits& mask, const Vocabulary& vocabulary, bool hurry,
             std::mt19937& random) {
  std::vector<TokenId> allowed, closing;
  for (TokenId token = 0; token < vocabulary.size(); ++token) {
    if (!mask.test(token)) continue;
    allowed.push_back(token);
    const std::string_view bytes = vocabulary.bytes(token);
    const bool closes = bytes == "\"" || bytes == "}" || bytes == "]";
    if (closes || vocabulary.is_end(token)) closing.push_back(token);
  }
  const auto& from = hurry && !closing.empty() ? closing : allowed;
  return from[random() % from.size()];
}

// Masks of three answers under each schema, the first with nothing remembered of that schema.
int measure_masks(int argc, char** argv) {
  if (argc < 4) return 2;
  const auto file = GgufFile::open(argv[2]);
  if (!file) return fail(file.error());
  const auto tokenizer = Tokenizer::from_gguf(*file);
  if (!tokenizer) return fail(tokenizer.error());
  const Vocabulary& vocabulary = tokenizer->vocabulary();
  const auto trie = std::make_shared<const TokenTrie>(vocabulary);
  std::mt19937 random(1);
  std::vector<double> us;
  std::ifstream schemas(argv[3]);
  for (std::string line; std::getline(schemas, line);) {
    auto grammar = Grammar::from_json_schema(line);
    if (!grammar) return fail(grammar.error());
    const auto tables = std::make_shared<GrammarTables>(std::move(*grammar), trie);
    for (int answer = 0; answer < 3; ++answer) {
      GrammarState state(tables);
      for (int step = 0; step < 100 && !state.is_finished(); ++step) {
        const auto start = Clock::now();
        const TokenBits& mask = state.allow_mask();
        us.push_back(seconds_since(start) * 1e6);
        if (!state.accept(pick(mask, vocabulary, step > 30, random))) return 1;
      }
    }
  }
  if (us.empty()) return 2;
  std::sort(us.begin(), us.end());
  std::printf("{\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f,\"masks\":%zu}\n", us[us.size() / 2],
              us[us.size() * 99 / 100], us.back(), us.size());
  return 0;
}

}  // namespace
}  // namespace jevons::engine

int main(int argc, char** argv) {
  using namespace jevons::engine;
  const std::string_view what = argc > 1 ? argv[1] : "";
  int status = 2;
  if (what == "synth") status = write_synthetic(argc, argv);
  if (what == "read") {
    status = measure_read(number(argc, argv, 2, std::thread::hardware_concurrency()));
  }
  if (what == "speed") status = measure_speed(argc, argv);
  if (what == "first") status = measure_first(argc, argv);
  if (what == "packed") status = measure_packed(argc, argv);
  if (what == "prefix") status = measure_prefix(argc, argv);
  if (what == "mask") status = measure_masks(argc, argv);
  if (status == 2) {
    std::fprintf(
        stderr,
        "usage: engine_bench synth|read|speed|first|packed|prefix|mask ... (see its source)\n");
  }
  return status;
}
