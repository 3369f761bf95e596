#include "gateway/dialects/chunk_writer.h"

#include "providers/openai_usage.h"

namespace jevons {

ChunkWriter::ChunkWriter(const AnswerMeta& meta, std::string_view object, bool null_usage)
    : meta_(meta), object_(object), request_id_(meta.request_id), null_usage_(null_usage) {
  build_head();
}

void ChunkWriter::build_head() {
  head_ = "data: ";
  JsonWriter out(head_);
  out.begin_object().key("id").string(meta_.id).key("object").string(object_);
  out.key("created").integer(meta_.created).key("model").string(meta_.model);
  head_ += tier_;
  out.key("choices").begin_array();
}

void ChunkWriter::set_tier(std::string_view service_tier, std::string_view system_fingerprint) {
  if (service_tier.empty() && system_fingerprint.empty()) return;
  tier_.clear();
  if (!service_tier.empty()) {
    tier_ += ",\"service_tier\":";
    append_json_string(tier_, openai_service_tier(service_tier));
  }
  if (!system_fingerprint.empty()) {
    tier_ += ",\"system_fingerprint\":";
    append_json_string(tier_, system_fingerprint);
  }
  build_head();
}

void ChunkWriter::begin(std::int64_t choice, std::string& out) const {
  out += head_;
  out += "{\"index\":";
  out += std::to_string(choice);
  out += ',';
}

void ChunkWriter::end(std::string_view finish, std::string& out,
                      const AnswerAccount* account) const {
  out += ",\"finish_reason\":";
  if (finish.empty()) {
    out += "null}]";
  } else {
    append_json_string(out, finish);
    out += "}]";
  }
  if (null_usage_) out += ",\"usage\":null";
  if (account != nullptr) {
    out += ",\"x_jevons\":";
    JsonWriter writer(out);
    write_account(writer, *account);
  }
  out += "}\n\n";
}

void ChunkWriter::usage(const StreamEnd& end, std::string& out) const {
  out += head_;
  out += "],\"usage\":";
  JsonWriter writer(out);
  if (end.usage) {
    write_openai_usage(writer, *end.usage);
  } else {
    writer.null();
  }
  writer.key("x_jevons");
  write_account(writer, end.account);
  out += "}\n\n";
}

std::string_view openai_service_tier(std::string_view tier) {
  return tier == "standard" ? "default" : tier;
}

void write_account(JsonWriter& out, const AnswerAccount& account) {
  const auto money = [&out](std::string_view name, const std::optional<Nanodollars>& amount) {
    out.key(name);
    if (amount) {
      out.raw(dollars_json(*amount));
    } else {
      out.null();
    }
  };
  out.begin_object();
  money("cost_usd", account.cost);
  money("baseline_cost_usd", account.baseline);
  out.key("target").string(account.target).key("attempts").integer(account.attempts);
  if (!account.ended.empty()) out.key("ended").string(account.ended);
  out.end_object();
}

}  // namespace jevons
