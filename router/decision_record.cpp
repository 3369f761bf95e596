#include "router/decision_record.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace jevons {
namespace {

constexpr std::uint64_t version = 1;
constexpr double p_ok_steps = 50'000.0;  // decimal, so that a floor of 0.86 admits exactly 0.86
constexpr std::int64_t tenths_max = 1'000'000'000'000'000;  // what no latency reaches
constexpr std::int64_t counted_max = 1'000'000'000'000;
constexpr std::size_t targets_max = 10'000;

// Which optional parts follow. Appended to only: the numbers are on disk.
enum Part : std::uint64_t {
  marks_cache = 1,
  in_tool_loop = 2,
  streamed = 4,
  json_schema = 8,
  output_cap_asked = 16,
  several_answers = 32,
  effort = 64,
  service_tier = 128,
  quality = 256,
  max_cost = 512,
  min_quality = 1024,
  budget = 2048,
  budget_percent = 4096,
  explore_budget = 8192,
  session = 16384,
  drawn = 32768,
  fast = 65536,
  thinks = 131072,
  pinned_name = 262144,
  tools_offered = 524288,
  failing_tools = 1048576,
  signed_blocks = 2097152,
};

double tenths(double ms) {
  if (!(ms > 0)) return 0;
  return std::round(std::min(ms * 10.0, static_cast<double>(tenths_max))) / 10.0;
}

std::uint64_t as_tenths(double ms) { return static_cast<std::uint64_t>(std::llround(ms * 10.0)); }

class Bytes {
 public:
  void number(std::uint64_t value) {
    while (value >= 128) {
      out_.push_back(static_cast<char>((value & 127) | 128));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void number(std::int64_t value) {  // zigzag
    number(static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63));
  }
  void real(double value) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    for (int shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<char>(bits >> shift));
  }
  void share(double value) {
    const auto steps = static_cast<unsigned>(std::lround(value * p_ok_steps));
    out_.push_back(static_cast<char>(steps));
    out_.push_back(static_cast<char>(steps >> 8));
  }
  void text(std::string_view text) {
    number(static_cast<std::uint64_t>(text.size()));
    out_.append(text);
  }
  void reserve(std::size_t size) { out_.reserve(size); }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads what Bytes wrote; after the end or a broken number everything is zero and `ok` false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }

