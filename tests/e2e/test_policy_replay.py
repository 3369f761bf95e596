"""`jevons replay`, `jevons explain`: what another policy would have done, over real traffic."""

import json

from support import money, prompts, world

DEAR = {**world.POLICY, "objective": "best"}
EXPLORING = {**world.POLICY, "quality": {"floor": 0.1, "relative_to": "best"},
             "explore": {"rate": 0.5, "budget_usd_per_day": 100}}


def replay(stack, policy, *arguments):
    file = stack.folder / "new.yaml"
    world.save(file, policy)
    return stack.gateway.cli("replay", "--policy", str(file), "--since", "1d", *arguments)


def ask(stack, count):
    rows = prompts.generated(count)
    for row in rows:
        status, fields, answer = stack.chat(row["prompt"])
        assert status == 200, answer
        yield fields, answer


def test_same_policy_reproduces_every_decision_and_cent(stack):
    stack.start(models=world.FOUR)
    assert len(list(ask(stack, 40))) == 40
    stack.wait_spend(exact=True)
    report = json.loads(replay(stack, world.POLICY, "--json").stdout)
    assert (report["decisions"], report["reproduced"], report["changed"]) == (40, 40, 0)
    bill = stack.settled_bill()["total"]["nanodollars"]
    assert report["today"]["cost_nanodollars"] == bill
    assert report["new"]["cost_nanodollars"] == bill
    assert report["savings_nanodollars"] == 0
    assert report["new"]["quality"]["enough_support"] is False
    assert report["new"]["quality"]["why_not"].startswith("not enough support: 0 requests")


def test_another_policy_is_priced_with_the_tokens_that_were_counted(stack):
    stack.start(models=world.FOUR)
    prompt_tokens = completion = 0
    for fields, answer in ask(stack, 20):
        prompt_tokens += answer["usage"]["prompt_tokens"]
        completion += answer["usage"]["completion_tokens"]
    stack.wait_spend(exact=True)
    report = json.loads(replay(stack, DEAR, "--json").stdout)
    assert report["reproduced"] == 20 and report["changed"] > 0
    new = report["new"]
    assert [t["target"] for t in new["targets"]] == ["sonnet"]
    assert new["input_nanodollars"] == prompt_tokens * money.picodollars_per_token("3") // 1000
    assert new["output_nanodollars"] == completion * money.picodollars_per_token("15") // 1000
    table = replay(stack, DEAR).stdout
    assert "20 decisions of policy 'default'" in table
    assert "not enough support" in table and "█" in table and "sonnet" in table


def test_exploration_gives_the_replay_its_support(stack):
    stack.start(models=world.FOUR, policies=[EXPLORING])
    reasons = set()
    for fields, _ in ask(stack, 400):
        reasons.add(fields["x-jevons-reason"])
        status, _, _ = stack.post({"request_id": fields["x-request-id"],
                                   "score": 1 if fields["x-jevons-target"] == "sonnet" else 0.25,
                                   "source": "test"}, "/v1/feedback")
        assert status == 200
    assert "explore" in reasons
    stack.wait_spend(exact=True)
    best = {**EXPLORING, "objective": "best", "explore": {"rate": 0.0}}
    report = json.loads(replay(stack, best, "--json").stdout)
    assert report["reproduced"] == 400
    quality = report["new"]["quality"]
    assert quality["enough_support"], quality
    assert quality["low"] <= 1 and quality["high"] > 0.9
    assert report["today"]["quality"]["estimate"] < quality["estimate"]


def test_a_broken_policy_is_shown_with_its_line(stack):
    stack.start(models=world.FOUR)
    file = stack.folder / "broken.yaml"
    file.write_text("policy: default\nserves: [auto]\nobjectiv: best\n")
    done = stack.gateway.cli("replay", "--policy", str(file), check=False)
    assert done.returncode == 4
    assert f"{file}:3:1" in done.stderr


