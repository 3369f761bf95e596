// What `jevons explain` prints, for people and for programs.
#include <cstdio>

#include "gateway/cli/explain.h"
#include "gateway/route_answer.h"
#include "gateway/time_zone.h"
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

std::string proof_text(const Candidate& candidate) {
  const double rate = candidate.facts.failures_at_most;
  return rate < 1 ? fixed(rate * 100, 1) + " %" : "unproven";
}

bool asks_for_proof(const Decision& decision) {
  return decision.policy && decision.policy->fail_at_most && !decision.pinned;
}

void print_candidate(const Candidate& candidate, const Catalog& catalog, const Decision& decision,
                     const CliIo& io) {
  const bool chosen = decision.target == candidate.target;
  const std::string cost =
      candidate.expected_cost ? "$" + dollars_json(*candidate.expected_cost) : "-";
  io.out << (chosen ? "> " : "  ") << padded(catalog.targets[candidate.target].name, 24)
         << padded(candidate.p_ok ? fixed(*candidate.p_ok, 3) : "-", 8) << padded(cost, 16)
         << padded(candidate.expected_ttft_ms ? fixed(*candidate.expected_ttft_ms, 0) : "-", 9)
         << padded(candidate.expected_total_ms ? fixed(*candidate.expected_total_ms, 0) : "-", 10)
         << (asks_for_proof(decision) ? padded(proof_text(candidate), 10) : "")
         << (candidate.eligible() ? "" : why_not_name(candidate.why_not)) << '\n';
}

void print_decision(const Decision& decision, const Classification& c, const Catalog& catalog,
                    const CliIo& io) {
  io.out << "task " << task_name(c.task) << ", difficulty " << fixed(c.difficulty, 2)
         << ", uncertainty " << fixed(c.uncertainty, 2) << ", " << c.prompt_tokens
         << " prompt tokens, about " << c.completion_tokens_p50 << " to answer\n\n"
         << "  target                  p_ok    cost            ttft ms  total ms  "
         << (asks_for_proof(decision) ? "fails <=  " : "") << "why not\n";
  for (const Candidate& candidate : decision.candidates)
    print_candidate(candidate, catalog, decision, io);
  io.out << '\n';
  if (!decision.target) {
    io.out << infeasible_error(decision, catalog).message() << '\n';
    return;
  }
  io.out << catalog.targets[*decision.target].name << ": " << reason_name(decision.reason);
  if (decision.policy) io.out << " under policy " << decision.policy->name;
  if (!decision.rule.empty()) io.out << ", rule '" << decision.rule << "'";
  io.out << '\n';
  if (decision.reason == Reason::best_until_proven)
    io.out
        << "it serves because it is the best: a target that ranks before it lacks the proof that "
           "it fails\nat most "
        << fixed(*decision.policy->fail_at_most * 100, 1)
        << " % of the time, from this key's own feedback\n";
  for (const Relax relax : decision.relaxed)
    io.out << "relaxed " << relax_name(relax) << ", because no target met it\n";
  if (decision.baseline && decision.baseline_cost)
    io.out << "baseline " << catalog.targets[*decision.baseline].name << " would cost $"
           << dollars_json(*decision.baseline_cost) << '\n';
}

// What would make each other target win; empty where nothing was chosen.
std::vector<std::pair<std::size_t, WhatIf>> other_winners(const DecideInput& input,
                                                          const Decision& decision) {
  std::vector<std::pair<std::size_t, WhatIf>> all;
  if (!decision.target) return all;
  for (const Candidate& candidate : decision.candidates)
    if (candidate.target != *decision.target)
      all.emplace_back(candidate.target, what_would_win(input, decision, candidate.target));
  return all;
}

