#include "local_engine/engine.h"

#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <set>

#include "tests/local_engine/conformance.h"
#include "tests/local_engine/engine_fixture.h"

using namespace jevons::engine;
using namespace jevons::engine::testing;

namespace {

// One model file for all cases.
const std::string& tiny_path() {
  static const TemporaryFile file("tiny.gguf");
  static const bool written = [] {
    const auto ok = synth_model(tiny_spec()).write(file.path());
    REQUIRE(ok.has_value());
    return true;
  }();
  (void)written;
  return file.path();
}

EngineOptions tiny_options() {
  EngineOptions options;
  options.model_path = tiny_path();
  options.threads = 2;
  options.slots = 4;
  options.prefill_chunk = 24;
  return options;
}

void run(Engine& engine, Job job, Client& client) {
  const auto id = engine.submit(std::move(job), client.receiver());
  REQUIRE(id.has_value());
  client.wait();
}

std::string answer(Engine& engine, Job job) {
  Client client;
  run(engine, std::move(job), client);
  REQUIRE(client.finish.has_value());
  return client.text;
}

void until_idle(const Engine& engine) {
  while (engine.stats().running + engine.stats().waiting > 0) {
  }
}

}  // namespace

TEST_CASE("load: what cannot work is refused in words") {
  EngineOptions options;
  options.model_path = "/nonexistent/model.gguf";
  CHECK_FALSE(Engine::load(options).has_value());
  options = tiny_options();
  options.device = Device::cuda;
  CHECK(Engine::load(options).error().message() ==
        "local engine: this build has no CUDA; use device auto or cpu");
  options = tiny_options();
  options.slots = 0;
  CHECK(Engine::load(options).error().message() == "local engine: slots must be 1 to 256");
  options = tiny_options();
  options.kv_bytes_max = 1000;
  CHECK(Engine::load(options).error().message() ==
        "local engine: kv_bytes_max of 1000 bytes holds fewer than 32 tokens");
}

TEST_CASE("load reports progress and the model's figures") {
  double last = 0;
  const auto engine = Engine::load(tiny_options(), [&](double fraction, std::string_view) {
    CHECK(fraction >= last);
    last = fraction;
  });
  REQUIRE(engine.has_value());
  CHECK(last == 1);
  const ModelInfo& info = (*engine)->info();
  CHECK(info.name == "synthetic");
  CHECK(info.architecture == "llama");
  CHECK(info.layers == 2);
  CHECK(info.context == 512);
  CHECK(info.vocabulary == 320);
  CHECK(info.parameters == info.active_parameters);
  CHECK(info.has_chat_template);
  const auto read = read_model_info(tiny_path());
  REQUIRE(read.has_value());
  CHECK(read->parameters == info.parameters);
}

TEST_CASE("greedy answers are the same alone, in company, and with a cached prefix") {
  const auto engine = load_engine(tiny_options());
  std::vector<std::string> alone;
  for (int i = 0; i < 8; ++i) {
    EngineOptions options = tiny_options();
    options.prefix_cache = false;
    options.prefill_chunk = static_cast<std::uint32_t>(1 + 3 * i);
    const auto own = load_engine(options);
    alone.push_back(answer(*own, raw_job("the prompt of number " + std::to_string(i), 40)));
    CHECK_FALSE(alone.back().empty());
  }
  for (int round = 0; round < 2; ++round) {
    std::deque<Client> clients(8);
    for (int i = 0; i < 8; ++i) {
      const auto id = engine->submit(raw_job("the prompt of number " + std::to_string(i), 40),
                                     clients[static_cast<std::size_t>(i)].receiver());
      REQUIRE(id.has_value());
    }
    for (std::size_t i = 0; i < 8; ++i) {
      clients[i].wait();
      CHECK(clients[i].text == alone[i]);
      CHECK(clients[i].finish == Finish::length);
      CHECK(clients[i].usage.completion == 40);
      CHECK(clients[i].usage.prompt == 22);
      if (round == 1) CHECK(clients[i].usage.cached == 16);
    }
  }
}

