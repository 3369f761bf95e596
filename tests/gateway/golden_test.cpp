// Recorded conversations per provider, tests/golden/<provider>/<case>/:
//   case.json     how the target and the call are set up, and the upstream's status and headers
//   request.json  what the client sends us
//   wire.json     what the upstream must receive
//   answer.json or answer.sse   what the upstream sends back
//   decoded.txt   the internal form of that answer, one item a line
//   client.json or client.sse   what the client must receive
// With JEVONS_GOLDEN_UPDATE=1 the expected files are written instead of compared: read the diff.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "gateway/dialects/dialect.h"
#include "providers/adapter.h"
#include "providers/json.h"

using namespace jevons;
namespace fs = std::filesystem;

namespace {

std::string file_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void check_file(const fs::path& path, const std::string& actual) {
  static const bool update = std::getenv("JEVONS_GOLDEN_UPDATE") != nullptr;
  if (update) std::ofstream(path, std::ios::binary) << actual;
  const std::string expected = file_text(path);
  const std::string where = path.string();
  CAPTURE(where);
  CHECK(actual == expected);
}

Quirks quirks_of(std::string_view name) {
  constexpr std::string_view names[] = {"none",     "deepseek",   "mistral",  "xai",    "groq",
                                        "together", "openrouter", "moonshot", "ollama", "vllm"};
  for (std::size_t i = 0; i < std::size(names); ++i) {
    if (names[i] == name) return static_cast<Quirks>(i);
  }
  return Quirks::none;
}

struct Case {
  const Adapter* adapter = nullptr;
  Endpoint endpoint = Endpoint::chat;
  Target target;
  EncodeOptions options;
  int status = 200;
  std::vector<Header> headers;
};

Case read_case(const fs::path& folder) {
  JsonDocument document;
  const Result<JsonView> parsed = document.parse(file_text(folder / "case.json"));
  if (!parsed) FAIL(folder.string() << ": " << parsed.error().message());
  const JsonView root = *parsed;
  Case c;
  const std::string_view api = root["api"].text();
  c.adapter = adapter_of(api == "anthropic" ? Api::anthropic
                         : api == "gemini"  ? Api::gemini
                                            : Api::openai);
  if (root["endpoint"].text() == "embeddings") c.endpoint = Endpoint::embeddings;
  if (root["endpoint"].text() == "completions") c.endpoint = Endpoint::completions;
  c.target.name = "target";
  c.target.model = root["model"].text();
  c.target.max_output = 4096;
  c.target.can = ~Capabilities{0};
  if (root["thinking"].is_boolean() && !root["thinking"].boolean()) {
    c.target.can &= ~static_cast<Capabilities>(Capability::thinking);
  }
  for (JsonView name : root["rejects"]) c.target.rejects.emplace_back(name.text());
  for (JsonView name : root["efforts"]) c.target.efforts.emplace_back(name.text());
  c.options.stream = root["stream"].boolean();
  c.options.output_cap = root["output_cap"].integer().value_or(256);
  if (c.endpoint == Endpoint::embeddings) c.options.output_cap = 0;
  c.options.strict_params = root["strict"].boolean();
  c.options.quirks = quirks_of(root["quirks"].text());
  c.status = static_cast<int>(root["status"].integer().value_or(200));
  for (auto header = root["headers"].begin(); header != root["headers"].end(); ++header) {
    c.headers.push_back({std::string(header.key()), std::string((*header).text())});
  }
  return c;
}

std::string describe(const Error& error) {
  std::ostringstream out;
  out << "error " << fault_code(error.fault()) << (error.retryable() ? " retryable" : "")
      << (error.maybe_billed() ? " maybe_billed" : "");
  if (error.upstream_status() != 0) out << " status=" << error.upstream_status();
  if (error.rotates_key()) out << " rotates_key";
  if (error.retry_after_ms()) out << " retry_after_ms=" << *error.retry_after_ms();
  if (!error.param().empty()) out << " param=" << error.param();
  out << "\n  " << error.message() << "\n";
  return out.str();
}

std::string describe(const Usage& usage) {
  std::ostringstream out;
  out << "usage";
  for (std::size_t i = 0; i < token_class_count; ++i) {
    const TokenCount& tokens = usage.tokens[i];
    if (tokens.source == Provenance::absent && tokens.count == 0) continue;
    out << " " << token_class_name(static_cast<TokenClass>(i)) << "=" << tokens.count;
    if (tokens.source != Provenance::measured) out << "?";
  }
  if (usage.web_search_calls != 0) out << " web_search=" << usage.web_search_calls;
  if (usage.reported_cost) out << " reported_nanodollars=" << usage.reported_cost->value;
  if (!usage.suspicion.empty()) out << " suspicion: " << usage.suspicion;
  out << "\n";
  return out.str();
}

std::string describe(const ToolCall& call) {
  std::string text = call.id + " " + call.name + " " + call.arguments;
  if (call.custom) text += " custom";
  if (!call.thought_signature.empty()) text += " signature=" + call.thought_signature;
  return text;
}

std::string describe(const ChatResponse& response) {
  std::ostringstream out;
  out << "answer id=" << response.upstream_id << " model=" << response.model
      << " created=" << response.created << " tier=" << response.service_tier
      << " fingerprint=" << response.system_fingerprint << "\n";
  for (const Choice& choice : response.choices) {
    out << "choice " << choice.index << " finish=" << finish_reason_name(choice.finish) << "\n";
    if (choice.has_content) out << "  content=" << choice.content << "\n";
    if (!choice.reasoning.empty()) out << "  reasoning=" << choice.reasoning << "\n";
    if (!choice.reasoning_signature.empty()) {
      out << "  signature=" << choice.reasoning_signature << "\n";
    }
    if (!choice.refusal.empty()) out << "  refusal=" << choice.refusal << "\n";
    for (const ToolCall& call : choice.tool_calls) out << "  call " << describe(call) << "\n";
    if (!choice.stop_sequence.empty()) out << "  stop_sequence=" << choice.stop_sequence << "\n";
    if (!choice.logprobs.empty()) out << "  logprobs=" << choice.logprobs << "\n";
    if (!choice.annotations.empty()) out << "  annotations=" << choice.annotations << "\n";
  }
  for (const std::string& vector : response.embeddings) {
    out << "embedding of " << vector.size() << " bytes\n";
  }
  if (response.usage) out << describe(*response.usage);
  return out.str();
}

std::string describe(const StreamEvent& event) {
  using Kind = StreamEvent::Kind;
  std::ostringstream out;
  const auto text = [&](std::string_view kind) {
    out << kind << " " << event.choice << " ";
    std::string quoted;
    append_json_string(quoted, event.text);
    out << quoted << "\n";
  };
  switch (event.kind) {
    case Kind::start:
      out << "start id=" << event.upstream_id << " model=" << event.model
          << " created=" << event.created << " tier=" << event.service_tier
          << " fingerprint=" << event.system_fingerprint << "\n";
      break;
    case Kind::text:
      text("text");
      break;
    case Kind::reasoning:
      text("reasoning");
      break;
    case Kind::signature:
      text("signature");
      break;
    case Kind::refusal:
      text("refusal");
      break;
    case Kind::logprobs:
      text("logprobs");
      break;
    case Kind::tool_call_start:
      out << "call " << event.choice << " #" << event.tool_index << " " << describe(event.tool)
          << "\n";
      break;
    case Kind::tool_call_arguments:
      out << "arguments " << event.choice << " #" << event.tool_index << " " << event.text << "\n";
      break;
    case Kind::finish:
      out << "finish " << event.choice << " " << finish_reason_name(event.finish)
          << (event.stop_sequence.empty() ? "" : " at " + event.stop_sequence) << "\n";
      break;
    case Kind::usage:
      out << describe(*event.usage);
      break;
    case Kind::error:
      out << "failure " << event.error_code << " " << event.error_message << "\n";
  }
  return out.str();
}

struct Replay {
  std::string text;  // events and how it ended
  std::vector<StreamEvent> events;
  bool failed = false;
};

Replay replay(const Case& c, const ChatRequest& request, std::string_view bytes,
              const std::vector<std::size_t>& cuts) {
  Replay result;
  const auto decoder = c.adapter->open_stream(request, c.options.quirks);
  const auto fails = [&](const Result<void>& fed) {
    if (!fed) result.text = describe(fed.error());
    return !fed;
  };
  std::size_t from = 0;
  std::vector<std::size_t> ends = cuts;
  ends.push_back(bytes.size());
  for (const std::size_t end : ends) {
    const std::string piece(bytes.substr(from, end - from));
    from = end;
    result.failed = fails(decoder->feed(piece, result.events));
    if (result.failed) break;
  }
  if (!result.failed) result.failed = fails(decoder->finish(result.events));
  std::string events;
  for (const StreamEvent& event : result.events) events += describe(event);
  result.text = events + (decoder->done() ? "done\n" : "") + result.text;
  return result;
}

void check_all_splits(const Case& c, const ChatRequest& request, const std::string& bytes,
                      const std::string& expected) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < bytes.size(); ++i) cuts.push_back(i);
  CHECK(replay(c, request, bytes, cuts).text == expected);
  // One cut at a time, at 200 places or more; the replay above has had every one of them.
  std::size_t differing = 0;
  for (std::size_t cut = 1; cut < bytes.size(); cut += 1 + bytes.size() / 400) {
    differing += replay(c, request, bytes, {cut}).text != expected;
  }
  CHECK(differing == 0);
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    cuts.clear();
    for (std::size_t at = 1 + random() % 40; at < bytes.size(); at += 1 + random() % 40) {
      cuts.push_back(at);
    }
    CHECK(replay(c, request, bytes, cuts).text == expected);
  }
}

