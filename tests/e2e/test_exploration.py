"""Exploration keeps to what its policy may spend on it a day, over a restart and a crash too."""

import signal

import pytest

from support import world

DAY_NANODOLLARS = 20_000_000
# Without learning: answers shorter than predicted would let what is left pay for more.
EXPLORING = {**world.POLICY, "quality": {"floor": 0.1, "relative_to": "best"}, "learn": "none",
             "explore": {"rate": 0.9, "budget_usd_per_day": DAY_NANODOLLARS / 1e9}}


def ask(stack, count):
    """Reasons of `count` answers, and what those that explored cost beyond the cheapest."""
    reasons, extra = [], 0
    for i in range(count):
        status, fields, answer = stack.chat(f"What is the river number {i} of France?")
        assert status == 200, answer
        reasons.append(fields["x-jevons-reason"])
        if reasons[-1] == "explore":
            extra += round(float(fields["x-jevons-cost-usd"]) * 1e9)
    return reasons, extra


@pytest.mark.estimated  # the last row before the kill may not have been settled
def test_exploration_stops_when_the_days_budget_is_gone_and_a_restart_does_not_renew_it(stack):
    stack.start(models=(world.LOCAL, world.SONNET), policies=[EXPLORING],
                script={"defaults": {"tokens": 120, "chunk_ms": 0}})
    reasons, extra = ask(stack, 60)
    explored = reasons.count("explore")
    assert reasons[0] == "explore" or reasons[1] == "explore", reasons
    assert 0 < explored < 40, "60 requests at a rate of 0.9 would explore 54 times"
    assert "explore" not in reasons[-10:]
    # Held by expectation, corrected by the bill: the last one may cost more than was left.
    assert extra <= DAY_NANODOLLARS + 2 * extra / explored
    stack.wait_spend(exact=True)
    for how in (signal.SIGTERM, signal.SIGKILL):
        stack.gateway.stop(how)
        stack.start()
        reasons, _ = ask(stack, 15)
        assert "explore" not in reasons
    status, _, answer = stack.post({"model": "auto", "messages": [
        {"role": "user", "content": "What is the river number 7 of France?"}]}, "/v1/route")
    assert status == 200 and answer["reason"] != "explore"


def test_each_policy_has_its_own_day(stack):
    other = {**EXPLORING, "policy": "other", "serves": ["other"]}
    stack.configure(models=(world.LOCAL, world.SONNET), policies=[EXPLORING, other],
                    with_key=False, script={"defaults": {"tokens": 120, "chunk_ms": 0}})
    stack.key = stack.create_key("both", "--policy", "default", "--policy", "other")
    stack.start()
    reasons, _ = ask(stack, 60)
    assert "explore" not in reasons[-10:]
    reasons = {stack.chat("What is a river?", model="other")[1]["x-jevons-reason"]
               for _ in range(6)}
    assert "explore" in reasons
