#include "tests/upstream/bill.h"

#include <rapidjson/document.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/upstream/text.h"

namespace upstream {
namespace {

Rates read_rates(const rapidjson::Value& json, Rates rates, const std::string& where) {
  const std::map<std::string, std::int64_t Rates::*, std::less<>> fields = {
      {"input", &Rates::input},
      {"cache_read", &Rates::cache_read},
      {"cache_write_5m", &Rates::cache_write_5m},
      {"cache_write_1h", &Rates::cache_write_1h},
      {"output", &Rates::output},
      {"reasoning", &Rates::reasoning},
      {"per_call", &Rates::per_call}};
  for (const auto& member : json.GetObject()) {
    const std::string name = member.name.GetString();
    if (name == "tiers" || name == "modes") continue;
    const auto field = fields.find(name);
    if (field == fields.end() || !member.value.IsInt64())
      throw std::runtime_error(where + ": bad price field '" + name + "'");
    rates.*(field->second) = member.value.GetInt64();
  }
  return rates;
}

Price read_price(const rapidjson::Value& json, const std::string& model) {
  Price price;
  price.rates = read_rates(json, Rates{}, model);
  if (json.HasMember("tiers")) {
    for (const auto& item : json["tiers"].GetArray()) {
      Tier tier;
      tier.from = item["from"].GetInt64();
      tier.rates = read_rates(item["rates"], price.rates, model);
      price.tiers.push_back(tier);
    }
  }
  if (json.HasMember("modes")) {
    for (const auto& mode : json["modes"].GetObject())
      price.modes[mode.name.GetString()] = read_rates(mode.value, price.rates, model);
  }
  return price;
}

}  // namespace

std::int64_t cost_of(const Price& price, const Tokens& tokens, const std::string& service_tier) {
  Rates rates = price.rates;
  if (const auto mode = price.modes.find(service_tier); mode != price.modes.end())
    rates = mode->second;
  for (const Tier& tier : price.tiers)
    if (tokens.prompt() >= tier.from) rates = tier.rates;
  const auto or_else = [](std::int64_t rate, std::int64_t fallback) {
    return rate < 0 ? fallback : rate;
  };
  const std::int64_t output = or_else(rates.output, 0);
  __extension__ using Wide = __int128;
  const Wide sum =
      static_cast<Wide>(tokens.uncached) * rates.input +
      static_cast<Wide>(tokens.cached) * or_else(rates.cache_read, rates.input) +
      static_cast<Wide>(tokens.cache_write_5m) * or_else(rates.cache_write_5m, rates.input) +
      static_cast<Wide>(tokens.cache_write_1h) * or_else(rates.cache_write_1h, rates.input) +
      static_cast<Wide>(tokens.completion) * output +
      static_cast<Wide>(tokens.reasoning) * or_else(rates.reasoning, output) + rates.per_call;
  return static_cast<std::int64_t>((sum + 999) / 1000);
}

Bill::Bill(const std::string& price_file, const std::string& jsonl_file, std::size_t keep_calls)
    : keep_calls_(keep_calls) {
  if (!price_file.empty()) {
    std::ifstream in(price_file);
    if (!in) throw std::runtime_error("cannot read the price file " + price_file);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    rapidjson::Document json;
    json.Parse(text.c_str());
    if (json.HasParseError() || !json.IsObject())
      throw std::runtime_error(price_file + " is not a JSON object of model -> rates");
    for (const auto& member : json.GetObject())
      prices_[member.name.GetString()] = read_price(member.value, member.name.GetString());
  }
  if (!jsonl_file.empty()) {
    file_ = std::fopen(jsonl_file.c_str(), "a");
    if (file_ == nullptr) throw std::runtime_error("cannot append to " + jsonl_file);
  }
}

Bill::~Bill() {
  if (file_ != nullptr) std::fclose(file_);
}

std::optional<std::int64_t> Bill::price_call(const std::string& model, const Tokens& tokens,
                                             const std::string& service_tier) const {
  const auto price = prices_.find(model);
  if (price == prices_.end()) return std::nullopt;
  return cost_of(price->second, tokens, service_tier);
}

void Bill::add(BilledCall call, const std::string& service_tier) {
  const bool billed = call.state == "done" || call.state == "cut" || call.state == "cancelled";
  call.number = ++total_.calls;
  if (billed) {
    call.nanodollars = price_call(call.model, call.tokens, service_tier);
    if (!call.nanodollars) ++unpriced_;
  } else {
    call.tokens = Tokens{};
    call.nanodollars = 0;
  }
  ++by_model_[call.model].calls;
  for (Total* total : {&total_, &by_model_[call.model]}) {
    total->billed += billed ? 1 : 0;
    total->tokens.uncached += call.tokens.uncached;
    total->tokens.cached += call.tokens.cached;
    total->tokens.cache_write_5m += call.tokens.cache_write_5m;
    total->tokens.cache_write_1h += call.tokens.cache_write_1h;
    total->tokens.completion += call.tokens.completion;
    total->tokens.reasoning += call.tokens.reasoning;
    total->nanodollars += call.nanodollars.value_or(0);
  }
  if (file_ != nullptr) std::fputs((line(call) + "\n").c_str(), file_);
  calls_.push_back(std::move(call));
  if (calls_.size() > keep_calls_) calls_.pop_front();
}

void Bill::flush() {
  if (file_ != nullptr) std::fflush(file_);
}

void Bill::reset() {
  calls_.clear();
  by_model_.clear();
  total_ = Total{};
  unpriced_ = 0;
}

namespace {

std::string tokens_json(const Tokens& t) {
  return "{\"uncached\":" + std::to_string(t.uncached) + ",\"cached\":" + std::to_string(t.cached) +
         ",\"cache_write_5m\":" + std::to_string(t.cache_write_5m) +
         ",\"cache_write_1h\":" + std::to_string(t.cache_write_1h) +
         ",\"completion\":" + std::to_string(t.completion) +
         ",\"reasoning\":" + std::to_string(t.reasoning) + "}";
}

}  // namespace

std::string Bill::line(const BilledCall& call) {
  std::string out = "{\"number\":" + std::to_string(call.number) + ",\"id\":" + quoted(call.id) +
                    ",\"model\":" + quoted(call.model) + ",\"endpoint\":" + quoted(call.endpoint) +
                    ",\"key\":" + quoted(call.key) + ",\"state\":" + quoted(call.state) +
                    ",\"status\":" + std::to_string(call.status) +
                    ",\"stream\":" + (call.stream ? "true" : "false") +
                    ",\"tokens\":" + tokens_json(call.tokens) + ",\"nanodollars\":";
  out += call.nanodollars ? std::to_string(*call.nanodollars) : "null";
  return out + "}";
}

std::string Bill::total_json(const Total& total) {
  return "{\"calls\":" + std::to_string(total.calls) +
         ",\"billed\":" + std::to_string(total.billed) +
         ",\"tokens\":" + tokens_json(total.tokens) +
         ",\"nanodollars\":" + std::to_string(total.nanodollars) + "}";
}

std::string Bill::to_json(std::int64_t open_calls) const {
  std::string out = "{\"open\":" + std::to_string(open_calls) +
                    ",\"unpriced\":" + std::to_string(unpriced_) +
                    ",\"total\":" + total_json(total_) + ",\"models\":{";
  for (const auto& [model, total] : by_model_) {
    if (out.back() != '{') out += ',';
    append_quoted(out, model);
    out += ':' + total_json(total);
  }
  out += "},\"calls\":[";
  for (const BilledCall& call : calls_) {
    if (out.back() != '[') out += ',';
    out += line(call);
  }
  return out + "]}";
}

}  // namespace upstream
