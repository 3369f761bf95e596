"""The gateway's figures: CPU, latency, memory and behaviour under overload."""

import json
import statistics
import subprocess
import time

from support import processes, world

from . import sides
from .report import progress

MODEL = world.GPT.model
TARGET = world.GPT.name


def chat(size=1024, stream=False, model=None):
    """A chat body of about `size` bytes."""
    words = ("the price of one token fell and the bill of the year grew " * (size // 58 + 2))[:size]
    body = {"model": model or "MODEL", "messages": [{"role": "user", "content": words}]}
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return json.dumps(body)


def body_for(side, **kwargs):
    """nginx passes the upstream's own model name; the gateway routes `auto`."""
    return chat(model="auto" if side.name == "jevons" else MODEL, **kwargs)


def alternate(rounds, the_sides, measure):
    """{name: [value per round]}, the sides in turn within each round."""
    found = {side.name: [] for side in the_sides}
    for _ in range(rounds):
        for side in the_sides:
            found[side.name].append(measure(side))
    return found


def ratios(found, key, invert=False):
    """Per round: the gateway's value over nginx's."""
    out = []
    for ours, theirs in zip(found.get("jevons", []), found.get("nginx", [])):
        a, b = ours[key], theirs[key]
        out.append(a / b if a is not None and b else None)
    return out


class Gateway:
    def __init__(self, report, quick, rounds=3):
        self.report = report
        self.seconds = 3 if quick else 6
        self.rounds = rounds
        self.quick = quick
        self.capacity = None

    def run(self):
        self.requests()
        self.streams()
        self.latency()
        self.chunk_delay()
        self.memory()
        self.overload()
        self.startup()

    def pair(self, **script):
        """An upstream that behaves so, and both sides in front of it."""
        upstream = sides.start_upstream(**script)
        nginx = sides.start_nginx(upstream.port)
        gateway = sides.start_gateway(upstream.url, policies=[ONE_TARGET])
        return upstream, nginx, gateway

    def close(self, *things):
        for thing in things:
            process = thing if isinstance(thing, processes.Process) else thing.process
            if process:
                process.stop()

    def requests(self):
        if not self.report.wanted("gateway.cpu_per_request", "gateway.requests_per_second",
                                  "gateway.cpu_per_100kb", "gateway.overload_goodput",
                                  "gateway.rss_mib_after_overload"):
            return
        upstream, nginx, gateway = self.pair(tokens=40)
        for side in (nginx, gateway):
            sides.load(side, body_for(side), connections=64, seconds=1)
        progress("1 KB requests, 64 connections")
        found = alternate(self.rounds, (nginx, gateway), lambda side: sides.load(
            side, body_for(side), connections=64, seconds=self.seconds))
        self.explain("1 KB", found)
        self.capacity = statistics.median(r["rate"] for r in found["jevons"])
        self.report.figure("gateway.cpu_per_request_vs_nginx", ratios(found, "cpu_us"), "x", 5)
        self.report.figure("gateway.requests_per_second_vs_nginx", ratios(found, "rate"), "x", 0.2,
                           ">=")
        progress("100 KB requests, 64 connections")
        found = alternate(self.rounds, (nginx, gateway), lambda side: sides.load(
            side, body_for(side, size=100 * 1024), connections=64, seconds=self.seconds))
        self.explain("100 KB", found)
        self.report.figure("gateway.cpu_per_100kb_request_vs_nginx", ratios(found, "cpu_us"), "x",
                           5)
        self.close(gateway, nginx, upstream)

    def explain(self, what, found):
        for name, rows in found.items():
            bad = {s: n for r in rows for s, n in r["statuses"].items() if s != "200"}
            progress(f"{what} {name}: " + ", ".join(
                f"{r['cpu_us'] or 0:.1f} us, {r['rate']:.0f}/s" for r in rows)
                + (f", not 200: {bad}" if bad else ""))

    def streams(self):
        if not self.report.wanted("gateway.cpu_per_stream", "gateway.one_stream"):
            return
        upstream, nginx, gateway = self.pair(tokens=200)
        for side in (nginx, gateway):
            sides.load(side, body_for(side, stream=True), connections=16, seconds=1)
        progress("streams of 200 chunks, 16 connections")
        found = alternate(self.rounds, (nginx, gateway), lambda side: sides.load(
            side, body_for(side, stream=True), connections=16, seconds=self.seconds))
        self.explain("stream", found)
        self.report.figure("gateway.cpu_per_stream_vs_nginx", ratios(found, "cpu_us"), "x", 3)
        progress("one stream on one connection")

        def one(side):
            result = sides.load(side, body_for(side, stream=True), connections=1, count=60,
                                seconds=30)
            return {"p50": result["latency_us"]["p50"]}
        found = alternate(self.rounds, (nginx, gateway), one)
        progress(f"one stream, p50 us: {found}")
        self.report.figure("gateway.one_stream_vs_nginx", ratios(found, "p50"), "x", 1.5)
        self.close(gateway, nginx, upstream)

    def latency(self):
        if not self.report.wanted("gateway.added_latency"):
            return
        upstream, nginx, gateway = self.pair(tokens=40, delay_ms=50)
        direct = sides.Side("direct", upstream.port)
        progress("open loop, 1,000 requests/s, upstream answers after 50 ms")
        found = alternate(self.rounds, (direct, nginx, gateway), lambda side: sides.load(
            side, body_for(side), connections=256, rate=1000, seconds=self.seconds, warmup=1))
        for percentile, goal in (("p50", 300), ("p99", 1000)):
            added = [ours["latency_us"][percentile] - plain["latency_us"][percentile]
                     for ours, plain in zip(found["jevons"], found["direct"])]
            theirs = [a["latency_us"][percentile] - b["latency_us"][percentile]
                      for a, b in zip(found["nginx"], found["direct"])]
            self.report.figure(f"gateway.added_latency_us_{percentile}", added, "us", goal,
                               note=f"nginx adds {statistics.median(theirs):.0f}")
        self.close(gateway, nginx, upstream)

    def chunk_delay(self):
        if not self.report.wanted("gateway.chunk_delay"):
            return
        upstream, nginx, gateway = self.pair(tokens=150, chunk_ms=20, stamp=True)
        direct = sides.Side("direct", upstream.port)
        progress("200 streams at 50 chunks/s each")
        found = alternate(self.rounds, (direct, nginx, gateway), lambda side: sides.load(
            side, body_for(side, stream=True), connections=200, seconds=self.seconds + 2, warmup=1,
            stamps=1))
        added = [ours["chunk_delay_us"]["p99"] - plain["chunk_delay_us"]["p99"]
                 for ours, plain in zip(found["jevons"], found["direct"])
                 if ours["chunk_delay_us"] and plain["chunk_delay_us"]]
        theirs = [a["chunk_delay_us"]["p99"] - b["chunk_delay_us"]["p99"]
                  for a, b in zip(found["nginx"], found["direct"])]
        self.report.figure("gateway.chunk_delay_us_p99", added, "us", 500,
                           note=f"nginx adds {statistics.median(theirs):.0f}")
        self.close(gateway, nginx, upstream)

    def memory(self):
        if not self.report.wanted("gateway.rss_mib_idle", "gateway.rss_mib_1000"):
            return
        idle, busy = [], []
        for _ in range(self.rounds):
            upstream = sides.start_upstream(tokens=40)
            gateway = sides.start_gateway(upstream.url, policies=[ONE_TARGET])
            time.sleep(0.5)
            idle.append(gateway.rss_mib())
            holder = subprocess.Popen(sides.load_command(
                gateway, body_for(gateway), connections=1000, count=1000, seconds=20, hold=3),
                stdout=subprocess.DEVNULL)
            time.sleep(2)
            busy.append(gateway.rss_mib())
            holder.wait()
            self.close(gateway, upstream)
        self.report.figure("gateway.rss_mib_idle", idle, "MiB", 25)
        self.report.figure("gateway.rss_mib_1000_connections", busy, "MiB", 40)

    def overload(self):
        if not self.report.wanted("gateway.overload", "gateway.rss_mib_after_overload"):
            return
        good, memory = [], []
        for _ in range(self.rounds):
            upstream = sides.start_upstream(tokens=40)
            gateway = sides.start_gateway(upstream.url, policies=[ONE_TARGET])
            capacity = sides.load(gateway, body_for(gateway), connections=64,
                                  seconds=self.seconds)["rate"]
            progress(f"overload: capacity {capacity:.0f}/s")
            result = sides.load(gateway, body_for(gateway), connections=2000,
                                rate=int(capacity * 2), seconds=10, deadline=2)
            progress(f"overload: {result['statuses']}, broken {result['broken']}, "
                     f"unanswered {result['unanswered']}, late {result['late']}")
            good.append((result["completed"] - result["late"]) / result["seconds"] / capacity)
            time.sleep(2)
            memory.append(gateway.rss_mib())
            self.close(gateway, upstream)
        self.report.figure("gateway.overload_goodput", good, "x", 0.8, ">=")
        self.report.figure("gateway.rss_mib_after_overload", memory, "MiB", 100)

    def startup(self):
        if not self.report.wanted("gateway.startup_ms"):
            return
        upstream = sides.start_upstream(tokens=40)
        took = []
        for _ in range(max(5, self.rounds)):
            took.append(time_to_ready(upstream.url))
        self.close(upstream)
        self.report.figure("gateway.startup_ms", took, "ms", 100)


def time_to_ready(upstream_url):
    """Milliseconds from exec to the first 200 on /readyz, on a ledger that exists already."""
    gateway = sides.start_gateway(upstream_url, policies=[ONE_TARGET])
    gateway.process.stop()
    admin = sides.free_port()
    config = gateway.gateway.config
    text = config.read_text().replace('admin: "127.0.0.1:0"', f'admin: "127.0.0.1:{admin}"')
    config.write_text(text)
    begin = time.perf_counter()
    process = subprocess.Popen(["taskset", "-c", str(sides.PROGRAM_CORE),
                                str(processes.BUILD / "jevons"), "serve", "--config", str(config)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**gateway.gateway.env})
    try:
        while time.perf_counter() - begin < 20:
            try:
                if processes.get(admin, "/readyz", timeout=1)[0] == 200:
                    return (time.perf_counter() - begin) * 1000
            except OSError:
                time.sleep(0.0005)
        return None
    finally:
        process.terminate()
        process.wait()


# One target only: every request of a comparison goes where nginx sends it.
ONE_TARGET = {"policy": "default", "serves": ["auto"], "baseline": TARGET,
              "objective": "cheapest", "quality": {"floor": 0.90, "relative_to": "best"},
              "rules": [{"name": "one", "when": {"endpoint": "chat"},
                         "only": {"target": TARGET}}],
              "fallback": {"attempts": 3}}
