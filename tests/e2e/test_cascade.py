"""The cascade: a cheap target answers first, a stronger one where the answer is weak. The books are
compared with the upstream's own bill after every case."""

import json

import pytest

from support import world

WEAK = world.LOCAL.model
STRONG = world.SONNET.model
REFUSAL = "I'm sorry, but I can't help with that."
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {
    "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}}
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {
    "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}}}]


def policy(*signals, **more):
    return {**world.POLICY, "quality": {"floor": 0.1, "relative_to": "best"},
            "escalate": {"when": list(signals), "to": "premium", "max": 1}, **more}


def script(weak, strong=None):
    return {"models": {WEAK: weak, STRONG: strong or {"text": "Here is a proper answer."}}}


def start(stack, rules, weak, strong=None):
    stack.start(models=world.FOUR, policies=[rules], script=script(weak, strong))


CASES = [("refusal", {"text": REFUSAL}, {}),
         ("truncated", {"text": "The answer is", "finish_reason": "length"}, {}),
         ("invalid_json", {"text": '{"n": "x"}'}, {"response_format": JSON_SCHEMA})]


@pytest.mark.parametrize("signal,weak,body", CASES, ids=[c[0] for c in CASES])
def test_weak_answers_are_replaced_and_both_are_on_the_bill(stack, signal, weak, body):
    strong = {"text": '{"n": 7}'} if body else None
    start(stack, policy(signal), weak, strong)
    status, fields, answer = stack.chat(**body)
    assert status == 200
    assert (fields["x-jevons-target"], fields["x-jevons-attempts"]) == ("sonnet", "2")
    assert answer["choices"][0]["message"]["content"] == (strong or {}).get(
        "text", "Here is a proper answer.")
    stack.wait_spend(exact=True)
    assert stack.gateway.stop() == 0
    rows = sorted(stack.rows(), key=lambda row: row["attempt"])
    assert [(r["target"], r["started_on"], r["delivered"]) for r in rows] == [
        ("local-moe", "start", 0), ("sonnet", "escalate", 1)]
    assert len({r["request_id"] for r in rows}) == 1
    assert fields["x-jevons-cost-usd"] == f"{sum(r['cost_nanodollars'] for r in rows) / 1e9:.9f}"


@pytest.mark.parametrize("thousandths,target", [(-1_500, "sonnet"), (-100, "local-moe")])
def test_an_answer_of_guessed_tokens_goes_up(stack, thousandths, target):
    start(stack, policy("low_confidence"),
          {"text": "It was in the year 1632.", "logprob_thousandths": thousandths})
    status, fields, answer = stack.chat()
    assert status == 200 and fields["x-jevons-target"] == target
    assert "logprobs" not in answer["choices"][0] or answer["choices"][0]["logprobs"] is None
    stack.check_books()


@pytest.mark.parametrize("arguments,target", [({"a": 7}, "sonnet"), ({"a": "x"}, "local-moe")])
def test_a_tool_call_that_breaks_its_schema_goes_up(stack, arguments, target):
    start(stack, policy("invalid_tool_call"),
          {"tool_calls": [{"name": "f", "arguments": arguments}]},
          {"tool_calls": [{"name": "f", "arguments": {"a": "right"}}]})
    status, fields, answer = stack.chat(tools=TOOLS)
    assert status == 200 and fields["x-jevons-target"] == target
    call = answer["choices"][0]["message"]["tool_calls"][0]["function"]
    assert json.loads(call["arguments"]) == ({"a": "right"} if target == "sonnet" else arguments)
    stack.check_books()


def test_good_answers_stay(stack):
    start(stack, policy("refusal", "truncated", "invalid_json"), {"text": "Paris."})
    _, fields, _ = stack.chat()
    assert (fields["x-jevons-target"], fields["x-jevons-attempts"]) == ("local-moe", "1")


def test_a_gain_below_the_price_is_not_bought(stack):
    rules = policy("refusal", objective="value", value_per_success_usd=world.Number("0.000001"))
    start(stack, rules, {"text": REFUSAL})
    _, fields, answer = stack.chat()
    assert fields["x-jevons-attempts"] == "1"
    assert answer["choices"][0]["message"]["content"] == REFUSAL


@pytest.mark.parametrize("text,target", [(REFUSAL, "sonnet"), ("Paris. " * 60, "local-moe")])
def test_streams_are_held_back_until_they_show_that_they_answer(stack, text, target):
    start(stack, policy("refusal"), {"text": text})
    status, fields, events, raw = stack.stream()
    assert status == 200 and fields["x-jevons-target"] == target
    assert REFUSAL not in raw
    assert events[-1] == "[DONE]"


@pytest.mark.parametrize("second,target,attempts", [("It is 42", "local-moe", "2"),
                                                    ("It is 41", "sonnet", "3")])
def test_two_samples_that_disagree_go_up(stack, second, target, attempts):
    queue = [{"model": WEAK, "times": 1, "behaviour": {"text": "So the answer is 42."}},
             {"model": WEAK, "times": 1, "behaviour": {"text": second}}]
    rules = policy("disagreement")
    stack.start(models=world.FOUR, policies=[rules], script={**script({}), "queue": queue})
    _, fields, _ = stack.chat()
    assert (fields["x-jevons-target"], fields["x-jevons-attempts"]) == (target, attempts)
    stack.check_books()
