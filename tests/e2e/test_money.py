"""Usage of every wire format, normalised, priced and written down: the ledger is the bill."""

import dataclasses
import json
import sqlite3

import pytest

from support import money, world

QUIRKY = tuple(
    world.Model(quirk, quirk, f"{quirk}-model", "budget", 0.6, "0.25", "1.25", cache_read="0.025",
                reasoning="2.5" if quirk == "xai" else None)
    for quirk in ("deepseek", "xai", "groq", "together", "openrouter", "moonshot", "ollama",
                  "vllm"))
USAGES = {
    "plain": {"prompt_tokens": 101, "tokens": 7},
    "cached": {"prompt_tokens": 101, "cached_tokens": 64, "tokens": 7},
    "reasoning": {"prompt_tokens": 101, "tokens": 7, "reasoning_tokens": 33},
    "all of the prompt cached": {"prompt_tokens": 64, "cached_tokens": 64, "tokens": 1},
}
REPORTS_CACHE = {"deepseek", "xai", "groq", "together", "openrouter", "moonshot", "vllm"}


@pytest.mark.parametrize("stream", [False, True], ids=["body", "stream"])
@pytest.mark.parametrize("usage", USAGES)
@pytest.mark.parametrize("model", world.FOUR + (world.GPT,) + QUIRKY, ids=lambda m: m.name)
def test_every_upstream_bills_to_the_nanodollar(stack, model, usage, stream):
    behaviour = {"quirk": world.QUIRKS.get(model.provider, ""), **USAGES[usage]}
    if model.provider == "ollama":  # it reports no classes: what it does not say it does not bill
        behaviour.pop("cached_tokens", None)
        behaviour.pop("reasoning_tokens", None)
    stack.start(models=world.ALL + QUIRKY, script={"defaults": behaviour})
    if stream:
        status, _, events, text = stack.stream(model=model.name)
        assert status == 200, text
        assert events[-1] == "[DONE]"
        cost = next(json.loads(e)["x_jevons"]["cost_usd"] for e in events if "x_jevons" in e)
        cost = round(cost * 1e9)
    else:
        status, fields, answer = stack.chat(model=model.name)
        assert status == 200, answer
        cost = money.nanodollars_of_header(fields["x-jevons-cost-usd"])
        assert answer["usage"]["prompt_tokens"] == behaviour["prompt_tokens"]
        assert answer["usage"]["completion_tokens"] == behaviour["tokens"] + behaviour.get(
            "reasoning_tokens", 0)
    assert cost == stack.settled_bill()["total"]["nanodollars"]
    stack.gateway.stop()
    row = stack.rows()[0]
    assert (row["state"], row["outcome"], row["cost_nanodollars"]) == ("settled", "ok", cost)
    assert row["price_id"] == f"{model.provider}/{model.model}@2025-01-01"


def test_anthropic_cache_writes_by_lifetime(stack):
    stack.start(script={"defaults": {"prompt_tokens": 5000, "cached_tokens": 1000,
                                     "cache_write_5m": 700, "cache_write_1h": 300, "tokens": 9}})
    status, fields, answer = stack.chat(model="sonnet")
    assert status == 200
    assert answer["usage"]["prompt_tokens"] == 5000
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] == 1000
    expected = 3000 * 3000 + 1000 * 300 + 700 * 3750 + 300 * 6000 + 9 * 15000
    assert money.nanodollars_of_header(fields["x-jevons-cost-usd"]) == expected


FLEX = dataclasses.replace(world.GPT, modes={"flex": {"input": "1.25", "output": "7.50"}})
CLIFF = dataclasses.replace(world.FLASH, above={1000: {"input": "0.2", "cache_read": "0.02",
                                                       "output": "0.8"}})


def test_service_tier_served_decides_the_price(stack):
    stack.start(models=(FLEX,), policies=[{**world.POLICY, "baseline": "gpt"}])
    stack.upstream.queue(service_tier="flex", prompt_tokens=100, tokens=10)
    status, fields, answer = stack.chat(model="gpt", service_tier="flex")
    assert status == 200, answer
    assert money.nanodollars_of_header(fields["x-jevons-cost-usd"]) == 100 * 1250 + 10 * 7500
    stack.upstream.queue(service_tier="default", prompt_tokens=100, tokens=10)
    status, fields, _ = stack.chat(model="gpt", service_tier="flex")
    assert money.nanodollars_of_header(fields["x-jevons-cost-usd"]) == 100 * 2500 + 10 * 15000


@pytest.mark.parametrize("prompt,expected", [(1000, 900 * 100 + 100 * 10 + 5 * 400),
                                             (1001, 901 * 200 + 100 * 20 + 5 * 800)])
