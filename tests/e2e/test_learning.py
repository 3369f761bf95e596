"""Outcomes teach the router while it serves: over real HTTP, kept over a restart, per key."""

import json
import signal
import time

import pytest

from support import processes, world

PROMPT = "Explain in two sentences why the sky over a desert looks so blue at noon."
TARGET = "local-moe"


def p_ok(stack, key=None):
    headers = {"authorization": f"Bearer {key}"} if key else None
    status, _, answer = stack.post(
        {"model": "auto", "messages": [{"role": "user", "content": PROMPT}]}, "/v1/route",
        headers=headers)
    assert status == 200, answer
    return next(c["p_ok"] for c in answer["candidates"] if c["target"] == TARGET), answer["target"]


def report(stack, count, score, key=None, start=0):
    """`count` answers of the local target, each with feedback."""
    headers = {"authorization": f"Bearer {key}"} if key else None
    for i in range(count):
        status, fields, answer = stack.chat(f"{PROMPT} ({start + i})", model=TARGET,
                                            headers=headers)
        assert status == 200, answer
        status, _, answer = stack.post(
            {"request_id": fields["x-request-id"], "score": score, "source": "test"},
            "/v1/feedback", headers=headers)
        assert status == 200, answer


def wait_until(condition, seconds=90):
    """Learning takes only what other work leaves of a processor."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()


def settled_p_ok(stack):
    """P(ok) once what was reported has been learnt: outcomes are taken up in batches, and on a busy
    machine the learning thread may have to wait for seconds between two of them."""
    last, same = None, 0
    for _ in range(120):
        now = p_ok(stack)
        same = same + 1 if now == last else 0
        if same == 8:
            return now
        last = now
        time.sleep(0.5)
    raise AssertionError("P(ok) does not come to rest")


def test_bad_outcomes_move_the_choice_and_a_restart_keeps_it(stack):
    stack.start(script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    before, target = p_ok(stack)
    assert target == TARGET
    report(stack, 120, 0.0)
    wait_until(lambda: p_ok(stack)[0] < before - 0.3)
    learnt, target = settled_p_ok(stack)
    assert target != TARGET, "a target that keeps failing is no longer the choice"
    assert stack.gateway.stop(signal.SIGTERM) == 0
    # A start learns from all that was reported, also from what a busy machine had not come to yet.
    stack.start()
    again = p_ok(stack)[0]
    assert again < learnt + 0.02
    stack.gateway.stop(signal.SIGKILL)
    stack.start()
    assert abs(p_ok(stack)[0] - again) < 0.02


def test_500_outcomes_repair_a_wrong_prior(stack):
    stack.start(script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    before, _ = p_ok(stack)
    assert before > 0.5, "the catalog thinks well of this target"
    report(stack, 500, 0.2)  # a fifth of what was asked, on average
    wait_until(lambda: abs(p_ok(stack)[0] - 0.2) < 0.08)


def test_a_replay_does_not_notice_what_was_learned_since(stack):
    stack.start(script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    before, _ = p_ok(stack)
    choices = [stack.chat(f"{PROMPT} ({i})")[1]["x-jevons-target"] for i in range(30)]
    assert set(choices) == {TARGET}
    report(stack, 120, 0.0, start=100)
    wait_until(lambda: p_ok(stack)[0] < before - 0.3)
    assert stack.chat(PROMPT)[1]["x-jevons-target"] != TARGET
    stack.wait_spend(exact=True)
    file = stack.folder / "same.yaml"
    world.save(file, world.POLICY)
    done = stack.gateway.cli("replay", "--policy", str(file), "--since", "1d", "--json")
    replayed = json.loads(done.stdout)
    # The pinned requests that taught it have no policy and are no decisions of this one.
    assert replayed["decisions"] == replayed["reproduced"] >= 31
    assert replayed["changed"] == 0
    assert replayed["new"]["cost_nanodollars"] == replayed["today"]["cost_nanodollars"]


def test_a_hostile_key_bends_only_its_own_routing(stack):
    stack.start(script={"defaults": {"tokens": 5, "chunk_ms": 0}})
    assert stack.gateway.stop() == 0
    hostile = stack.create_key("hostile")
    stack.start()
    before, target = p_ok(stack)
    report(stack, 120, 0.0, hostile)
    wait_until(lambda: p_ok(stack, hostile)[0] < before - 0.3)
    after, same = p_ok(stack)
    assert abs(after - before) < 0.05 and same == target


def test_lengths_of_answers_are_learnt_by_target_and_kept(stack):
    stack.start(script={"defaults": {"tokens": 7, "chunk_ms": 0}})

    def predicted():
        status, _, answer = stack.post(
            {"model": TARGET, "messages": [{"role": "user", "content": PROMPT}]}, "/v1/route")
        assert status == 200 and answer["target"] == TARGET
        return answer["predicted_completion_tokens"]["p50"]

    before = predicted()
    assert before > 50
    for i in range(20):
        stream = {"stream": True} if i % 2 else {}
        assert stack.chat(f"{PROMPT} ({i})", model=TARGET, **stream)[0] == 200
    wait_until(lambda: 4 <= predicted() <= 10)
    assert stack.gateway.stop(signal.SIGTERM) == 0
    stack.start()
    assert 4 <= predicted() <= 10


@pytest.mark.parametrize("text,moves", [("I'm sorry, but I cannot help with that.", True),
                                        ("Paris is the capital of France.", False)])
def test_streamed_answers_teach_what_they_say(stack, text, moves):
    stack.start(script={"defaults": {"text": text, "chunk_ms": 0}})
    before, _ = p_ok(stack)
    for i in range(40):
        status, _, events, _ = stack.stream(f"{PROMPT} ({i})", model=TARGET)
        assert status == 200 and events[-1] == "[DONE]"
    if moves:
        wait_until(lambda: p_ok(stack)[0] < before - 0.1)
    else:
        assert p_ok(stack)[0] > before - 0.05


def test_another_keys_request_cannot_be_reported_on(stack):
    stack.start()
    assert stack.gateway.stop() == 0
    other = stack.create_key("other")
    stack.start()
    _, fields, _ = stack.chat(PROMPT)
    status, _, answer = stack.post(
        {"request_id": fields["x-request-id"], "score": 0, "source": "test"}, "/v1/feedback",
        headers={"authorization": f"Bearer {other}"})
    assert status == 404 and answer["error"]["code"] == "not_found"


def test_router_commands(stack, tmp_path):
    stack.configure(with_key=False)
    rows = tmp_path / "toy.jsonl"
    with rows.open("w") as file:
        for i in range(60):
            hard = i % 3 == 0
            text = ("Prove the lemma about the integral of the function number " if hard else
                    "Hello, please write a friendly poem about the river and the number ")
            file.write(json.dumps({"prompt": f"{text}{i}", "split": "train",
                                   "scores": {"weak": 0 if hard else 1, "strong": 1}}) + "\n")
    done = processes.cli(stack.config, "router", "train", str(rows), "--out",
                         str(tmp_path / "w.bin"), "--json", env=stack.env())
    assert json.loads(done.stdout)["rows"] == 60
    done = processes.cli(stack.config, "router", "eval", str(rows), "--weak", "weak", "--strong",
                         "strong", "--weights", str(tmp_path / "w.bin"), "--json", env=stack.env())
    report_ = json.loads(done.stdout)
    assert set(report_) == {"n", "gap", "apgr", "apgr_low", "apgr_high", "cpt50", "cpt80",
                            "decide_us_p50", "decide_us_p99", "ece", "flip_rate"}
    assert report_["n"] == 60 and report_["apgr"] > 0.6
