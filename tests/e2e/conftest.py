"""The fixture of every end-to-end test: upstream, gateway, and the comparison of their books."""

import json
import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from support import ledger, processes, world  # noqa: E402


class Stack:
    """One upstream and one gateway. `start` may be called again after a stop or a kill."""

    def __init__(self, folder):
        self.folder = folder
        self.upstream = None
        self.gateway = None
        self.key = None
        self.models = world.ALL

    def configure(self, models=world.ALL, policies=None, config=None, providers=None, script=None,
                  with_key=True, tls=None):
        self.models = models
        self.upstream = processes.Upstream(script or {}, world.upstream_prices(models),
                                           self.folder / "upstream", tls=tls)
        self.config = world.write(self.folder / "gateway", self.upstream.url, models, policies,
                                  config, providers)
        if with_key:
            self.key = self.create_key("ci")
        return self

    def create_key(self, name, *arguments):
        done = processes.cli(self.config, "keys", "create", name, *arguments, "--json",
                             env=self.env())
        return json.loads(done.stdout)["key"]

    @staticmethod
    def env():
        return {"UPSTREAM_KEY": "sk-upstream-secret"}

    def start(self, **kwargs):
        if self.upstream is None:
            self.configure(**kwargs)
        self.gateway = processes.Gateway(self.config)
        return self

    @property
    def headers(self):
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    def chat(self, content="What is the capital of France?", model="auto", headers=None, **body):
        messages = body.pop("messages", [{"role": "user", "content": content}])
        return self.gateway.post({"model": model, "messages": messages, **body},
                                 headers={**self.headers, **(headers or {})})

    def post(self, body, path="/v1/chat/completions", headers=None, **kwargs):
        return self.gateway.post(body, path, {**self.headers, **(headers or {})}, **kwargs)

    def stream(self, content="What is the capital of France?", model="auto", headers=None, **body):
        """(status, headers, list of data payloads as text, raw text)."""
        body = {"model": model, "messages": [{"role": "user", "content": content}],
                "stream": True, **body}
        status, fields, text = processes.get(
            self.gateway.port, "/v1/chat/completions", "POST", json.dumps(body),
            {"content-type": "application/json", **self.headers, **(headers or {})}, timeout=60)
        events = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
        return status, fields, events, text

    def spend(self, *arguments):
        return json.loads(self.gateway.cli("spend", "--json", "--since", "7d", *arguments).stdout)

    def rows(self, view="v1_attempts", where="1=1"):
        """Rows of a view, read from the file of a stopped gateway."""
        assert not self.gateway.alive(), "the ledger belongs to the running gateway"
        return ledger.rows(self.folder / "gateway", view, where)

    def settled_bill(self, seconds=5):
        """The upstream's bill once none of its calls is open."""
        end = time.monotonic() + seconds
        bill = self.upstream.bill()
        while bill["open"] and time.monotonic() < end:
            time.sleep(0.02)
            bill = self.upstream.bill()
        return bill

    def check_books(self, exact=True):
        """Spend report and ledger views against the upstream's own bill."""
        if self.gateway.alive():
            reported = self.wait_spend(exact)
            assert self.gateway.stop() == 0, self.gateway.stderr()
        else:
            reported = None
        bill = self.settled_bill()
        attempts = self.rows()
        requests = self.rows("v1_requests")
        assert [a for a in attempts if a["state"] == "open"] == []
        assert len(attempts) == bill["total"]["calls"], self.difference(attempts, bill)
        cost = sum(a["cost_nanodollars"] or 0 for a in attempts)
        assert sum(r["cost_nanodollars"] or 0 for r in requests) == cost
        assert all((a["cost_nanodollars"] or 0) >= 0 for a in attempts)
        if reported is not None:
            assert reported["total"]["cost_nanodollars"] == cost
            assert reported["total"]["attempts"] == len(attempts)
        if exact:
            assert cost == bill["total"]["nanodollars"], self.difference(attempts, bill)

    def wait_spend(self, exact, seconds=3):
        """The report may lag behind the answer by one group of commits."""
        end = time.monotonic() + seconds
        while True:
            report, bill = self.spend("--by", "model"), self.settled_bill()
            same = report["total"]["attempts"] == bill["total"]["calls"]
            if exact:
                same = same and report["total"]["cost_nanodollars"] == bill["total"]["nanodollars"]
            if same or time.monotonic() > end:
                return report
            time.sleep(0.05)

    def difference(self, attempts, bill):
        lines = [f"ledger: {a['model']} {a['state']} {a['outcome']} {a['cost_nanodollars']}"
                 for a in attempts[-20:]]
        lines += [f"bill: {c['model']} {c['state']} {c['status']} {c['nanodollars']}"
                  for c in bill["calls"][-20:]]
        return "\n".join(lines) + "\n" + self.gateway.stderr()[-3000:]

    def close(self):
        for process in (self.gateway, self.upstream):
            if process is not None and process.alive():
                process.stop()


@pytest.fixture
def stack(request, tmp_path):
    """Not started: a test calls stack.start(...) with what it needs."""
    one = Stack(tmp_path)
    yield one
    try:
        failed = getattr(request.node, "failed", False)
        if one.gateway is not None and not failed and not request.node.get_closest_marker(
                "no_books"):
            one.check_books(exact=request.node.get_closest_marker("estimated") is None)
        elif one.gateway is not None and failed:
            print("--- gateway log ---\n" + one.gateway.stderr()[-4000:])
    finally:
        one.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    if outcome.get_result().failed and outcome.get_result().when == "call":
        item.failed = True


@pytest.fixture
def started(stack):
    """The usual stack, running."""
    return stack.start()
