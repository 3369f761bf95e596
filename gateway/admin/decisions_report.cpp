#include "gateway/admin/decisions_report.h"

#include <charconv>
#include <map>

#include "providers/base64.h"
#include "providers/json.h"

namespace jevons {
namespace {

// Layouts repeat on nearly every row: each is written once, rows name it by its number.
class Layouts {
 public:
  std::int64_t number(const std::string& layout) {
    const auto [found, fresh] =
        numbers_.emplace(layout, static_cast<std::int64_t>(numbers_.size()));
    if (fresh) in_order_.push_back(layout);
    return found->second;
  }
  const std::vector<std::string>& in_order() const { return in_order_; }

 private:
  std::map<std::string, std::int64_t> numbers_;
  std::vector<std::string> in_order_;
};

void write_attempt(JsonWriter& json, const LoggedAttempt& attempt) {
  json.begin_object();
  json.key("attempt").integer(attempt.attempt);
  json.key("on").string(attempt.on);
  json.key("target").string(attempt.target);
  json.key("cost_nanodollars");
  if (attempt.cost)
    json.integer(attempt.cost->value);
  else
    json.null();
  json.key("delivered").boolean(attempt.delivered);
  json.key("tokens").begin_array();  // in the order of TokenClass
  for (const TokenCount& tokens : attempt.usage.tokens) json.integer(tokens.count);
  json.end_array().end_object();
}

void write_row(JsonWriter& json, const LoggedDecision& row, std::int64_t layout) {
  const RequestRecord& request = row.request;
  json.begin_object();
  json.key("seq").integer(row.seq);
  json.key("request_id").string(request_id_text(request.id));
  json.key("time_unix_ns").integer(request.time_unix_ns);
  json.key("key").string(request.key);
  json.key("session").string(request.session);
  json.key("tags").begin_object();
  for (const auto& [name, value] : request.tags) json.key(name).string(value);
  json.end_object();
  json.key("endpoint").string(endpoint_name(request.endpoint));
  json.key("requested_model").string(request.requested_model);
  json.key("policy").string(request.policy);
  json.key("rule").string(request.rule);
  json.key("reason").string(request.reason);
  json.key("difficulty").number(request.difficulty);
  json.key("uncertainty").number(request.uncertainty);
  json.key("propensity").number(request.propensity);
  json.key("weights_id").string(request.weights_id);
  json.key("layout").integer(layout);
  json.key("facts").string(base64_encode(request.decision));
  json.key("score");
  if (row.score)
    json.number(*row.score);
  else
    json.null();
  json.key("attempts").begin_array();
  for (const LoggedAttempt& attempt : row.attempts) write_attempt(json, attempt);
  json.end_array().end_object();
}

std::string text_of(const JsonView& object, std::string_view name) {
  return std::string(object[name].text());
}

std::int64_t integer_of(const JsonView& object, std::string_view name) {
  return object[name].integer().value_or(0);
}

Endpoint endpoint_of(std::string_view name) {
  for (const Endpoint endpoint :
       {Endpoint::completions, Endpoint::embeddings, Endpoint::responses, Endpoint::messages})
    if (name == endpoint_name(endpoint)) return endpoint;
  return Endpoint::chat;
}

LoggedAttempt read_attempt(const JsonView& from) {
  LoggedAttempt attempt;
  attempt.attempt = static_cast<int>(integer_of(from, "attempt"));
  attempt.on = text_of(from, "on");
  attempt.target = text_of(from, "target");
  if (const auto cost = from["cost_nanodollars"].integer()) attempt.cost = Nanodollars{*cost};
  attempt.delivered = from["delivered"].boolean();
  std::size_t at = 0;
  for (const JsonView count : from["tokens"])
    if (at < token_class_count) attempt.usage.tokens[at++].count = count.integer().value_or(0);
  return attempt;
}

bool read_row(const JsonView& from, const std::vector<std::string>& layouts, LoggedDecision& row) {
  RequestRecord& request = row.request;
  const auto id = request_id_of(from["request_id"].text());
  const auto facts = base64_decode(from["facts"].text());
  const auto layout = from["layout"].integer();
  if (!id || !facts || !layout || *layout < 0 ||
      static_cast<std::size_t>(*layout) >= layouts.size())
    return false;
  row.seq = integer_of(from, "seq");
  row.score = from["score"].number();
  request.id = *id;
  request.time_unix_ns = integer_of(from, "time_unix_ns");
  request.key = text_of(from, "key");
  request.session = text_of(from, "session");
  const JsonView tags = from["tags"];
  for (auto tag = tags.begin(); tag != tags.end(); ++tag)
    request.tags.emplace(tag.key(), (*tag).text());
  request.endpoint = endpoint_of(from["endpoint"].text());
  request.requested_model = text_of(from, "requested_model");
  request.policy = text_of(from, "policy");
  request.rule = text_of(from, "rule");
  request.reason = text_of(from, "reason");
  request.difficulty = from["difficulty"].number().value_or(0);
  request.uncertainty = from["uncertainty"].number().value_or(0);
  request.propensity = from["propensity"].number().value_or(1);
  request.weights_id = text_of(from, "weights_id");
  request.target_layout = layouts[static_cast<std::size_t>(*layout)];
  request.decision = *facts;
  for (const JsonView attempt : from["attempts"]) row.attempts.push_back(read_attempt(attempt));
  return true;
}

}  // namespace

Result<DecisionQuery> decision_query(
    const std::vector<std::pair<std::string, std::string>>& words) {
  DecisionQuery query;
  for (const auto& [name, value] : words) {
    if (name == "request") {
      query.request = request_id_of(value);
      if (query.request) continue;
      return Error(Fault::invalid_value, "'request' must be a request id").with_param(name);
    }
    std::int64_t* field = name == "from"    ? &query.from_unix_ns
                          : name == "until" ? &query.until_unix_ns
                          : name == "after" ? &query.after
                          : name == "limit" ? &query.limit
                                            : nullptr;
    if (field == nullptr)
      return Error(Fault::invalid_value, "unknown parameter '" + name + "'").with_param("query");
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), *field);
    if (error != std::errc() || end != value.data() + value.size() || *field < 0)
      return Error(Fault::invalid_value, "'" + name + "' must be a number from 0").with_param(name);
  }
  return query;
}

std::string decisions_json(const DecisionPage& page) {
  std::string out;
  JsonWriter json(out);
  Layouts layouts;
  json.begin_object().key("decisions").begin_array();
  for (const LoggedDecision& row : page.rows)
    write_row(json, row, layouts.number(row.request.target_layout));
  json.end_array();
  json.key("layouts").begin_array();
  for (const std::string& layout : layouts.in_order()) json.string(layout);
  json.end_array();
  json.key("first").integer(page.first);
  json.key("last").integer(page.last);
  json.key("more").boolean(page.more);
  json.end_object();
  return out;
}

Result<DecisionPage> read_decisions_json(std::string_view text) {
  JsonDocument document;
  const Error broken(Fault::internal, "the gateway's list of decisions cannot be read");
  if (document.parse(text).has_error()) return broken;
  const JsonView root = document.root();
  DecisionPage page;
  page.first = integer_of(root, "first");
  page.last = integer_of(root, "last");
  page.more = root["more"].boolean();
  if (!root["decisions"].is_array() || !root["layouts"].is_array()) return broken;
  std::vector<std::string> layouts;
  for (const JsonView layout : root["layouts"]) layouts.emplace_back(layout.text());
  for (const JsonView row : root["decisions"])
    if (!read_row(row, layouts, page.rows.emplace_back())) return broken;
  return page;
}

}  // namespace jevons
