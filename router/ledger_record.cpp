#include "router/ledger_record.h"

namespace jevons {
namespace {

constexpr std::string_view id_prefix = "r-";
constexpr std::size_t hex_digits = 32;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string request_id_text(RequestId id) {
  std::string text(id_prefix);
  for (const std::uint64_t half : {id.high, id.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(half >> shift) & 15];
  }
  return text;
}

std::optional<RequestId> request_id_of(std::string_view text) {
  if (text.size() != id_prefix.size() + hex_digits) return std::nullopt;
  if (text.substr(0, id_prefix.size()) != id_prefix) return std::nullopt;
  RequestId id;
  for (std::size_t i = 0; i < hex_digits; ++i) {
    const int digit = hex_value(text[id_prefix.size() + i]);
    if (digit < 0) return std::nullopt;
    std::uint64_t& half = i < hex_digits / 2 ? id.high : id.low;
    half = half << 4 | static_cast<std::uint64_t>(digit);
  }
  return id;
}

std::string_view outcome_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::client_error:
      return "client_error";
    case Outcome::upstream_error:
      return "upstream_error";
    case Outcome::gateway_error:
      return "gateway_error";
    case Outcome::timeout:
      return "timeout";
    case Outcome::cancelled:
      return "cancelled";
    case Outcome::cut:
      return "cut";
    case Outcome::budget:
      return "budget";
    case Outcome::refused:
      return "refused";
    case Outcome::superseded:
      return "superseded";
  }
  return "gateway_error";
}

std::string_view ended_by_name(EndedBy ended_by) {
  switch (ended_by) {
    case EndedBy::upstream:
      return "upstream";
    case EndedBy::client:
      return "client";
    case EndedBy::gateway:
      return "gateway";
    case EndedBy::budget:
      return "budget";
  }
  return "gateway";
}

std::string_view attempt_state_name(AttemptState state) {
  switch (state) {
    case AttemptState::open:
      return "open";
    case AttemptState::settled:
      return "settled";
    case AttemptState::voided:
      return "voided";
    case AttemptState::orphaned:
      return "orphaned";
  }
  return "open";
}

}  // namespace jevons
