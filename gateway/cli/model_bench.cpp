// `jevons model bench FILE`: the same engine, the same way in as a request.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "gateway/cli/model_commands.h"
#include "gateway/cli/table.h"
#include "local_engine/engine.h"
#include "providers/json.h"

namespace jevons {
namespace {

using Clock = std::chrono::steady_clock;

double ms_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// When an answer's tokens came. wait() returns after the last.
struct Answer {
  engine::OnUpdate receiver() {
    return [this](engine::Update&& update) {
      const std::lock_guard lock(mutex);
      if (update.tokens > 0 && tokens == 0) first = Clock::now();
      tokens += update.tokens;
      usage = update.usage;
      if (!update.finish && !update.refusal) return;
      last = Clock::now();
      if (update.refusal) error = update.refusal->message();
      if (update.finish == engine::Finish::error) error = update.error;
      done = true;
      changed.notify_all();
    };
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return done; });
  }
  std::mutex mutex;
  std::condition_variable changed;
  Clock::time_point first, last;
  std::uint32_t tokens = 0;
  engine::TokenUsage usage;
  std::string error;
  bool done = false;
};

struct Figures {
  double load_ms = 0;
  double prefill = 0, decode = 0, together = 0;  // tokens per second
  std::uint32_t prompt_tokens = 0;
};

class Bench {
 public:
  Bench(engine::Engine& engine, const ModelBenchOptions& options)
      : engine_(engine), options_(options) {}

  Result<Figures> run() {
    std::vector<double> prefill, decode, together;
    Figures out;
    for (std::uint32_t i = 0; i < options_.runs; ++i) {
      std::deque<Answer> one(1), many(options_.together);
      const auto alone = ask(one, i);
      if (!alone) return alone.error();
      Answer& answer = one.front();
      out.prompt_tokens = answer.usage.prompt;
      prefill.push_back(answer.usage.prompt * 1e3 / ms_between(began_, answer.first));
      if (answer.tokens < 2)
        return Error(Fault::internal, "the model ended its answer at once: nothing to time");
      decode.push_back((answer.tokens - 1) * 1e3 / ms_between(answer.first, answer.last));
      const auto company = ask(many, 1'000 + i * options_.together);
      if (!company) return company.error();
      together.push_back(rate_of_all(many));
    }
    out.prefill = median(prefill);
    out.decode = median(decode);
    out.together = median(together);
    return out;
  }

 private:
  // From the moment when all are under way to the last token of the first that ends.
  static double rate_of_all(const std::deque<Answer>& answers) {
    Clock::time_point from = answers.front().first, to = answers.front().last;
    for (const Answer& answer : answers) {
      from = std::max(from, answer.first);
      to = std::max(to, answer.last);
    }
    double tokens = 0;
    for (const Answer& answer : answers) {
      const double share = ms_between(from, answer.last) / ms_between(answer.first, answer.last);
      tokens += (answer.tokens - 1) * std::clamp(share, 0.0, 1.0);
    }
    return tokens * 1e3 / std::max(1e-3, ms_between(from, to));
  }

  // No two prompts begin alike: a prefix found in the cache would be counted as computed.
  engine::Job job(std::uint32_t salt) const {
    engine::Job job;
    job.cache_salt = std::to_string(salt);
    std::string text = "Run " + std::to_string(salt) + ":";
    for (std::uint32_t i = 0; i + 6 < options_.prompt; ++i) text += " word";
    job.raw_prompt = std::move(text);
    job.sampling.temperature = 0;
    job.sampling.max_tokens = options_.generate;
    return job;
  }

  Result<void> ask(std::deque<Answer>& answers, std::uint32_t salt) {
    began_ = Clock::now();
    for (Answer& answer : answers) {
      const auto id = engine_.submit(job(salt++), answer.receiver());
      if (!id) return Error(Fault::internal, id.error().message());
    }
    for (Answer& answer : answers) answer.wait();
    for (const Answer& answer : answers)
      if (!answer.error.empty()) return Error(Fault::internal, answer.error);
    return {};
  }

  engine::Engine& engine_;
  const ModelBenchOptions& options_;
  Clock::time_point began_;
};

std::string figures_json(const engine::ModelInfo& info, const Figures& figures,
                         const ModelBenchOptions& options) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.key("name").string(utf8_or_replaced(info.name));
  json.key("device").string(info.device);
  json.key("load_ms").number(figures.load_ms);
  json.key("prompt_tokens").integer(figures.prompt_tokens);
  json.key("prefill_tokens_per_second").number(figures.prefill);
  json.key("decode_tokens_per_second").number(figures.decode);
  json.key("together").integer(options.together);
  json.key("together_tokens_per_second").number(figures.together);
  if (options.usd_per_hour > 0) {
    json.key("usd_per_million_tokens_alone")
        .number(options.usd_per_hour / 3600 / figures.decode * 1e6);
    json.key("usd_per_million_tokens_together")
        .number(options.usd_per_hour / 3600 / figures.together * 1e6);
  }
  json.end_object();
  return out + "\n";
}

void show_loading(const CliIo& io, double fraction) {
  if (!io.tty) return;
  io.err << fmt::format("\rloading {:3.0f} %", fraction * 100) << (fraction >= 1 ? "\r\033[K" : "")
         << std::flush;
}

}  // namespace

Exit run_model_bench(const CliIo& io, const ModelBenchOptions& options) {
  engine::EngineOptions wanted;
  wanted.model_path = options.file;
  wanted.threads = options.threads;
  wanted.slots = options.together;
  wanted.context = options.prompt + options.generate + 16;
  const auto began = Clock::now();
  auto engine = engine::Engine::load(
      wanted, [&io](double fraction, std::string_view) { show_loading(io, fraction); });
  const double load_ms = ms_between(began, Clock::now());
  if (!engine) {
    io.err << "jevons model bench: " << printable(engine.error().message()) << "\n";
    return Exit::failure;
  }
  Result<Figures> figures = Bench(**engine, options).run();
  if (!figures) {
    io.err << "jevons model bench: " << printable(figures.error().message()) << "\n";
    return Exit::failure;
  }
  figures->load_ms = load_ms;
  const engine::ModelInfo& info = (*engine)->info();
  if (options.json) {
    io.out << figures_json(info, *figures, options);
    return Exit::good;
  }
  Table table({{"what"}, {"value", true}, {"unit"}});
  const auto row = [&table](std::string what, double value, const char* unit) {
    table.add({std::move(what), fmt::format("{:.1f}", value), unit});
  };
  row("load", figures->load_ms, "ms");
  row(fmt::format("read a prompt of {} tokens", figures->prompt_tokens), figures->prefill,
      "tokens/s");
  row("write one answer", figures->decode, "tokens/s");
  row(fmt::format("write {} answers together", options.together), figures->together, "tokens/s");
  if (options.usd_per_hour > 0) {
    row("price alone", options.usd_per_hour / 3600 / figures->decode * 1e6, "USD/million tokens");
    row("price together", options.usd_per_hour / 3600 / figures->together * 1e6,
        "USD/million tokens");
  }
  io.out << printable(info.name) << " on " << info.device << "\n" << table.text(io.color);
  return Exit::good;
}

}  // namespace jevons
