#include "tests/upstream/handler.h"

#include <algorithm>
#include <utility>

#include "tests/upstream/text.h"

namespace upstream {
namespace {

std::string endpoint_name(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::chat:
      return "chat";
    case Endpoint::completions:
      return "completions";
    case Endpoint::embeddings:
      return "embeddings";
    case Endpoint::messages:
      return "messages";
    case Endpoint::generate:
      return "generate";
    case Endpoint::count_tokens:
      return "count_tokens";
    case Endpoint::unknown:
      break;
  }
  return "unknown";
}

Exchange plain(const HttpRequest& request, int status, std::string body) {
  Exchange exchange;
  exchange.response = frame_body(Behaviour{}, status, std::move(body), request.keep_alive);
  return exchange;
}

int status_for_key(const Call& call, const Behaviour& how) {
  if (const auto found = how.key_status.find(call.credential); found != how.key_status.end())
    return found->second;
  return how.require_key && call.credential != *how.require_key ? 401 : how.status;
}

// Every text piece carries its time of leaving: chunk delays are measured with it.
void stamp_pieces(Answer& answer) {
  for (std::string& piece : answer.pieces) piece = "t=" + std::string(stamp_digits) + ";";
}

std::string body_of(const Call& call, const Behaviour& how, const Answer& answer,
                    std::optional<std::int64_t> cost) {
  if (how.raw_body) return *how.raw_body;
  switch (call.endpoint) {
    case Endpoint::completions:
      return completions_body(call, how, answer);
    case Endpoint::embeddings:
      return embeddings_body(call, how, answer);
    case Endpoint::messages:
      return anthropic_body(how, answer);
    case Endpoint::generate:
      return gemini_body(how, answer);
    default:
      return openai_body(call, how, answer, cost);
  }
}

std::vector<Event> events_of(const Call& call, const Behaviour& how, const Answer& answer,
                             std::optional<std::int64_t> cost) {
  switch (call.endpoint) {
    case Endpoint::completions:
      return completions_events(call, how, answer);
    case Endpoint::messages:
      return anthropic_events(how, answer);
    case Endpoint::generate:
      return gemini_events(how, answer);
    default:
      return openai_events(call, how, answer, cost);
  }
}

}  // namespace

Handler::Handler(Script script, Bill& bill, std::size_t keep_requests)
    : script_(std::move(script)), bill_(bill), keep_requests_(keep_requests) {}

void Handler::remember(const HttpRequest& request) {
  if (keep_requests_ == 0) return;
  requests_.push_back(request);
  if (requests_.size() > keep_requests_) requests_.pop_front();
}

std::string Handler::requests_json() const {
  std::string out = "[";
  for (const HttpRequest& request : requests_) {
    if (out.size() > 1) out += ',';
    out += "{\"method\":" + quoted(request.method) + ",\"target\":" + quoted(request.target) +
           ",\"on_connection\":" + std::to_string(request.on_connection) + ",\"headers\":[";
    for (const auto& [name, value] : request.headers) {
      if (out.back() != '[') out += ',';
      out += "[" + quoted(name) + "," + quoted(value) + "]";
    }
    out += "],\"body\":" + quoted(request.body) + "}";
  }
  return out + "]";
}

Exchange Handler::control(const HttpRequest& request) {
  const std::string_view path = request.path();
  if (path == "/__script" && request.method == "POST") {
    const auto error = script_.load(request.body);
    return error ? plain(request, 400, "{\"error\":" + quoted(*error) + "}")
                 : plain(request, 200, "{\"ok\":true}");
  }
  if (path == "/__reset") {
    requests_.clear();
    bill_.reset();
    open_max_ = open_;
    return plain(request, 200, "{\"ok\":true}");
  }
  if (path == "/__bill") return plain(request, 200, bill_.to_json(open_));
  if (path == "/__requests") return plain(request, 200, requests_json());
  if (path == "/__stats")
    return plain(request, 200,
                 "{\"open\":" + std::to_string(open_) +
                     ",\"open_max\":" + std::to_string(open_max_) +
                     ",\"queued\":" + std::to_string(script_.queued()) + "}");
  if (path.ends_with("/models") && request.method == "GET")
    return plain(request, 200, models_body(script_.models()));
  return plain(request, 404,
               error_body(Dialect::openai, 404, Behaviour{}, "no such path: " + request.target));
}

