// `jevons policy conditions`: what `when` can ask, from the table that reads it.
#include <algorithm>

#include "gateway/cli/commands.h"
#include "providers/json.h"

namespace jevons {
namespace {

std::string padded(std::string_view text, std::size_t width) {
  std::string out(text);
  out.resize(std::max(width, out.size()), ' ');
  return out + "  ";
}

}  // namespace

Exit run_policy_conditions(const CliIo& io, const PolicyConditionsOptions& options) {
  if (options.json) {
    std::string out;
    JsonWriter json(out);
    json.begin_array();
    for (const ConditionHelp& row : condition_table()) {
      json.begin_object().key("key").string(row.key).key("takes").string(row.form);
      json.key("help").string(row.help).end_object();
    }
    json.end_array();
    io.out << out << "\n";
    return Exit::good;
  }
  std::size_t key_width = 0, form_width = 0;
  for (const ConditionHelp& row : condition_table()) {
    key_width = std::max(key_width, row.key.size());
    form_width = std::max(form_width, row.form.size());
  }
  for (const ConditionHelp& row : condition_table()) {
    io.out << padded(row.key, key_width) << padded(row.form, form_width) << row.help << "\n";
  }
  io.out << "\nall conditions of a rule must hold; a range is \">= 0.7\", \"< 3\" or "
            "\"0.3..0.6\"; a list matches any of its words\n";
  return Exit::good;
}

}  // namespace jevons