TEST_CASE("each answer is charged its share of the engine's time, not the time it waited") {
  const auto engine = load_engine(tiny_options());
  std::deque<Client> clients(4);
  const auto began = std::chrono::steady_clock::now();
  for (Client& client : clients) {
    REQUIRE(engine->submit(raw_job("share and share alike", 60), client.receiver()).has_value());
  }
  std::uint64_t sum = 0;
  for (Client& client : clients) {
    client.wait();
    CHECK(client.usage.compute_us > 0);
    sum += client.usage.compute_us;
  }
  const std::chrono::duration<double, std::micro> all = std::chrono::steady_clock::now() - began;
  CHECK(static_cast<double>(sum) <= all.count() + 60 * 4);  // each share is rounded
}

TEST_CASE("prefixes are not shared between tenants") {
  const auto engine = load_engine(tiny_options());
  Job job = raw_job(std::string(100, 'x') + "tail", 2);
  job.cache_salt = "a";
  Client first;
  run(*engine, job, first);
  CHECK(first.usage.cached == 0);
  Client again;
  run(*engine, job, again);
  CHECK(again.usage.cached == 96);
  CHECK(again.text == first.text);
  job.cache_salt = "b";
  Client other;
  run(*engine, job, other);
  CHECK(other.usage.cached == 0);
  CHECK(other.text == first.text);
}

TEST_CASE("preemption for want of KV blocks does not change an answer") {
  EngineOptions options = tiny_options();
  const auto roomy = load_engine(options);
  // Room for about 160 tokens, while four jobs want 4 x 100.
  options.kv_bytes_max = roomy->info().kv_bytes_per_token * 160;
  options.prefix_cache = false;
  const auto tight = load_engine(options);
  std::deque<Client> clients(4);
  for (std::size_t i = 0; i < 4; ++i) {
    const auto id = tight->submit(raw_job("job " + std::to_string(i), 90), clients[i].receiver());
    REQUIRE(id.has_value());
  }
  for (std::size_t i = 0; i < 4; ++i) {
    clients[i].wait();
    CHECK(clients[i].text == answer(*roomy, raw_job("job " + std::to_string(i), 90)));
  }
  CHECK(tight->stats().preemptions > 0);
  CHECK(tight->stats().kv_usage == 0);
}

TEST_CASE("seeds: same seed same text, another seed another; no seed differs too") {
  const auto engine = load_engine(tiny_options());
  Job job = raw_job("say something", 30);
  job.sampling.temperature = 1;
  job.sampling.seed = 7;
  const std::string first = answer(*engine, job);
  CHECK(answer(*engine, job) == first);
  job.sampling.seed = 8;
  CHECK(answer(*engine, job) != first);
  job.sampling.seed.reset();
  CHECK(answer(*engine, job) != answer(*engine, job));
}

TEST_CASE("a stop string over token borders ends the answer and is not shown") {
  const auto engine = load_engine(tiny_options());
  const std::string whole = answer(*engine, raw_job("go", 60));
  // Bytes that are no characters of their own come out as U+FFFD; pick three plain ones in a row.
  std::string stop;
  for (std::size_t i = 8; i + 3 < whole.size() && stop.empty(); ++i) {
    const std::string part = whole.substr(i, 3);
    const bool plain = std::all_of(part.begin(), part.end(), [](char c) { return c > 31; });
    if (plain && whole.find(part) == i) stop = part;
  }
  REQUIRE_FALSE(stop.empty());
  Job job = raw_job("go", 60);
  job.sampling.stop = {"never there", stop};
  Client client;
  run(*engine, job, client);
  CHECK(client.finish == Finish::stop);
  CHECK(client.text == whole.substr(0, whole.find(stop)));
}

TEST_CASE("logprobs: the greedy token is the likeliest, and probabilities are sane") {
  const auto engine = load_engine(tiny_options());
  Job job = raw_job("probabilities", 12);
  job.sampling.logprobs = true;
  job.sampling.top_logprobs = 5;
  Client client;
  run(*engine, job, client);
  REQUIRE(client.logprobs.size() == 12);
  for (const TokenLogprobs& one : client.logprobs) {
    REQUIRE(one.top.size() == 5);
    CHECK(one.top[0].bytes == one.chosen.bytes);
    CHECK(one.top[0].logprob == one.chosen.logprob);
    double sum = 0;
    for (const TokenProbability& p : one.top) sum += std::exp(static_cast<double>(p.logprob));
    CHECK(sum > 0);
    CHECK(sum <= 1.0001);
  }
}

