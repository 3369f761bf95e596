"""`quality: {fail_at_most: ...}`: a cheaper target serves once feedback proves it, and only then."""

import dataclasses
import json
import time

from support import world
from test_learning import PROMPT, TARGET, report, wait_until

POLICY = {**world.POLICY, "quality": {"floor": 0, "fail_at_most": world.Number("0.1")}}
# Nothing that is learned makes the cheap target look better than this one.
BEST = dataclasses.replace(world.SONNET, ability=0.999)
MODELS = (world.LOCAL, BEST)
# Not harder than what is reported on: proofs hold from the hardest prompt that was tried.
QUESTION = f"{PROMPT} (150)"


def ask(stack, key=None):
    headers = {"authorization": f"Bearer {key}"} if key else None
    status, fields, answer = stack.chat(QUESTION, headers=headers)
    assert status == 200, answer
    return fields["x-jevons-target"], fields["x-jevons-reason"]


def proven(stack):
    _, _, answer = stack.post(
        {"model": "auto", "messages": [{"role": "user", "content": QUESTION}]}, "/v1/route")
    return next(c for c in answer["candidates"] if c["target"] == TARGET)["failures_at_most"]


def test_outcomes_let_a_target_in_and_put_it_out(stack):
    stack.configure(models=MODELS, policies=[POLICY],
                    script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    other = stack.create_key("other")
    stack.start()
    unproven = (BEST.name, "best_until_proven")
    assert proven(stack) is None
    assert ask(stack) == unproven
    report(stack, 60, 1.0, start=100)
    wait_until(lambda: proven(stack) is not None and proven(stack) < 0.1)
    assert ask(stack) == (TARGET, "cheapest_above_floor")
    assert ask(stack, other) == unproven, "what one key reports proves nothing to another"
    report(stack, 12, 0.0, start=200)
    wait_until(lambda: proven(stack) > 0.2)
    assert ask(stack) == unproven, "a target that fails is no longer chosen"
    report(stack, 260, 1.0, start=300)
    wait_until(lambda: proven(stack) <= 0.1)
    assert ask(stack) == (TARGET, "cheapest_above_floor")

    # The command line knows the same, with and without the gateway, and a restart forgets nothing.
    explained = json.loads(stack.gateway.cli("explain", "--json", "--key", "ci", QUESTION).stdout)
    assert explained["target"] == TARGET
    text = stack.gateway.cli("explain", QUESTION).stdout
    assert "best_until_proven" in text and "outcomes that prove it fails at most 10.0 %" in text
    assert stack.gateway.stop() == 0
    stack.start()
    assert ask(stack) == (TARGET, "cheapest_above_floor")

    # Every decision of the day can be made again as it was, and under a stricter promise.
    stack.wait_spend(exact=True)
    file = stack.folder / "promise.yaml"
    world.save(file, POLICY)
    replayed = json.loads(
        stack.gateway.cli("replay", "--policy", str(file), "--since", "1d", "--json").stdout)
    taught = 60 + 12 + 260  # they named their target, and would name it again
    assert replayed["decisions"] == replayed["reproduced"] == 6 + taught
    strict = {**POLICY, "quality": {"floor": 0, "fail_at_most": world.Number("0.01")}}
    world.save(file, strict)
    replayed = json.loads(
        stack.gateway.cli("replay", "--policy", str(file), "--since", "1d", "--json").stdout)
    assert replayed["changed"] == 3
    assert {t["target"]: t["requests"] for t in replayed["new"]["targets"]} == {
        BEST.name: 6, TARGET: taught}


def test_exploration_earns_the_proof(stack):
    exploring = {**POLICY, "explore": {"rate": 0.5, "budget_usd_per_day": 10}}
    stack.start(models=MODELS, policies=[exploring],
                script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    tried = 0

    def earned(seconds=0):
        """Learning may lie behind on a busy machine."""
        end = time.monotonic() + seconds
        while (bound := proven(stack)) is None or bound > 0.1:
            if time.monotonic() >= end:
                return False
            time.sleep(0.05)
        return True

    for i in range(400):
        _, fields, _ = stack.chat(f"{PROMPT} ({100 + i})")
        if fields["x-jevons-target"] != TARGET:
            continue
        tried += 1
        stack.post({"request_id": fields["x-request-id"], "score": 1, "source": "test"},
                   "/v1/feedback")
        if earned(seconds=45 if tried in (60, 80, 100, 120) else 0):
            break
    assert earned()
    assert 40 <= tried <= 120


def test_operators_test_their_promise(stack):
    stack.start(models=MODELS, policies=[POLICY])
    file = stack.folder / "promise_test.yaml"
    file.write_text(f"""
- {{name: unproven, prompt: Hi, expect: {{target: {BEST.name}, reason: best_until_proven}}}}
- name: proven
  prompt: Hi
  snapshot: {{failures_at_most: {{{TARGET}: 0.08}}}}
  expect: {{target: {TARGET}, reason: cheapest_above_floor}}
- name: not proven enough
  prompt: Hi
  snapshot: {{failures_at_most: {{{TARGET}: 0.12}}}}
  expect: {{target: {BEST.name}, why_not: {{{TARGET}: quality_floor}}}}
""")
    assert "3 passed, 0 failed" in stack.gateway.cli("policy", "test", str(file)).stdout
