"""The router's figures, taken through the dry run: it reports how long classify and decide took."""

import json
import random

from support import world

from . import sides
from .report import progress

WORDS = ("function returns integral proof river tax sort bridge enzyme because therefore compute "
         "explain list table code error matrix translate date summary value price token").split()


def prompt(chance, characters):
    words = []
    size = 0
    while size < characters:
        words.append(chance.choice(WORDS))
        size += len(words[-1]) + 1
    return " ".join(words)[:characters]


def eight_targets():
    extra = [world.Model(f"extra-{i}", "openai", f"extra-{i}", "budget", 0.5 + i / 20, "0.2", "0.8")
             for i in range(8 - len(world.FOUR) - 1)]
    return world.FOUR + (world.GPT,) + tuple(extra)


def decide_times(side, chance, characters, count):
    """Microseconds of each decision."""
    times = []
    for _ in range(count):
        body = {"model": "auto",
                "messages": [{"role": "user", "content": prompt(chance, characters)}]}
        status, _, answer = side.gateway.post(
            json.dumps(body), "/v1/route", {"authorization": f"Bearer {side.key}"})
        if status != 200:
            raise RuntimeError(f"/v1/route: {status} {answer}")
        times.append(answer["decide_us"])
    return sorted(times)


def run(report, quick):
    if not report.wanted("router.decide_us", "router.decide_growth"):
        return
    upstream = sides.start_upstream(tokens=5)
    side = sides.start_gateway(upstream.url, models=eight_targets())
    chance = random.Random(1865)
    decide_times(side, chance, 2000, 200)
    count = 1000 if quick else 3000
    halves, tails, growth = [], [], []
    for _ in range(3):
        times = decide_times(side, chance, 2000, count)
        halves.append(times[len(times) // 2])
        tails.append(times[int(len(times) * 0.99)])
        small = decide_times(side, chance, 20_000, 60)
        large = decide_times(side, chance, 200_000, 30)
        growth.append(large[15] / max(small[30], 1))
    progress(f"decide: p50 {halves}, p99 {tails}, growth {growth}")
    report.figure("router.decide_us_p50", halves, "us", 30)
    report.figure("router.decide_us_p99", tails, "us", 100)
    report.figure("router.decide_growth", growth, "x", 11)
    side.process.stop()
    upstream.stop()
