// The frame that every chunk of an OpenAI stream shares. It is built once per answer; a chunk costs
// a few appends.
#pragma once

#include <string>
#include <string_view>

#include "gateway/dialects/dialect.h"
#include "providers/json.h"

namespace jevons {

class ChunkWriter {
 public:
  // With `null_usage` every chunk before the last says "usage":null, as OpenAI does when the usage
  // was asked for.
  ChunkWriter(const AnswerMeta& meta, std::string_view object, bool null_usage);

  void set_tier(std::string_view service_tier, std::string_view system_fingerprint);

  // Opens the event and its one choice; the caller appends the members of the choice.
  void begin(std::int64_t choice, std::string& out) const;
  // Closes both. `finish` empty: null. With an account the chunk also carries x_jevons.
  void end(std::string_view finish, std::string& out, const AnswerAccount* account = nullptr) const;
  // The usage chunk: no choices, x_jevons.
  void usage(const StreamEnd& end, std::string& out) const;

  const std::string& request_id() const { return request_id_; }

 private:
  void build_head();

  AnswerMeta meta_;
  std::string object_;
  std::string tier_;  // members that follow the model, with their commas
  std::string head_;  // up to the opening bracket of "choices"
  std::string request_id_;
  bool null_usage_;
};

// The tier served in OpenAI's words: what others call standard is its default.
std::string_view openai_service_tier(std::string_view tier);

// The object `x_jevons` of contract.md 7.
void write_account(JsonWriter& out, const AnswerAccount& account);

}  // namespace jevons
