// What lies in the ledger as a decision may be anything: it is refused, or it can be decided again,
// and what is decided from it is written and read back the same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "router/decision_record.h"

namespace {

jevons::Catalog two_targets() {
  jevons::Catalog catalog;
  for (const char* name : {"small", "large"}) {
    jevons::Target target;
    target.name = name;
    target.provider = "p";
    target.context = 100'000;
    target.max_output = 4'000;
    target.can = static_cast<jevons::Capabilities>(~jevons::Capabilities{0});
    catalog.targets.push_back(target);
  }
  return catalog;
}

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const jevons::Catalog catalog = two_targets();
  // The first byte says where the layout ends; a layout is bytes of the same file.
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t split = size > 0 ? std::min<std::size_t>(data[0], size - 1) : 0;
  const std::string own = jevons::target_layout(catalog);
  const bool usual = size > 0 && data[0] % 2 == 0;
  const std::string_view layout = usual ? std::string_view(own) : all.substr(0, split);
  const std::string_view bytes =
      usual ? all.substr(std::min<std::size_t>(1, size)) : all.substr(split);
  jevons::RecordedRequest columns;
  columns.difficulty = 0.5;
  const auto recorded = jevons::decode_decision(bytes, layout, columns, catalog);
  if (!recorded) {
    require(!recorded.error().message().empty());
    return 0;
  }
  require(recorded->facts.size() == catalog.targets.size());
  require(recorded->propensity.size() == catalog.targets.size());
  require(!recorded->chosen || *recorded->chosen < catalog.targets.size());
  jevons::Policy policy;
  policy.name = "default";
  const auto input = recorded->input(catalog, &policy);
  const jevons::Decision decision = jevons::decide(input);
  require(!decision.target || *decision.target < catalog.targets.size());
  const std::string again = jevons::encode_decision(input, decision);
  require(jevons::decode_decision(again, own, columns, catalog).has_value());
  return 0;
}
