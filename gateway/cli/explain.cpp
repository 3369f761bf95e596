#include "gateway/cli/explain.h"

#include <cstdio>

#include "gateway/keys.h"
#include "gateway/route_answer.h"
#include "router/what_if.h"

namespace jevons {
namespace {

std::string fixed(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

void print_candidate(const Candidate& candidate, const Catalog& catalog, bool chosen,
                     const CliIo& io) {
  const std::string cost =
      candidate.expected_cost ? "$" + dollars_json(*candidate.expected_cost) : "-";
  io.out << (chosen ? "> " : "  ") << padded(catalog.targets[candidate.target].name, 24)
         << padded(candidate.p_ok ? fixed(*candidate.p_ok, 3) : "-", 8) << padded(cost, 16)
         << padded(candidate.expected_ttft_ms ? fixed(*candidate.expected_ttft_ms, 0) : "-", 9)
         << padded(candidate.expected_total_ms ? fixed(*candidate.expected_total_ms, 0) : "-", 10)
         << (candidate.eligible() ? "" : why_not_name(candidate.why_not)) << '\n';
}

void print_decision(const Decision& decision, const Classification& c, const Catalog& catalog,
                    const CliIo& io) {
  io.out << "task " << task_name(c.task) << ", difficulty " << fixed(c.difficulty, 2)
         << ", uncertainty " << fixed(c.uncertainty, 2) << ", " << c.prompt_tokens
         << " prompt tokens, about " << c.completion_tokens_p50 << " to answer\n\n"
         << "  target                  p_ok    cost            ttft ms  total ms  why not\n";
  for (const Candidate& candidate : decision.candidates)
    print_candidate(candidate, catalog, decision.target == candidate.target, io);
  io.out << '\n';
  if (!decision.target) {
    io.out << infeasible_error(decision, catalog).message() << '\n';
    return;
  }
  io.out << catalog.targets[*decision.target].name << ": " << reason_name(decision.reason);
  if (decision.policy) io.out << " under policy " << decision.policy->name;
  if (!decision.rule.empty()) io.out << ", rule '" << decision.rule << "'";
  io.out << '\n';
  for (const Relax relax : decision.relaxed)
    io.out << "relaxed " << relax_name(relax) << ", because no target met it\n";
  if (decision.baseline && decision.baseline_cost)
    io.out << "baseline " << catalog.targets[*decision.baseline].name << " would cost $"
           << dollars_json(*decision.baseline_cost) << '\n';
}

void print_what_if(const DecideInput& input, const Decision& decision, const CliIo& io) {
  if (!decision.target || decision.candidates.size() < 2) return;
  io.out << "\nfor another target to win:\n";
  for (const Candidate& candidate : decision.candidates) {
    if (candidate.target == *decision.target) continue;
    std::string text;
    for (const std::string& change : what_would_win(input, decision, candidate.target).changes)
      text += (text.empty() ? "" : ", and ") + change;
    io.out << "  " << padded(input.catalog.targets[candidate.target].name, 24)
           << (text.empty() ? "nothing; the draw or the session chose another" : text) << '\n';
  }
}

Result<Caller> caller_of(const ExplainOptions& options) {
  Caller caller;
  caller.key_name = "anonymous";
  caller.quality = options.quality;
  std::string joined;
  for (const std::string& tag : options.tags) joined += (joined.empty() ? "" : ",") + tag;
  Result<Tags> tags = parse_tags(joined);
  if (tags.has_error()) return tags.error();
  caller.tags = std::move(*tags);
  return caller;
}

}  // namespace

Exit explain(const Config& config, const ExplainOptions& options, std::int64_t now_unix_s,
             const CliIo& io) {
  ChatRequest request;
  request.requested_model = options.model;
  request.max_completion_tokens = options.max_tokens;
  Message message;
  message.parts.push_back(Part{.text = options.prompt});
  request.messages.push_back(std::move(message));
  request.text_bytes = static_cast<std::int64_t>(options.prompt.size());
  const Result<Caller> caller = caller_of(options);
  if (caller.has_error()) {
    io.err << caller.error().message() << '\n';
    return Exit::usage;
  }
  std::vector<std::string> all;
  for (const Policy& policy : config.policies) all.push_back(policy.name);
  const Result<Resolution> resolution = resolve_model(
      config.catalog, config.policies, all, options.policy, options.model, Endpoint::chat);
  if (resolution.has_error()) {
    io.err << resolution.error().message() << '\n';
    return Exit::usage;
  }
  Snapshot snapshot;
  snapshot.now_unix_s = now_unix_s;
  const Classification classification = classify(request);
  const DecideInput input{.catalog = config.catalog,
                          .policy = resolution->policy,
                          .pinned = resolution->pinned,
                          .request = request,
                          .classification = classification,
                          .caller = *caller,
                          .snapshot = snapshot};
  const Decision decision = decide(input);
  if (options.json) {
    io.out << route_answer(decision, classification, config.catalog, 0) << '\n';
  } else {
    print_decision(decision, classification, config.catalog, io);
    print_what_if(input, decision, io);
  }
  return decision.target ? Exit::good : Exit::failure;
}

}  // namespace jevons
