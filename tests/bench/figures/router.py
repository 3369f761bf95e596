"""The router's figures, from tests/bench/decide_bench.cpp: classify and decide, nothing else."""

import subprocess

from support import processes

from . import sides

GOALS = {"router.decide_us_p50": ("us", 30), "router.decide_us_p99": ("us", 100),
         "router.decide_growth": ("x", 11), "router.decide_learned_us_p50": ("us", 30),
         "router.decide_learned_us_p99": ("us", 100), "router.decide_learned_growth": ("x", 11)}


def run(report, quick):
    found = {name: [] for name in GOALS}
    for _ in range(3 if quick else 5):
        done = subprocess.run(["taskset", "-c", str(sides.PROGRAM_CORE),
                               str(processes.BUILD / "decide_bench")], check=True,
                              capture_output=True, text=True, timeout=600)
        for line in done.stdout.splitlines():
            name, value = line.split()
            found[name].append(float(value))
    for name, (unit, goal) in GOALS.items():
        report.figure(name, found[name], unit, goal)
