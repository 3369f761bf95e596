// One spend report: which sums or rows answer it, and how they are added up.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "gateway/ledger/reports.h"
#include "gateway/ledger/rollup.h"
#include "gateway/time_zone.h"

namespace jevons {

enum class SpendBy : std::uint8_t {
  model,
  target,
  provider,
  key,
  team,
  tag,
  policy,
  task,
  day,
  session
};
struct SpendDimension {
  SpendBy by = SpendBy::model;
  std::string tag;  // of SpendBy::tag
};
// "model", "tag.env", ... Errors: invalid_value with the words that are known.
Result<SpendDimension> spend_dimension(std::string_view text);

class SpendScan {
 public:
  SpendScan(LedgerReader& reader, std::vector<SpendDimension> by, TimeZone zone);
  std::vector<SpendRow> run(std::int64_t from_unix_ns, std::int64_t until_unix_ns);

 private:
  // Group columns of both kinds of query: numbers of words, or zero where the report does not ask.
  struct Group {
    std::int64_t bucket = 0, target = 0, provider = 0, model = 0, key = 0, tags = 0, team = 0,
                 policy = 0, task = 0;
    std::string_view session;
  };
  bool asks(SpendBy by) const;
  std::int64_t first_bit() const;
  // The rollup that has all dimensions asked for, 0 if none has.
  std::int64_t rollup_kind() const;
  void add_rollup(std::int64_t kind, std::int64_t first_bucket, std::int64_t last_bucket);
  void add_rows(std::int64_t from_unix_ns, std::int64_t until_unix_ns);
  void add(const Group& group, const Statement& sums, int first_column);
  std::string value(const SpendDimension& dimension, const Group& group);

  LedgerReader& reader_;
  const std::vector<SpendDimension> by_;
  const TimeZone zone_;
  std::map<std::vector<std::string>, SpendRow> rows_;
  std::map<std::int64_t, std::map<std::string, std::string>> tags_;  // parsed, by word
};

}  // namespace jevons
