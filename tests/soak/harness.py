"""Everything at once, for a while, then the books: the parts that both kinds of soak share."""

import collections
import json
import os
import random
import signal
import socket
import struct
import threading
import time

from support import ledger, processes

DRAIN_MS = 1_500


class Soak:
    """A gateway under `clients` threads that call `act(soak, random)`, until the time is over."""

    def __init__(self, config, act, seed, clients, reconfigure=None):
        self.config = config
        self.act = act
        self._reconfigure = reconfigure  # writes other files before a reload
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.problems = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.gateway = self._start()
        self._threads = [threading.Thread(target=self._client, args=(seed * 1_000 + i,))
                         for i in range(clients)]

    def _start(self):
        return processes.Gateway(self.config, arguments=["--drain-ms", str(DRAIN_MS)])

    def problem(self, text):
        with self._lock:
            self.problems.append(text)

    def _client(self, seed):
        chance = random.Random(seed)
        while not self._stop.is_set():
            try:
                what = self.act(self, chance)
            except OSError as error:  # it is being restarted
                what = type(error).__name__
                time.sleep(0.01)
            except Exception as error:  # noqa: BLE001
                what = type(error).__name__
                self.problem(f"a client saw {error!r}")
            with self._lock:
                self.counts[what] += 1

    def run(self, seconds):
        for thread in self._threads:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(self.random.uniform(1, 5))
            what = self.random.choice(["reload", "stop", "stop", "kill", "nothing"])
            if what == "reload":
                if self._reconfigure:
                    self._reconfigure(self.random)
                os.kill(self.gateway.pid, signal.SIGHUP)
            elif what != "nothing":
                self._end(signal.SIGTERM if what == "stop" else signal.SIGKILL)
                self.gateway = self._start()
            self.counts[what] += 1
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._end(signal.SIGTERM)

    def _end(self, how):
        was_alive = self.gateway.alive()
        status = self.gateway.stop(how, timeout=90)
        if not was_alive or (how == signal.SIGTERM and status != 0):
            self.problem(f"the gateway ended with {status}:\n{self.gateway.stderr()[-20_000:]}")


def send_and_leave(soak, body, headers, chance):
    """A client that goes away, in the middle of its request or some time after it."""
    data = json.dumps(body).encode()
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n{fields}"
            f"content-length: {len(data)}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", soak.gateway.port), 10) as one:
        one.sendall(head + (data if chance.random() < 0.8 else data[:chance.randrange(len(data))]))
        one.settimeout(chance.choice([0.001, 0.01, 0.1, 0.5]))
        try:
            one.recv(chance.choice([1, 1_000]))
        except OSError:
            pass
        if chance.random() < 0.5:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return "left"


def check_ledger(soak):
    """What holds whatever happened. Returns the attempts."""
    attempts = ledger.rows(soak.config.parent)
    costs = [row["cost_nanodollars"] for row in attempts]
    if any(row["state"] == "open" for row in attempts):
        soak.problem("attempts are left open")
    if any(cost is not None and cost < 0 for cost in costs):
        soak.problem("a cost is negative")
    if sum(c or 0 for c in costs) != sum(row["cost_nanodollars"] or 0
                                         for row in ledger.rows(soak.config.parent,
                                                                "v1_requests")):
        soak.problem("the views do not agree")
    verdict = processes.cli(soak.config, "ledger", "verify", check=False)
    if verdict.returncode != 0 or not verdict.stdout.startswith("ok: "):
        soak.problem(verdict.stdout + verdict.stderr)
    return attempts