std::string client_stream(const Case& c, const ChatRequest& request, const Replay& answer) {
  const AnswerMeta meta = {"chatcmpl-1", 1700000000, c.target.model, "r-1"};
  const auto writer = dialect_of(c.endpoint)->open_stream(request, meta);
  std::string out;
  writer->write(answer.events, out);
  StreamEnd end;
  for (const StreamEvent& event : answer.events) {
    if (event.kind == StreamEvent::Kind::usage) end.usage = *event.usage;
    if (event.kind == StreamEvent::Kind::error) {
      writer->fail(Error(Fault::upstream_error, Origin::upstream, event.error_message), out);
      return out;
    }
  }
  end.account = {Nanodollars{1234000}, Nanodollars{9876000}, "target", 1, ""};
  writer->close(end, out);
  return out;
}

void run_case(const fs::path& folder) {
  const Case c = read_case(folder);
  REQUIRE(c.adapter != nullptr);
  const Result<ChatRequest> read = dialect_of(c.endpoint)->read(file_text(folder / "request.json"));
  if (!read) FAIL(read.error().message());
  const ChatRequest& request = *read;

  const Result<WireRequest> wire = c.adapter->encode(request, c.target, c.options);
  if (!wire) {
    check_file(folder / "wire.json", describe(wire.error()));
    return;
  }
  std::string sent = wire->path + "\n";
  for (const Header& header : wire->headers) sent += header.name + ": " + header.value + "\n";
  for (const std::string& name : wire->dropped_params) sent += "dropped: " + name + "\n";
  check_file(folder / "wire.json", sent + "\n" + wire->body + "\n");
  JsonDocument well_formed;
  CHECK(well_formed.parse(wire->body).has_value());

  if (fs::exists(folder / "answer.sse")) {
    const std::string bytes = file_text(folder / "answer.sse");
    const Replay answer = replay(c, request, bytes, {});
    check_file(folder / "decoded.txt", answer.text);
    check_all_splits(c, request, bytes, answer.text);
    if (!answer.failed) check_file(folder / "client.sse", client_stream(c, request, answer));
    return;
  }
  if (!fs::exists(folder / "answer.json")) return;
  const std::string body = file_text(folder / "answer.json");
  if (c.status != 200) {
    check_file(folder / "decoded.txt", describe(c.adapter->fault_of(c.status, c.headers, body)));
    return;
  }
  const Result<ChatResponse> answer = c.adapter->decode(body, request, c.options.quirks);
  check_file(folder / "decoded.txt", answer ? describe(*answer) : describe(answer.error()));
  if (!answer) return;
  const AnswerMeta meta = {"chatcmpl-1", 1700000000, c.target.model, "r-1"};
  check_file(folder / "client.json", dialect_of(c.endpoint)->write(request, *answer, meta) + "\n");
}

}  // namespace

TEST_CASE("recorded conversations come out as written down") {
  const fs::path root = fs::path(JEVONS_SOURCE_DIR) / "tests" / "golden";
  std::vector<fs::path> folders;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().filename() == "case.json") folders.push_back(entry.path().parent_path());
  }
  std::sort(folders.begin(), folders.end());
  REQUIRE(folders.size() > 10);
  for (const fs::path& folder : folders) {
    const std::string where = folder.string();
    CAPTURE(where);
    run_case(folder);
  }
}
