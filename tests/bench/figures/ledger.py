"""The ledger's figures: durable settlements a second, and the spend report over many rows."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from support import processes, world

from .report import progress


def settle(folder, attempts, in_flight=512, spread_days=0, name="jevons.db"):
    done = subprocess.run([str(processes.BUILD / "ledger_bench"), str(folder / name),
                           str(attempts), str(in_flight), str(spread_days)], check=True,
                          capture_output=True, text=True, timeout=1800)
    return json.loads(done.stdout)


def throughput(report, quick):
    rates, syncs = [], []
    for _ in range(3):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="jevons-ledger-", dir=processes.ROOT / "build"))
        result = settle(folder, 60_000 if quick else 200_000)
        rates.append(result["per_second"])
        syncs.append(result["fsync_us_p50"])
        shutil.rmtree(folder)
    report.figure("ledger.settled_attempts_per_second", rates, "1/s", 20_000, ">=")
    report.figure("ledger.fsync_us_p50", syncs, "us")


def report_time(report, quick):
    """`jevons spend --by model --since 30d` over rows that lie in those 30 days."""
    rows = 1_000_000 if quick else 10_000_000
    name = f"ledger.report_ms_{'1m' if quick else '10m'}_rows"
    if not report.wanted(name):
        return
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jevons-report-", dir=processes.ROOT / "build"))
    config = world.write(folder, "http://127.0.0.1:9", world.FOUR)
    progress(f"writing {rows} attempts")
    settle(folder, rows, 4096, 29)
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        processes.cli(config, "spend", "--by", "model", "--since", "30d", "--json",
                      env={"UPSTREAM_KEY": "x"})
        took.append((time.perf_counter() - begin) * 1000)
    shutil.rmtree(folder)
    report.figure(name, took, "ms", 1000)


def run(report, quick):
    if report.wanted("ledger.settled_attempts_per_second", "ledger.fsync_us_p50"):
        throughput(report, quick)
    report_time(report, quick)
