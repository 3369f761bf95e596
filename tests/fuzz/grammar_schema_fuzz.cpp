// Schemas come from clients: any bytes must give a grammar or a refusal, and a grammar's start
// state must offer a way on.
#include <cstdlib>

#include "local_engine/grammar.h"

using namespace jevons::engine;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  const std::string_view schema(reinterpret_cast<const char*>(data), size);
  const auto grammar = Grammar::from_json_schema(schema);
  if (!grammar) {
    if (grammar.error().message().empty()) std::abort();
    return 0;
  }
  GrammarStacks stacks(grammar->automaton());
  GrammarStacks::SetId set = stacks.start();
  if (stacks.set(set).tops.empty()) std::abort();
  // Any path of first choices ends or stays alive: no state is a trap.
  for (int step = 0; step < 200 && !stacks.set(set).tops.empty(); ++step) {
    const auto& top = stacks.stack(stacks.set(set).tops.front());
    set = stacks.step(set, grammar->automaton().nodes[top.state].edges.front().first);
    if (set == 0) std::abort();
  }
  return 0;
}