def test_explain_says_what_would_make_another_target_win(stack):
    stack.start(models=world.FOUR)
    text = stack.gateway.cli("explain", "What is the capital of France?").stdout
    assert "for another target to win:" in text
    assert "a cost of at most $" in text


def test_a_policy_is_tried_on_what_any_policy_decided(stack):
    dear = {**DEAR, "policy": "dear", "serves": ["dear"]}
    stack.configure(models=world.FOUR, policies=[world.POLICY, dear], with_key=False)
    stack.key = stack.create_key("ci", "--policy", "default", "--policy", "dear")
    stack.start()
    for row in prompts.generated(12):
        assert stack.chat(row["prompt"])[0] == 200
        assert stack.chat(row["prompt"], headers={"x-jevons-policy": "dear"})[0] == 200
    stack.wait_spend(exact=True)
    bill = stack.settled_bill()["total"]["nanodollars"]
    cheapest = {**world.POLICY, "policy": "cheapest", "quality": {"floor": 0}}
    report = json.loads(replay(stack, cheapest, "--json").stdout)
    assert report["decisions"] == report["reproduced"] == 24
    assert report["today"]["policy"] == "dear, default" and report["new"]["policy"] == "cheapest"
    assert report["today"]["cost_nanodollars"] == bill
    assert report["new"]["cost_nanodollars"] < bill and report["changed"] >= 12
    only = json.loads(replay(stack, cheapest, "--json", "--from-policy", "dear").stdout)
    assert only["decisions"] == only["changed"] == 12
    table = replay(stack, cheapest).stdout
    assert "24 decisions of the policies dear, default from " in table

    # A policy that was removed since: what it decided and what that cost still stand.
    assert stack.gateway.stop() == 0
    main = stack.config.read_text()
    stack.config.write_text(main.replace("  - \"dear.yaml\"\n", ""))
    stack.start()
    report = json.loads(replay(stack, cheapest, "--json").stdout)
    assert (report["decisions"], report["reproduced"]) == (24, 12)
    assert report["policy_no_longer_configured"] == 12
    assert report["today"]["cost_nanodollars"] == bill


def test_explain_a_past_request(stack):
    stack.start(models=world.FOUR, script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    prompt = "What is the capital of France?"
    _, fields, _ = stack.chat(prompt)
    request = fields["x-request-id"]
    for i in range(120):  # what is learned since does not change what is told of the past
        _, later, _ = stack.chat(f"{prompt} ({i})", model="local-moe")
        stack.post({"request_id": later["x-request-id"], "score": 0, "source": "test"},
                   "/v1/feedback")
    stack.post({"request_id": request, "score": 0.75, "source": "test"}, "/v1/feedback")
    stack.wait_spend(exact=True)
    text = stack.gateway.cli("explain", request).stdout
    for part in (f"request {request} of ", "by key ci, asked for auto: local-moe, ",
                 "attempt 1 (start) local-moe: $", ", delivered", "feedback 0.75",
                 "decided again from what was known then, the same comes out:",
                 "for another target to win:"):
        assert part in text, text
    told = json.loads(stack.gateway.cli("explain", "--json", request).stdout)
    assert told["target"] == told["request"]["target"] == "local-moe"
    assert told["request"]["reproduced"] is True and told["request"]["score"] == 0.75
    assert told["request"]["attempts"][0]["delivered"] is True
    assert {row["target"] for row in told["what_would_win"]} == {
        model.name for model in world.FOUR} - {"local-moe"}
    assert all(row["changes"] for row in told["what_would_win"])
    done = stack.gateway.cli("explain", "r-" + "0" * 32, check=False)
    assert done.returncode == 1 and "the ledger has no decision of r-000" in done.stderr

    # The same from the file alone, and after the policy changed.
    assert stack.gateway.stop() == 0
    world.save(stack.folder / "gateway" / "default.yaml", DEAR)
    told = json.loads(stack.gateway.cli("explain", "--json", request).stdout)
    assert told["request"]["reproduced"] is False and told["request"]["target"] == "local-moe"
    assert told["target"] == "sonnet"