def test_long_context_is_a_cliff(stack, prompt, expected):
    stack.start(models=(CLIFF,), policies=[{**world.POLICY, "baseline": "flash-lite"}])
    stack.upstream.queue(prompt_tokens=prompt, cached_tokens=100, tokens=5)
    status, fields, _ = stack.chat(model="flash-lite")
    assert money.nanodollars_of_header(fields["x-jevons-cost-usd"]) == expected


def test_baseline_prices_the_same_tokens(stack):
    stack.start(script={"defaults": {"prompt_tokens": 1000, "tokens": 100}})
    status, fields, _ = stack.chat()
    assert status == 200
    assert fields["x-jevons-target"] == "local-moe"
    assert money.nanodollars_of_header(fields["x-jevons-baseline-cost-usd"]) > 0
    report = stack.spend("--by", "model")
    (row,) = report["rows"]
    assert row["by"] == {"model": "local-moe"}, "a local target goes by its own name"
    assert row["cost_nanodollars"] == 1000 * 30 + 100 * 140
    assert row["baseline_nanodollars"] == 1000 * 3000 + 100 * 15000
    assert row["savings_nanodollars"] == row["baseline_nanodollars"] - row["cost_nanodollars"]
    assert row["tokens"] == {"prompt": 1000, "cached": 0, "cache_write": 0, "completion": 100,
                             "reasoning": 0}


def test_failed_attempts_are_rows_without_baseline(started):
    started.upstream.queue(times=2, status=500)
    status, fields, _ = started.chat()
    assert status == 200 and fields["x-jevons-attempts"] == "3"
    total = started.spend("--by", "model")["total"]
    assert (total["requests"], total["attempts"]) == (1, 3)


def test_embeddings_are_billed(started):
    status, fields, _ = started.post({"model": "embed", "input": ["a" * 400, "b"]},
                                     "/v1/embeddings")
    assert status == 200
    assert money.nanodollars_of_header(fields["x-jevons-cost-usd"]) == started.settled_bill()[
        "total"]["nanodollars"] > 0


BY = ["model", "target", "provider", "key", "team", "tag.env", "policy", "task", "day", "session"]


@pytest.mark.parametrize("by", BY)
def test_spend_by_everything_adds_up(stack, by):
    stack.start()
    for number in range(6):
        status, _, _ = stack.chat(f"question {number}", model=("auto", "gpt", "sonnet")[number % 3],
                                  headers={"x-jevons-tags": f"team=t{number % 2},env=prod",
                                           "x-jevons-session": f"s{number % 3}"})
        assert status == 200
    report = stack.spend("--by", by)
    assert report["total"]["cost_nanodollars"] == stack.settled_bill()["total"]["nanodollars"]
    assert sum(r["cost_nanodollars"] for r in report["rows"]) == report["total"][
        "cost_nanodollars"]
    assert sum(r["requests"] for r in report["rows"]) == 6
    assert all(list(r["by"]) == [by] for r in report["rows"])
    if by == "team":
        assert sorted(r["by"]["team"] for r in report["rows"]) == ["t0", "t1"]


def test_spend_text_csv_and_stopped_gateway_agree(started):
    for number in range(3):
        started.chat(f"question {number}")
    live = started.spend("--by", "model")
    table = started.gateway.cli("spend", "--since", "7d").stdout
    assert "local-moe" in table
    csv = started.gateway.cli("spend", "--by", "model", "--since", "7d", "--csv").stdout
    assert csv.count("local-moe") == 1
    assert started.gateway.stop() == 0
    stopped = started.spend("--by", "model")
    assert stopped["rows"] == live["rows"]


def test_views_have_their_columns(started):
    started.chat(headers={"x-jevons-tags": "team=search", "x-jevons-session": "run-7"})
    started.gateway.stop()
    (row,) = started.rows("v1_requests")
    assert (row["key"], row["team"], row["session"]) == ("ci", "search", "run-7")
    assert json.loads(row["tags"]) == {"team": "search"}
    assert (row["endpoint"], row["requested_model"], row["policy"]) == ("chat", "auto", "default")
    assert (row["outcome"], row["status"], row["ended_by"]) == ("ok", 200, "upstream")
    assert row["duration_ms"] >= 0 and 0 <= row["difficulty"] <= 1
    (attempt,) = started.rows("v1_attempts")
    assert {"task", "reason", "rule", "target", "provider", "model", "price_id", "state",
            "cost_nanodollars", "baseline_nanodollars", "ttft_ms"} <= set(attempt)
    sources = [k for k in attempt if k.endswith("_source")]
    assert sources and {attempt[k] for k in sources} <= {"measured", "estimated", "absent"}


def test_ledger_file_is_sound(started):
    for number in range(5):
        started.chat(f"question {number}")
    started.gateway.stop()
    path = started.folder / "gateway" / "jevons.db"
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    database.close()
    assert started.gateway.cli("ledger", "verify").returncode == 0
    copy = started.folder / "copy.db"
    started.gateway.cli("ledger", "backup", str(copy))
    assert copy.stat().st_size > 0
