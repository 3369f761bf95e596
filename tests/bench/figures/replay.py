"""The replay: recorded prompts through `auto` over four targets with real prices. The ledger's total
must be the scripted upstream's own bill, and the savings are against the premium baseline."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import threading

from support import processes, prompts, world

from . import sides
from .report import progress

# Which recorded model stands for which target, first found wins; for the mean recorded score.
STANDS_FOR = {
    "local-moe": ("gpt-oss-20b", "mixtral-8x7b-instruct-v0.1", "Mixtral-8x7B-Instruct-v0.1",
                  "llama-3.1-8b-instruct", "Meta-Llama-3-8B-Instruct", "gemma-2-9b-it"),
    "flash-lite": ("gemini-1.5-flash-exp-0827", "gpt-4o-mini-2024-07-18", "gemini-1.5-flash-002",
                   "Qwen2-72B-Instruct", "llama3-chatqa-1.5-70b"),
    "small": ("gpt-4o-mini-2024-07-18", "Mistral-Large-2", "Qwen2.5-72B-Instruct",
              "llama-3.1-nemotron-51b-instruct", "mistral-7b-instruct-v0.3"),
    "sonnet": ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet-20240620",
               "gpt-4-1106-preview", "llama-3.3-nemotron-super-49b-v1", "GPT-4o", "Athene-70B"),
}


def data_folder():
    for candidate in (os.environ.get("JEVONS_DATA"), processes.ROOT / ".." / "shared" / "data"):
        if candidate and (pathlib.Path(candidate) / "routing").is_dir():
            return pathlib.Path(candidate) / "routing"
    return None


def score_of(row, target):
    for model in STANDS_FOR[target]:
        if model in row["scores"]:
            return row["scores"][model]
    return None


class Clients:
    """A keep-alive connection a thread."""

    def __init__(self, side):
        self.side = side
        self.local = threading.local()

    def ask(self, row):
        connection = getattr(self.local, "connection", None)
        if connection is None:
            connection = self.local.connection = http.client.HTTPConnection(
                "127.0.0.1", self.side.port, timeout=60)
        body = json.dumps({"model": "auto",
                           "messages": [{"role": "user", "content": row["prompt"]}]})
        connection.request("POST", "/v1/chat/completions", body, {
            "content-type": "application/json", "authorization": f"Bearer {self.side.key}"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {text[:300]!r}")
        return answer.getheader("x-jevons-target")


def one_replay(rows):
    upstream = processes.Upstream({"lengths": prompts.lengths(rows)},
                                  world.upstream_prices(world.FOUR),
                                  options=("--keep-calls", "10", "--keep-requests", "0"))
    side = sides.start_gateway(upstream.url, models=world.FOUR)
    clients = Clients(side)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        targets = list(pool.map(clients.ask, rows))
    report = json.loads(side.gateway.cli("spend", "--by", "target", "--since", "7d",
                                         "--json").stdout)
    bill = upstream.bill()["total"]
    side.process.stop()
    upstream.stop()
    return targets, report, bill


def run(report, quick):
    if not report.wanted("replay."):
        return
    folder = data_folder()
    if folder is None:
        report.figure("replay.bill_difference_nanodollars", [], "n$", 0)
        report.figure("replay.savings_percent", [], "%")
        return
    rows = prompts.recorded(folder, 5_000 if quick else 12_000)
    progress(f"replaying {len(rows)} recorded prompts")
    differences, savings, ratios = [], [], []
    for _ in range(1 if quick else 3):
        targets, spend, bill = one_replay(rows)
        total = spend["total"]
        differences.append(total["cost_nanodollars"] - bill["nanodollars"])
        savings.append(100 * total["savings_nanodollars"] / total["baseline_nanodollars"])
        scored = [(score_of(row, target), score_of(row, "sonnet"))
                  for row, target in zip(rows, targets)]
        scored = [(a, b) for a, b in scored if a is not None and b is not None]
        chosen, premium = (sum(s) / len(scored) for s in zip(*scored))
        ratios.append(chosen / premium)
        shares = {t: f"{100 * targets.count(t) / len(targets):.0f}%" for t in sorted(set(targets))}
        progress(f"requests {total['requests']}, attempts {total['attempts']}, bill calls "
                 f"{bill['calls']}, shares {shares}, recorded score {chosen:.3f} of {premium:.3f} "
                 f"on {len(scored)} scored prompts")
    report.figure("replay.bill_difference_nanodollars", differences, "n$", 0)
    report.figure("replay.savings_percent", savings, "%", None, ">=")
    report.figure("replay.recorded_score_vs_premium", ratios, "x", 0.9, ">=",
                  "the policy's floor; models of the data stand for the targets")