TEST_CASE("a forbidden token does not come, a favoured one does") {
  const auto engine = load_engine(tiny_options());
  Job job = raw_job("bias", 5);
  job.sampling.logit_bias = {{'Z', 100}};
  CHECK(answer(*engine, job) == "ZZZZZ");
  job.sampling.logit_bias = {{'Z', 100}, {'Z', -100}};
  CHECK(answer(*engine, job).find('Z') == std::string::npos);
}

TEST_CASE("an end token ends the answer with stop") {
  const auto engine = load_engine(tiny_options());
  Job job = raw_job("end", 50);
  job.sampling.logit_bias = {{257, 100}};
  Client client;
  run(*engine, job, client);
  CHECK(client.finish == Finish::stop);
  CHECK(client.text.empty());
  CHECK(client.usage.completion == 1);
}

TEST_CASE("cancelling frees the KV blocks and answers cancelled, whenever it comes") {
  const auto engine = load_engine(tiny_options());
  std::deque<Client> clients(60);
  int cancelled = 0;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    Client& client = clients[i];
    const auto id =
        engine->submit(raw_job("cancel me " + std::to_string(i), 400), client.receiver());
    REQUIRE(id.has_value());
    // At once, after the prompt, or in the middle.
    client.wait_for_updates(static_cast<int>(i % 3));
    engine->cancel(*id);
    client.wait();
    CHECK(client.finish.has_value());
    if (client.finish == Finish::cancelled) ++cancelled;
  }
  until_idle(*engine);
  CHECK(engine->stats().kv_usage == 0);
  // Those that were cancelled before the answer began can have come to no other end.
  CHECK(cancelled >= 20);
  engine->cancel(123456);  // unknown: ignored
}

TEST_CASE("a deadline ends a job that waits and one that runs") {
  const auto engine = load_engine(tiny_options());
  Job job = raw_job("late", 400);
  job.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  Client past;
  run(*engine, job, past);
  CHECK(past.finish == Finish::deadline);
  CHECK(past.usage.completion == 0);
}

TEST_CASE("a prompt beyond the context is refused with both counts") {
  const auto engine = load_engine(tiny_options());
  Client client;
  run(*engine, raw_job(std::string(600, 'x'), 10), client);
  REQUIRE(client.refusal.has_value());
  CHECK(client.refusal->fault() == EngineFault::invalid_input);
  CHECK(client.refusal->context_exceeded());
  CHECK(client.refusal->prompt_tokens() == 600);
  CHECK(client.refusal->context() == 512);
  CHECK(client.refusal->message() ==
        "the prompt has 600 tokens, the context is 512 and must hold the answer too");
  // A wish beyond the context is cut to what fits.
  Client cut;
  run(*engine, raw_job(std::string(500, 'x'), 1000), cut);
  CHECK(cut.finish == Finish::length);
  CHECK(cut.usage.completion == 12);
}

TEST_CASE("a full queue refuses at once and says when to come back") {
  EngineOptions options = tiny_options();
  options.slots = 1;
  options.queue_max = 2;
  const auto engine = load_engine(options);
  std::deque<Client> clients(50);
  std::vector<JobId> ids;
  int refused = 0;
  for (Client& client : clients) {
    const auto id = engine->submit(raw_job("hold the line", 400), client.receiver());
    if (id) {
      ids.push_back(*id);
      continue;
    }
    ++refused;
    const Refusal refusal = id.error();
    CHECK(refusal.fault() == EngineFault::overloaded);
    CHECK(refusal.retry_after_ms() >= 100);
    CHECK(refusal.message() == "the local model's queue is full (2 waiting)");
  }
  CHECK(refused > 0);
  for (const JobId id : ids) engine->cancel(id);
  until_idle(*engine);
  CHECK(engine->stats().jobs_refused == static_cast<std::uint64_t>(refused));
  CHECK(engine->stats().jobs_done == ids.size());
}

TEST_CASE("destroying a busy engine answers every job") {
  std::deque<Client> clients(10);
  {
    const auto engine = load_engine(tiny_options());
    for (Client& client : clients) {
      const auto id = engine->submit(raw_job("busy", 400), client.receiver());
      REQUIRE(id.has_value());
    }
  }
  for (Client& client : clients) CHECK((client.finish || client.refusal));
}

