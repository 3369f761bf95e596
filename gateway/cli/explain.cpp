#include "gateway/cli/explain.h"

#include "gateway/admin/decisions_report.h"
#include "gateway/cli/ledger_client.h"
#include "gateway/keys.h"
#include "gateway/learning_book.h"

namespace jevons {
namespace {

Result<Caller> caller_of(const ExplainOptions& options) {
  Caller caller;
  caller.key_name = options.key;
  caller.quality = options.quality;
  std::string joined;
  for (const std::string& tag : options.tags) joined += (joined.empty() ? "" : ",") + tag;
  Result<Tags> tags = parse_tags(joined);
  if (tags.has_error()) return tags.error();
  caller.tags = std::move(*tags);
  return caller;
}

// A request of the ledger: what was decided, and the same decision made again.
Exit explain_request(const Config& config, const RequestId& id, bool json, const CliIo& io) {
  LedgerCall call{.method = "GET", .path = "/admin/v1/decisions", .query = {}, .body = {}};
  call.query = "request=" + request_id_text(id);
  const auto answer = ask_ledger(config, call);
  if (answer.has_error()) return report_failure(io, answer.error());
  const auto page = read_decisions_json(*answer);
  if (page.has_error()) return report_failure(io, page.error());
  if (page->rows.empty()) {
    io.err << "the ledger has no decision of " << request_id_text(id)
           << "; a request that called no target leaves none\n";
    return Exit::failure;
  }
  const LoggedDecision& logged = page->rows.front();
  const auto recorded = decode_decision(logged.request.decision, logged.request.target_layout,
                                        columns_of(logged), config.catalog);
  if (recorded.has_error()) return report_failure(io, recorded.error());
  const std::string& name = logged.request.policy;
  const Policy* policy = name.empty() ? nullptr : config.policy(name);
  if (policy == nullptr && !recorded->pinned) {
    io.err << "policy '" << name << "', which decided it, is no longer configured; `jevons replay` "
           << "tries another one on it\n";
    return Exit::failure;
  }
  const DecideInput input = recorded->input(config.catalog, policy);
  const Decision decision = decide(input);
  print_explained({.input = input,
                   .decision = decision,
                   .logged = &logged,
                   .recorded = &*recorded,
                   .reproduced = same_decision(decision, *recorded, config.catalog)},
                  json, io);
  return decision.target ? Exit::good : Exit::failure;
}

}  // namespace

Exit explain(const Config& config, const ExplainOptions& options, std::int64_t now_unix_s,
             const CliIo& io) {
  if (const auto id = request_id_of(options.prompt))
    return explain_request(config, *id, options.json, io);
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
  snapshot.learned = std::make_shared<const Learned>(
      learned_from_journal(journal_of(config.ledger_path), std::string(weights_id())));
  const Classification classification = classify(request);
  const DecideInput input{.catalog = config.catalog,
                          .policy = resolution->policy,
                          .pinned = resolution->pinned,
                          .request = request,
                          .classification = classification,
                          .caller = *caller,
                          .snapshot = snapshot};
  const Decision decision = decide(input);
  print_explained({.input = input, .decision = decision}, options.json, io);
  return decision.target ? Exit::good : Exit::failure;
}

}  // namespace jevons