  std::uint64_t natural() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const unsigned next = byte();
      value |= static_cast<std::uint64_t>(next & 127) << shift;
      if (next < 128) return value;
    }
    ok_ = false;
    return 0;
  }
  std::int64_t integer() {
    const std::uint64_t value = natural();
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }
  // Of tokens, images, turns: never negative, and few enough to be added up.
  std::int64_t count() { return std::clamp<std::int64_t>(integer(), 0, counted_max); }
  double real() {
    std::uint64_t bits = 0;
    for (int shift = 0; shift < 64; shift += 8) bits |= std::uint64_t{byte()} << shift;
    return std::bit_cast<double>(bits);
  }
  double share() {
    const unsigned low = byte(), high = byte();
    return static_cast<double>(high << 8 | low) / p_ok_steps;
  }
  std::string_view text() {
    const std::uint64_t size = natural();
    if (size > rest_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  double milliseconds() {
    return static_cast<double>(std::min<std::uint64_t>(natural(), std::uint64_t{tenths_max})) /
           10.0;
  }

 private:
  unsigned byte() {
    if (rest_.empty()) ok_ = false;
    if (!ok_) return 0;
    const auto value = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  std::string_view rest_;
  bool ok_ = true;
};

bool asks_to_think(const ChatRequest& request) {
  return request.thinking.find("enabled") != std::string::npos ||
         request.thinking.find("adaptive") != std::string::npos;
}

bool drew(const Decision& decision) {
  return decision.propensity < 1 && !decision.pinned && decision.target.has_value();
}

std::uint64_t parts_of(const DecideInput& in, const Decision& decision) {
  const ChatRequest& request = in.request;
  std::uint64_t parts = 0;
  const auto add_if = [&parts](bool holds, Part part) {
    if (holds) parts |= part;
  };
  add_if(in.classification.marks_cache, marks_cache);
  add_if(in.classification.in_tool_loop, in_tool_loop);
  add_if(request.stream, streamed);
  add_if(request.response_format.kind == ResponseFormat::Kind::json_schema, json_schema);
  add_if(request.max_completion_tokens.has_value(), output_cap_asked);
  add_if(request.n > 1, several_answers);
  add_if(!request.reasoning_effort.empty(), effort);
  add_if(!request.service_tier.empty(), service_tier);
  add_if(in.caller.quality.has_value(), quality);
  add_if(in.caller.max_cost.has_value(), max_cost);
  add_if(in.caller.min_quality != 0, min_quality);
  add_if(in.snapshot.budget_left.has_value(), budget);
  add_if(in.snapshot.budget_left_percent.has_value(), budget_percent);
  add_if(in.snapshot.explore_left.has_value(), explore_budget);
  add_if(in.snapshot.session_target.has_value(), session);
  add_if(drew(decision), drawn);
  add_if(price_mode(request) == "fast", fast);
  add_if(asks_to_think(request), thinks);
  add_if(in.pinned.has_value(), pinned_name);
  add_if(!request.tools.empty(), tools_offered);
  add_if(in.classification.failed_tool_calls > 0, failing_tools);
  add_if(in.classification.signed_thinking, signed_blocks);
  return parts;
}

void write_classification(Bytes& out, const Classification& c) {
  out.number(static_cast<std::uint64_t>(c.task));
  for (const std::int64_t count : {c.prompt_tokens, c.prompt_tokens_upper, c.completion_tokens_p50,
                                   c.completion_tokens_p90, c.images, c.turns})
    out.number(count);
  out.number(std::uint64_t{c.needs});
  out.text(c.language);
}

// In the order of Part; read_parts mirrors it.
void write_parts(Bytes& out, const DecideInput& in, std::uint64_t parts) {
  const ChatRequest& request = in.request;
  if (parts & output_cap_asked) out.number(*request.max_completion_tokens);
  if (parts & several_answers) out.number(request.n);
  if (parts & effort) out.text(request.reasoning_effort);
  if (parts & service_tier) out.text(request.service_tier);
  if (parts & quality) out.real(*in.caller.quality);
  if (parts & max_cost) out.number(in.caller.max_cost->value);
  if (parts & min_quality) out.real(in.caller.min_quality);
  if (parts & budget) out.number(in.snapshot.budget_left->value);
  if (parts & budget_percent) out.real(*in.snapshot.budget_left_percent);
  if (parts & explore_budget) out.number(in.snapshot.explore_left->value);
  if (parts & session) {
    out.number(static_cast<std::uint64_t>(*in.snapshot.session_target));
    out.number(in.snapshot.session_cached_tokens);
  }
  if (parts & pinned_name) out.number(static_cast<std::uint64_t>(*in.pinned));
  if (parts & tools_offered) out.number(static_cast<std::uint64_t>(request.tools.size()));
  if (parts & failing_tools) out.number(in.classification.failed_tool_calls);
}

// Per target one number of flags and hard reasons, then its estimates as differences.
enum Flag : std::uint64_t { priced = 1, cache_saves = 2, drawable = 4 };
constexpr int flag_bits = 3;
// Among the hard reasons on disk, where no reason has that bit: a bound on failures follows.
constexpr std::uint32_t proof_follows = 1u << static_cast<unsigned>(WhyNot::none);
constexpr std::uint32_t never =
    1u << static_cast<unsigned>(WhyNot::context) | 1u << static_cast<unsigned>(WhyNot::capability);

void write_candidate(Bytes& out, const Candidate& candidate, bool with_draw) {
  const TargetFacts& facts = candidate.facts;
  std::uint64_t flags = facts.cost ? std::uint64_t{priced} : 0;
  const bool saves = facts.cost && facts.fresh_cost && *facts.cost != *facts.fresh_cost;
  if (saves) flags |= cache_saves;
  if (with_draw && candidate.propensity > 0) flags |= drawable;
  const bool proven = facts.failures_at_most < 1 && (facts.hard & never) == 0;
  const std::uint32_t hard = facts.hard | (proven ? proof_follows : 0);
  out.number(std::uint64_t{hard} << flag_bits | flags);
  out.share(facts.p_ok);
  if (facts.hard & never) return;  // no policy lets it serve: what it would cost is of no use
  if (proven) out.share(facts.failures_at_most);
  if (facts.cost) out.number(facts.cost->value);
  if (saves) out.number((*facts.fresh_cost - *facts.cost).value);
  out.number(as_tenths(facts.ttft_ms));
  out.number(static_cast<std::int64_t>(as_tenths(facts.ttft_p95_ms)) -
             static_cast<std::int64_t>(as_tenths(facts.ttft_ms)));
  out.number(as_tenths(facts.total_ms));
  out.number(static_cast<std::int64_t>(as_tenths(facts.total_p95_ms)) -
             static_cast<std::int64_t>(as_tenths(facts.total_ms)));
  if (with_draw && candidate.propensity > 0) out.real(candidate.propensity);
}

struct RecordedTarget {
  TargetFacts facts;
  double propensity = 0;
};

double plus_tenths(double from, std::int64_t tenths_more) {
  const std::int64_t sum =
      static_cast<std::int64_t>(as_tenths(from)) + std::clamp(tenths_more, -tenths_max, tenths_max);
  return static_cast<double>(std::max<std::int64_t>(0, sum)) / 10.0;
}

RecordedTarget read_target(Reader& in) {
  RecordedTarget target;
  TargetFacts& facts = target.facts;
  const std::uint64_t head = in.natural();
  const auto hard = static_cast<std::uint32_t>(head >> flag_bits);
  facts.hard = hard & ~proof_follows;
  facts.p_ok = in.share();
  if (facts.hard & never) return target;
  if (hard & proof_follows) facts.failures_at_most = std::min(1.0, in.share());
  if (head & priced) {
    facts.cost = Nanodollars{in.integer()};
    facts.fresh_cost = facts.cost;
  }
  // Saved on nothing: no version of ours writes that, but the bytes may be anybody's.
  if ((head & cache_saves) && facts.cost)
    facts.fresh_cost = *facts.cost + Nanodollars{in.integer()};
  facts.ttft_ms = in.milliseconds();
  facts.ttft_p95_ms = plus_tenths(facts.ttft_ms, in.integer());
  facts.total_ms = in.milliseconds();
  facts.total_p95_ms = plus_tenths(facts.total_ms, in.integer());
  if (head & drawable) target.propensity = in.real();
  return target;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

double recordable_p_ok(double p_ok) {
  return std::round(std::clamp(p_ok, 0.0, 1.0) * p_ok_steps) / p_ok_steps;
}

double recordable_bound(double failures_at_most) {
  return std::min(1.0, std::ceil(failures_at_most * p_ok_steps - 1e-6) / p_ok_steps);
}

Latency recordable(const Latency& latency) {
  return {.ttft_ms = tenths(latency.ttft_ms),
          .ttft_p95_ms = tenths(latency.ttft_p95_ms),
          .total_ms = tenths(latency.total_ms),
          .total_p95_ms = tenths(latency.total_p95_ms)};
}

std::string target_layout(const Catalog& catalog) {
  std::string layout;
  for (const Target& target : catalog.targets) layout.append(target.name).push_back('\n');
  return layout;
}

std::string encode_decision(const DecideInput& input, const Decision& decision) {
  Bytes out;
  out.reserve(48 + 24 * decision.candidates.size());
  const std::uint64_t parts = parts_of(input, decision);
  out.number(version);
  out.number(parts);
  write_classification(out, input.classification);
  write_parts(out, input, parts);
  out.number(std::uint64_t{decision.candidates.size()});
  for (const Candidate& candidate : decision.candidates)
    write_candidate(out, candidate, (parts & drawn) != 0);
  out.number(static_cast<std::uint64_t>(decision.reason));
  out.number(std::uint64_t{decision.plan.size()});
  for (const PlanStep& step : decision.plan) {
    out.number(static_cast<std::uint64_t>(step.target));
    out.number(static_cast<std::uint64_t>(step.on));
  }
  return out.take();
}

namespace {

class Decoder {
 public:
  Decoder(std::string_view bytes, std::string_view layout, const Catalog& catalog)
      : in_(bytes), names_(lines_of(layout)), catalog_(catalog) {}

  Result<RecordedDecision> run(const RecordedRequest& columns) {
    if (in_.natural() != version) return broken();
    parts_ = in_.natural();
    read_columns(columns);
    read_classification(columns);
    read_parts();
    read_targets();
    read_outcome();
    return in_.done() ? Result<RecordedDecision>(std::move(out_)) : broken();
  }

 private:
  static Error broken() {
    return Error(Fault::internal, "a recorded decision of the ledger cannot be read");
  }
  bool has(Part part) const { return (parts_ & part) != 0; }

  std::optional<std::size_t> today(std::uint64_t index) const {
    if (index >= names_.size()) return std::nullopt;
    const auto& targets = catalog_.targets;
    const auto found = std::find_if(targets.begin(), targets.end(), [&](const Target& target) {
      return target.name == names_[index];
    });
    if (found == targets.end()) return std::nullopt;
    return static_cast<std::size_t>(found - targets.begin());
  }

  void read_columns(const RecordedRequest& columns) {
    out_.request.endpoint = columns.endpoint;
    out_.request.requested_model = columns.requested_model;
    out_.caller.key_name = columns.key;
    out_.caller.session = columns.session;
    out_.caller.tags = columns.tags;
    out_.snapshot.now_unix_s = columns.time_unix_ns / 1'000'000'000;
    out_.snapshot.seed = columns.seed;
    out_.snapshot.targets.resize(catalog_.targets.size());
  }

  void read_classification(const RecordedRequest& columns) {
    Classification& c = out_.classification;
    c.difficulty = columns.difficulty;
    c.uncertainty = columns.uncertainty;
    c.task = static_cast<Task>(std::min<std::uint64_t>(in_.natural(), task_count - 1));
    for (std::int64_t* count : {&c.prompt_tokens, &c.prompt_tokens_upper, &c.completion_tokens_p50,
                                &c.completion_tokens_p90, &c.images, &c.turns})
      *count = in_.count();
    c.needs = static_cast<std::uint32_t>(in_.natural());
    out_.language = std::make_shared<const std::string>(in_.text());
    c.language = *out_.language;
    c.marks_cache = has(marks_cache);
    c.in_tool_loop = has(in_tool_loop);
  }

  void read_parts() {
    ChatRequest& request = out_.request;
    request.stream = has(streamed);
    if (has(json_schema)) request.response_format.kind = ResponseFormat::Kind::json_schema;
    if (has(output_cap_asked)) request.max_completion_tokens = in_.count();
    if (has(several_answers)) request.n = in_.count();
    if (has(effort)) request.reasoning_effort = in_.text();
    if (has(service_tier)) request.service_tier = in_.text();
    if (has(fast)) request.extra.push_back({.name = "speed", .json = "\"fast\""});
    if (has(thinks)) request.thinking = R"({"type":"enabled"})";
    if (has(quality)) out_.caller.quality = in_.real();
    if (has(max_cost)) out_.caller.max_cost = Nanodollars{in_.integer()};
    if (has(min_quality)) out_.caller.min_quality = in_.real();
    if (has(budget)) out_.snapshot.budget_left = Nanodollars{in_.integer()};
    if (has(budget_percent)) out_.snapshot.budget_left_percent = in_.real();
    if (has(explore_budget)) out_.snapshot.explore_left = Nanodollars{in_.integer()};
    if (has(session)) {
      out_.snapshot.session_target = today(in_.natural());
      out_.snapshot.session_cached_tokens = in_.count();
    }
    if (has(pinned_name)) out_.pinned = today(in_.natural());
    if (has(tools_offered))
      request.tools.resize(std::min<std::uint64_t>(in_.natural(), targets_max));
    if (has(failing_tools)) out_.classification.failed_tool_calls = in_.count();
    out_.classification.signed_thinking = has(signed_blocks);
  }

  void read_targets() {
    out_.facts.resize(catalog_.targets.size());
    out_.propensity.resize(catalog_.targets.size());
    const std::uint64_t count = in_.natural();
    for (std::uint64_t i = 0; i < count && in_.ok(); ++i) {
      const RecordedTarget target = read_target(in_);
      const auto index = today(i);
      if (!index) continue;
      out_.facts[*index] = target.facts;
      out_.propensity[*index] = target.propensity;
    }
  }

  void read_outcome() {
    constexpr auto last_reason = static_cast<std::uint64_t>(Reason::best_until_proven);
    constexpr auto last_on = static_cast<std::uint64_t>(PlanOn::sample);
    out_.reason = static_cast<Reason>(std::min(in_.natural(), last_reason));
    const std::uint64_t steps = in_.natural();
    for (std::uint64_t i = 0; i < steps && in_.ok(); ++i) {
      const std::uint64_t target = in_.natural();
      const auto on = static_cast<PlanOn>(std::min(in_.natural(), last_on));
      if (i == 0) out_.chosen = today(target), out_.had_target = true;
      out_.plan.emplace_back(target < names_.size() ? std::string(names_[target]) : "", on);
    }
    if (!has(drawn) && out_.chosen) out_.propensity[*out_.chosen] = 1;
  }

  Reader in_;
  std::vector<std::string_view> names_;
  const Catalog& catalog_;
  std::uint64_t parts_ = 0;
  RecordedDecision out_;
};

}  // namespace

Result<RecordedDecision> decode_decision(std::string_view bytes, std::string_view layout,
                                         const RecordedRequest& columns, const Catalog& catalog) {
  return Decoder(bytes, layout, catalog).run(columns);
}

bool same_decision(const Decision& again, const RecordedDecision& recorded,
                   const Catalog& catalog) {
  if (again.target.has_value() != recorded.had_target) return false;
  if (!recorded.had_target) return true;
  const auto same_step = [&catalog](const PlanStep& step, const auto& named) {
    return step.on == named.second && catalog.targets[step.target].name == named.first;
  };
  return again.reason == recorded.reason &&
         std::equal(again.plan.begin(), again.plan.end(), recorded.plan.begin(),
                    recorded.plan.end(), same_step);
}

}  // namespace jevons