Exchange Handler::refuse(const HttpRequest& request, const Call& call, const Behaviour& how,
                         int status, const std::string& message) {
  Exchange exchange;
  const std::string body =
      how.raw_body ? *how.raw_body : error_body(call.dialect, status, how, message);
  exchange.response = frame_body(how, status, body, request.keep_alive);
  exchange.billable = true;
  exchange.call.state = "refused";
  exchange.call.status = status;
  return exchange;
}

Exchange Handler::answer(const HttpRequest& request, const Call& call, const Behaviour& how) {
  const Lengths* lengths = script_.lengths(call.last_user_text);
  std::optional<std::int64_t> prompt;
  std::optional<std::int64_t> completion;
  if (lengths != nullptr) {
    prompt = lengths->prompt;
    completion = lengths->completion;
    if (const auto own = lengths->by_model.find(call.model); own != lengths->by_model.end())
      completion = own->second;
  }
  Answer answer = make_answer(call, how, numbered_, prompt, completion);
  if (call.endpoint == Endpoint::embeddings) answer.tokens.completion = 0;
  if (how.stamp) stamp_pieces(answer);
  Exchange exchange;
  exchange.service_tier = answer.service_tier.empty() ? call.service_tier : answer.service_tier;
  const auto cost = bill_.price_call(call.model, answer.tokens, exchange.service_tier);
  const bool streams = call.stream && call.endpoint != Endpoint::embeddings && !how.raw_body;
  if (streams) {
    exchange.response =
        frame_stream(how, call.dialect, events_of(call, how, answer, cost), request.keep_alive);
  } else {
    exchange.response = frame_body(how, 200, body_of(call, how, answer, cost), request.keep_alive);
    exchange.response.segments.back().tokens_so_far = answer.tokens.output();
  }
  exchange.billable = true;
  exchange.call.id = answer.id;
  exchange.call.stream = streams;
  exchange.call.status = 200;
  exchange.call.tokens = answer.tokens;
  return exchange;
}

Exchange Handler::handle(const HttpRequest& request) {
  Dialect dialect = Dialect::openai;
  const Endpoint endpoint = endpoint_of(request.path(), dialect);
  if (request.method != "POST" || endpoint == Endpoint::unknown) return control(request);
  remember(request);
  ++numbered_;
  Call call;
  const std::string problem = read_call(request, call);
  const Behaviour how = script_.next(call.model);
  Exchange exchange;
  const int status = status_for_key(call, how);
  if (!problem.empty()) {
    exchange = refuse(request, call, Behaviour{}, 400, problem);
  } else if (how.drop == "always" || how.drop == "rst" ||
             (how.drop == "reused" && request.on_connection > 0)) {
    exchange.billable = exchange.bodyless = true;
    exchange.call.state = "dropped";
    exchange.response.end = how.drop == "rst" ? End::reset : End::close;
  } else if (status != 200) {
    exchange = refuse(request, call, how, status, how.error_message);
  } else if (endpoint == Endpoint::count_tokens) {
    const std::string count = std::to_string(call.text_bytes / 4 + 3 * call.messages + 1);
    const char* name = dialect == Dialect::gemini ? "totalTokens" : "input_tokens";
    return plain(request, 200, "{\"" + std::string(name) + "\":" + count + "}");
  } else {
    exchange = answer(request, call, how);
  }
  exchange.call.model = call.model;
  exchange.call.key = call.credential;
  exchange.call.endpoint = endpoint_name(endpoint);
  open_max_ = std::max(open_max_, ++open_);
  return exchange;
}

void Handler::finish(Exchange& exchange, bool whole, std::int64_t sent) {
  if (!exchange.billable) return;
  exchange.billable = false;
  --open_;
  BilledCall& call = exchange.call;
  if (call.state.empty()) {
    call.state = !whole ? "cancelled" : exchange.response.cut ? "cut" : "done";
    const bool partial = call.state != "done" && call.stream;
    if (partial) {  // a provider bills the prompt and what it generated until it stopped
      call.tokens.reasoning = std::min(call.tokens.reasoning, sent);
      call.tokens.completion = sent - call.tokens.reasoning;
    }
  }
  bill_.add(std::move(call), exchange.service_tier);
}

}  // namespace upstream