TEST_CASE("a stopped engine has answered every job, calls nobody back and takes no more") {
  std::deque<Client> clients(10);
  const auto engine = load_engine(tiny_options());
  JobId last = 0;
  for (Client& client : clients) {
    const auto id = engine->submit(raw_job("busy", 400), client.receiver());
    REQUIRE(id.has_value());
    last = *id;
  }
  engine->stop();
  for (Client& client : clients) CHECK((client.finish || client.refusal));
  engine->cancel(last);
  engine->stop();
  Client late;
  const auto refused = engine->submit(raw_job("late", 4), late.receiver());
  REQUIRE(refused.has_error());
  CHECK(refused.error().message() == "the local engine is shutting down");
  CHECK(engine->stats().running == 0);
}

TEST_CASE("damaged model files: an error or a model, never a crash") {
  std::ifstream in(tiny_path(), std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const TemporaryFile file("damaged.gguf");
  EngineOptions options = tiny_options();
  options.model_path = file.path();
  options.threads = 1;
  const auto load = [&](const std::string& bytes) {
    std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << bytes;
    return Engine::load(options);
  };
  for (std::size_t size = 0; size < good.size(); size += 1 + good.size() / 40) {
    CHECK_FALSE(load(good.substr(0, size)).has_value());
  }
  for (std::size_t i = 0; i < 300; ++i) {
    std::string bytes = good;
    bytes[(i * 131) % 16'000] ^= static_cast<char>(1 << (i % 8));
    (void)load(bytes);
  }
}

TEST_CASE("impossible hyper-parameters are refused by name") {
  const auto refused = [](const char* key, std::uint32_t value, const std::string& message) {
    CAPTURE(key);
    SynthSpec spec = tiny_spec();
    spec.experts = 4;
    spec.experts_used = 2;
    GgufWriter writer = synth_model(spec);
    writer.set_u32(key, value);
    const TemporaryFile file("impossible.gguf");
    REQUIRE(writer.write(file.path()).has_value());
    EngineOptions options = tiny_options();
    options.model_path = file.path();
    const auto engine = Engine::load(options);
    REQUIRE_FALSE(engine.has_value());
    CHECK(engine.error().fault() == EngineFault::invalid_model);
    CHECK(engine.error().message() == file.path() + ": " + message);
  };
  refused("llama.attention.head_count", 0, "llama.attention.head_count is 0, must be 1 to 1024");
  refused("llama.attention.head_count_kv", 3,
          "llama.attention.head_count 4 is not a multiple of head_count_kv 3");
  refused("llama.expert_used_count", 5, "llama.expert_used_count is 5, above expert_count 4");
  refused("llama.block_count", 4'000'000'000, "llama.block_count is 4000000000, must be 1 to 1024");
  refused("llama.block_count", 3, "tensor blk.2.attn_norm.weight is missing");
  refused("llama.embedding_length", 63, "tensor token_embd.weight is not 63 x 320");
  refused("llama.expert_feed_forward_length", 1,
          "tensor blk.0.ffn_gate_exps.weight is 64 x 96 x 4, the metadata want 64 x 1 x 4");
}

TEST_CASE("SmolLM2 says what the reference implementations say") {
  const auto path = conformance_folder() / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf";
  if (!have_conformance(path)) return;
  EngineOptions options;
  options.model_path = path.string();
  const auto engine = load_engine(options);
  // transformers' own greedy text for these weights in f32.
  CHECK(answer(*engine, raw_job("The capital of France is", 8)) == " Paris.\n\nThe answer is:");
  // Through the file's template, which adds a system message; llama.cpp gives the same words.
  Job job;
  job.messages.push_back({.role = Role::user, .parts = {{"What is the capital of France?"}}});
  job.sampling.temperature = 0;
  job.sampling.max_tokens = 20;
  Client client;
  run(*engine, job, client);
  CHECK(client.text.starts_with("L'\u00c9toile, la Marseillaise"));
  CHECK(client.usage.prompt == 37);
  CHECK(client.finish == Finish::length);
}
