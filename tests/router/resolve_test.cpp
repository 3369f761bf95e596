#include <doctest/doctest.h>

#include "tests/router/decision_world.h"

using namespace jevons;
using namespace jevons::test;

namespace {

std::vector<Policy> two_policies() {
  std::vector<Policy> policies(2);
  policies[0].name = "default";
  policies[0].serves = {"auto", "gpt-*"};
  policies[1].name = "private";
  policies[1].serves = {"auto", "private"};
  return policies;
}

}  // namespace

TEST_CASE("a model name is a target, or what a policy serves, or unknown") {
  const Catalog catalog = small_catalog();
  const auto policies = two_policies();
  struct {
    std::string when;
    std::vector<std::string> allowed;
    std::string named, model;
    Endpoint endpoint;
    std::string expect;
  } rows[] = {
      {"an exact target", {"default"}, "", "sonnet", Endpoint::chat, "pinned sonnet, default"},
      {"an alias", {"default"}, "", "claude-sonnet", Endpoint::chat, "pinned sonnet, default"},
      {"the upstream's own name is no name here",
       {"default"},
       "",
       "claude-sonnet-4-6",
       Endpoint::chat,
       "model_not_found"},
      {"what the policy serves", {"default"}, "", "auto", Endpoint::chat, "default"},
      {"by a glob", {"default"}, "", "gpt-9", Endpoint::chat, "default"},
      {"the key's first policy that serves it",
       {"private", "default"},
       "",
       "auto",
       Endpoint::chat,
       "private"},
      {"the next one, if the first does not",
       {"private", "default"},
       "",
       "gpt-9",
       Endpoint::chat,
       "default"},
      {"no policy of the key serves it",
       {"private"},
       "",
       "gpt-9",
       Endpoint::chat,
       "model_not_found"},
      {"the header's policy serves any name",
       {"default", "private"},
       "private",
       "gpt-9",
       Endpoint::chat,
       "private"},
      {"the header beside an exact target",
       {"default", "private"},
       "private",
       "mini",
       Endpoint::chat,
       "pinned mini, private"},
      {"a policy that the key may not use",
       {"default"},
       "private",
       "auto",
       Endpoint::chat,
       "policy_not_allowed"},
      {"a policy that does not exist",
       {"default"},
       "Default",
       "auto",
       Endpoint::chat,
       "policy_not_allowed"},
      {"names are case-sensitive", {"default"}, "", "Sonnet", Endpoint::chat, "model_not_found"},
      {"embeddings with an exact name",
       {"default"},
       "",
       "mini",
       Endpoint::embeddings,
       "pinned mini, default"},
      {"embeddings are never routed",
       {"default"},
       "",
       "auto",
       Endpoint::embeddings,
       "model_not_found"},
      {"no model at all", {"default"}, "", "", Endpoint::chat, "model_not_found"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    const auto found =
        resolve_model(catalog, policies, row.allowed, row.named, row.model, row.endpoint);
    std::string text;
    if (!found) {
      text = fault_code(found.error().fault());
    } else {
      if (found->pinned) text = "pinned " + catalog.targets[*found->pinned].name + ", ";
      text += found->policy ? found->policy->name : "no policy";
    }
    CHECK(text == row.expect);
  }
}

TEST_CASE("messages say what to do") {
  const Catalog catalog = small_catalog();
  const auto policies = two_policies();
  const auto message = [&](std::string_view named, std::string_view model, Endpoint endpoint) {
    return resolve_model(catalog, policies, {"default"}, named, model, endpoint).error().message();
  };
  CHECK(message("", "gpt5", Endpoint::chat) ==
        "model 'gpt5' is not in the catalog and no policy of this key serves it (GET /v1/models "
        "lists what there is)");
  CHECK(message("", "auto", Endpoint::embeddings) ==
        "model 'auto' is not in the catalog; embeddings need an exact name, because vectors of "
        "different models do not mix (GET /v1/models lists them)");
  CHECK(message("private", "auto", Endpoint::chat) ==
        "this key may not use the policy 'private'; it may use: 'default'");
  CHECK(message("x", "auto", Endpoint::chat) ==
        "this key may not use the policy 'x'; it may use: 'default'");
}

TEST_CASE("infeasible: the first reason that alone excludes a target decides the error") {
  struct {
    std::string when;
    void (*change)(World&);
    std::string code;
    bool retryable;
  } rows[] = {
      {"all breakers open",
       [](World& w) {
         for (auto& state : w.snapshot.targets) state.breaker = BreakerState::open;
       },
       "no_eligible_target", true},
      {"one breaker, the rest cannot",
       [](World& w) {
         w.classification.needs |= bits({Capability::vision});
         w.caller.allowed_models = {"sonnet"};
         w.snapshot.targets[sonnet].breaker = BreakerState::open;
       },
       "no_eligible_target", true},
      {"no budget", [](World& w) { w.snapshot.budget_left = Nanodollars{0}; }, "budget_exceeded",
       false},
      {"the breaker wins over the budget",
       [](World& w) {
         w.snapshot.budget_left = Nanodollars{5'000'000};
         w.caller.max_cost = Nanodollars{20'000'000};
         w.snapshot.targets[mini].breaker = BreakerState::open;
         w.snapshot.targets[local_moe].breaker = BreakerState::open;
       },
       "no_eligible_target", true},
      {"not on the key's list", [](World& w) { w.caller.allowed_models = {"none"}; },
       "model_not_allowed", false},
      {"no price",
       [](World& w) {
         w.catalog.prices.clear();
         w.classification.needs |= bits({Capability::tools});
       },
       "price_unknown", false},
      {"too long for all", [](World& w) { w.classification.prompt_tokens = 2'000'000; },
       "context_length_exceeded", false},
      {"nobody can", [](World& w) { w.classification.needs |= bits({Capability::audio}); },
       "no_eligible_target", false},
      {"two reasons on each: none alone",
       [](World& w) {
         w.classification.needs |= bits({Capability::audio});
         w.snapshot.budget_left = Nanodollars{0};
       },
       "no_eligible_target", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.when);
    World world;
    row.change(world);
    const Decision decision = world.decide();
    REQUIRE_FALSE(decision.target.has_value());
    const Error error = infeasible_error(decision, world.catalog);
    CHECK(fault_code(error.fault()) == row.code);
    CHECK(error.retryable() == row.retryable);
  }
}

TEST_CASE("infeasible: the message names the targets and their reasons") {
  World world;
  world.classification.needs |= bits({Capability::vision});
  world.snapshot.targets[sonnet].breaker = BreakerState::open;
  world.snapshot.targets[opus].breaker = BreakerState::open;
  CHECK(infeasible_error(world.decide(), world.catalog).message() ==
        "no target can take this request now; try again shortly (capability: 'local-moe', 'mini'; "
        "breaker: 'sonnet', 'opus')");
}

TEST_CASE("infeasible: a pinned target is judged by itself") {
  World world;
  world.pinned = mini;
  world.classification.prompt_tokens = 200'000;
  const Error too_long = infeasible_error(world.decide(), world.catalog);
  CHECK(too_long.fault() == Fault::context_length_exceeded);
  CHECK(too_long.message() ==
        "the prompt is longer than the context of every target that could serve this (context: "
        "'mini')");
  world.classification.prompt_tokens = 100;
  world.caller.allowed_models = {"opus"};
  CHECK(infeasible_error(world.decide(), world.catalog).fault() == Fault::model_not_allowed);
}