void print_what_if(const DecideInput& input, const Decision& decision, const CliIo& io) {
  const auto others = other_winners(input, decision);
  if (!others.empty()) io.out << "\nfor another target to win:\n";
  for (const auto& [target, what] : others) {
    std::string text;
    for (const std::string& change : what.changes) text += (text.empty() ? "" : ", and ") + change;
    io.out << "  " << padded(input.catalog.targets[target].name, 24)
           << (text.empty() ? "nothing; the draw or the session chose another" : text) << '\n';
  }
}

void what_if_json(JsonWriter& json, const DecideInput& input, const Decision& decision) {
  json.key("what_would_win").begin_array();
  for (const auto& [target, what] : other_winners(input, decision)) {
    json.begin_object().key("target").string(input.catalog.targets[target].name);
    json.key("possible").boolean(what.wins).key("changes").begin_array();
    for (const std::string& change : what.changes) json.string(change);
    json.end_array().end_object();
  }
  json.end_array();
}

std::string recorded_target(const Explained& explained) {
  const auto& plan = explained.recorded->plan;
  return plan.empty() ? "none" : plan.front().first;
}

void print_request(const Explained& explained, const CliIo& io) {
  const RequestRecord& request = explained.logged->request;
  io.out << "request " << request_id_text(request.id) << " of "
         << utc_text(request.time_unix_ns / 1'000'000'000) << " by key " << request.key
         << ", asked for " << request.requested_model << ": " << recorded_target(explained) << ", "
         << request.reason << '\n';
  for (const LoggedAttempt& attempt : explained.logged->attempts)
    io.out << "  attempt " << attempt.attempt << " (" << attempt.on << ") " << attempt.target
           << ": " << (attempt.cost ? "$" + dollars_json(*attempt.cost) : "unpriced") << ", "
           << attempt.usage.prompt_tokens() << " + " << attempt.usage.completion_tokens()
           << " tokens" << (attempt.delivered ? ", delivered" : "") << '\n';
  if (explained.logged->score)
    io.out << "  feedback " << fixed(*explained.logged->score, 2) << '\n';
  io.out << (explained.reproduced
                 ? "decided again from what was known then, the same comes out:\n\n"
                 : "its policy or the catalog changed since; with what was known then it would now "
                   "be:\n\n");
}

void request_json(JsonWriter& json, const Explained& explained) {
  const RequestRecord& request = explained.logged->request;
  json.key("request").begin_object();
  json.key("request_id").string(request_id_text(request.id));
  json.key("time").string(utc_text(request.time_unix_ns / 1'000'000'000));
  json.key("key").string(request.key).key("requested_model").string(request.requested_model);
  json.key("policy").string(request.policy).key("target").string(recorded_target(explained));
  json.key("reason").string(request.reason).key("weights_id").string(request.weights_id);
  json.key("reproduced").boolean(explained.reproduced).key("score");
  if (explained.logged->score)
    json.number(*explained.logged->score);
  else
    json.null();
  json.key("attempts").begin_array();
  for (const LoggedAttempt& attempt : explained.logged->attempts) {
    json.begin_object().key("attempt").integer(attempt.attempt).key("on").string(attempt.on);
    json.key("target").string(attempt.target).key("cost_usd");
    if (attempt.cost)
      json.raw(dollars_json(*attempt.cost));
    else
      json.null();
    json.key("delivered").boolean(attempt.delivered).end_object();
  }
  json.end_array().end_object();
}

}  // namespace

void print_explained(const Explained& explained, bool as_json, const CliIo& io) {
  const DecideInput& input = explained.input;
  if (as_json) {
    std::string out;
    JsonWriter json(out);
    json.begin_object();
    write_route_fields(json, explained.decision, input.classification, input.catalog);
    what_if_json(json, input, explained.decision);
    if (explained.logged) request_json(json, explained);
    json.end_object();
    io.out << out << '\n';
    return;
  }
  if (explained.logged) print_request(explained, io);
  print_decision(explained.decision, input.classification, input.catalog, io);
  print_what_if(input, explained.decision, io);
}

}  // namespace jevons
