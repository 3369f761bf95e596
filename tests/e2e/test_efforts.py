"""Reasoning effort as an arm: the router chooses it where the client does not."""

import dataclasses
import json

from support import world

MINI = dataclasses.replace(world.GPT, name="mini", model="gpt-5-mini", tier="budget", ability=0.6,
                           input="0.25", output="2", cache_read="0.025",
                           can=("chat", "stream", "tools", "json_schema", "thinking"),
                           efforts=("low", "high"), by_effort={"low": 0.7, "high": 0.92})
MODELS = (MINI, world.SONNET)
QUESTION = "Prove that the square root of two is irrational, step by step."


def sent(stack):
    return json.loads(stack.upstream.requests()[-1]["body"])


def test_the_router_chooses_the_effort_that_the_client_left_open(stack):
    stack.start(models=MODELS)
    status, fields, answer = stack.chat(QUESTION, headers={"x-jevons-quality": "0.5"})
    assert (status, fields["x-jevons-target"]) == (200, "mini:low")
    assert answer["model"] == "gpt-5-mini" and sent(stack)["reasoning_effort"] == "low"
    status, fields, _ = stack.chat(QUESTION, headers={"x-jevons-quality": "0.97"})
    assert (status, fields["x-jevons-target"]) == (200, "mini:high")
    assert sent(stack)["reasoning_effort"] == "high"
    status, fields, _ = stack.chat(QUESTION, reasoning_effort="low",
                                   headers={"x-jevons-quality": "0.3"})
    assert (status, fields["x-jevons-target"]) == (200, "mini")
    assert sent(stack)["reasoning_effort"] == "low"
    status, fields, _ = stack.chat(QUESTION, model="mini:high")
    assert (status, fields["x-jevons-target"]) == (200, "mini:high")
    assert sent(stack)["reasoning_effort"] == "high"
    status, fields, _ = stack.chat(QUESTION, model="mini")
    assert (status, fields["x-jevons-target"]) == (200, "mini")
    assert "reasoning_effort" not in sent(stack)
    stack.wait_spend(exact=True)
    spent = {row["by"]["target"]: row["requests"] for row in stack.spend("--by", "target")["rows"]}
    assert spent == {"mini:low": 1, "mini:high": 2, "mini": 2}
    assert [row["by"]["model"] for row in stack.spend("--by", "model")["rows"]] == ["gpt-5-mini"]


def test_candidates_show_what_an_effort_is_worth(stack):
    stack.start(models=MODELS)
    _, _, answer = stack.post(
        {"model": "auto", "messages": [{"role": "user", "content": QUESTION}]}, "/v1/route")
    rows = {row["target"]: row for row in answer["candidates"]}
    low, high = rows["mini:low"], rows["mini:high"]
    assert low["p_ok"] < high["p_ok"]
    assert low["expected_cost_usd"] < high["expected_cost_usd"]
    assert low["expected_total_ms"] < high["expected_total_ms"]
    assert rows["mini"]["why_not"] == "capability"


def test_what_is_learned_is_learned_by_effort(stack):
    stack.start(models=MODELS, script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    before = {"x-jevons-quality": "0.97"}
    assert stack.chat(QUESTION, headers=before)[1]["x-jevons-target"] == "mini:high"
    for _ in range(60):
        _, fields, _ = stack.chat(QUESTION, model="mini:high")
        stack.post({"request_id": fields["x-request-id"], "score": 0, "source": "test"},
                   "/v1/feedback")
    from test_learning import wait_until
    wait_until(lambda: stack.chat(QUESTION, headers=before)[1]["x-jevons-target"] == "sonnet",
               seconds=60)
    low = stack.chat(QUESTION, headers={"x-jevons-quality": "0.5"})[1]["x-jevons-target"]
    assert low == "mini:low"
