#include "providers/json.h"

#include <charconv>
#include <cmath>

namespace jevons {

std::string_view json_kind_name(JsonKind kind) {
  switch (kind) {
    case JsonKind::absent:
      return "nothing";
    case JsonKind::null:
      return "null";
    case JsonKind::boolean:
      return "a boolean";
    case JsonKind::number:
      return "a number";
    case JsonKind::string:
      return "a string";
    case JsonKind::array:
      return "an array";
    case JsonKind::object:
      return "an object";
  }
  return "nothing";
}

JsonKind JsonView::kind() const {
  return document_ ? static_cast<JsonKind>(document_->nodes_[node_].kind) : JsonKind::absent;
}

std::string_view JsonView::text() const {
  if (!is_string() && !is_number()) return {};
  const JsonDocument::Node& node = document_->nodes_[node_];
  return {node.text, node.length};
}

bool JsonView::boolean() const { return is_boolean() && document_->nodes_[node_].length != 0; }

std::optional<std::int64_t> JsonView::integer() const {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = text();
  std::int64_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (parsed.ec == std::errc() && parsed.ptr == end) return value;
  // "7.0" and "1e3" are integers too; beyond 2^53 a double no longer says which one.
  const std::optional<double> real = number();
  if (!real || parsed.ptr == end || std::abs(*real) > 9007199254740992.0 ||
      *real != std::floor(*real)) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*real);
}

std::optional<double> JsonView::number() const {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = text();
  double value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (parsed.ec == std::errc::result_out_of_range) return 0.0;  // underflow: overflow was refused
  return value;
}

std::size_t JsonView::size() const {
  return is_array() || is_object() ? document_->nodes_[node_].length : 0;
}

JsonView JsonView::operator[](std::string_view key) const {
  if (!is_object()) return {};
  const JsonDocument::Node* const nodes = document_->nodes_.data();
  const std::uint32_t end = nodes[node_].next;
  for (std::uint32_t at = node_ + 1; at != end; at = nodes[at + 1].next) {
    if (std::string_view(nodes[at].text, nodes[at].length) == key) return {document_, at + 1};
  }
  return {};
}

JsonView::Iterator JsonView::begin() const {
  const bool container = is_array() || is_object();
  return {document_, container ? node_ + 1 : 0U, is_object()};
}

JsonView::Iterator JsonView::end() const {
  if (!is_array() && !is_object()) return {document_, 0, false};
  const std::uint32_t next = document_->nodes_[node_].next;
  return {document_, next, is_object()};
}

JsonView JsonView::Iterator::operator*() const { return {document_, members_ ? node_ + 1 : node_}; }

std::string_view JsonView::Iterator::key() const {
  if (!members_) return {};
  const JsonDocument::Node& node = document_->nodes_[node_];
  return {node.text, node.length};
}

JsonView::Iterator& JsonView::Iterator::operator++() {
  node_ = document_->nodes_[members_ ? node_ + 1 : node_].next;
  return *this;
}

std::string JsonView::json() const {
  std::string out;
  append_json(out);
  return out;
}

// Recursion is bounded by JsonDocument::depth_max.
void JsonView::append_json(std::string& out) const {
  switch (kind()) {
    case JsonKind::absent:
      return;
    case JsonKind::null:
      out += "null";
      return;
    case JsonKind::boolean:
      out += boolean() ? "true" : "false";
      return;
    case JsonKind::number:
      out += text();
      return;
    case JsonKind::string:
      append_json_string(out, text());
      return;
    case JsonKind::array:
    case JsonKind::object:
      break;
  }
  const bool object = is_object();
  char before = object ? '{' : '[';
  if (size() == 0) out += before;
  for (auto member = begin(); member != end(); ++member) {
    out += before;
    before = ',';
    if (object) {
      append_json_string(out, member.key());
      out += ':';
    }
    (*member).append_json(out);
  }
  out += object ? '}' : ']';
}

}  // namespace jevons
