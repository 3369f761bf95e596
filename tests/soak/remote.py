"""Targets of every wire format on one scripted upstream that misbehaves at random."""

import collections
import json
import random
import socket
import threading
import time

from soak import harness
from support import processes, world

POLICY = {**world.POLICY, "serves": ["auto", "gpt-*"],
          "quality": {"floor": 0.5, "relative_to": "best"},
          "escalate": {"when": ["refusal", "invalid_json", "truncated", "low_confidence",
                                "disagreement"], "to": "premium", "max": 1},
          "hedge": {"after": "ttft_p95", "at_most": world.Number("20%")},
          "explore": {"rate": world.Number("0.1"), "budget_usd_per_day": 1},
          "session": {"sticky": True}}
STRICT = {**world.POLICY, "policy": "strict", "serves": ["careful"], "objective": "best",
          "strict_params": True}
HARD_USD = "0.05"
BUDGETS = [{"name": "a-day", "match": {"key": "a"}, "usd": world.Number(HARD_USD), "window": "day",
            "kind": "hard"},
           {"name": "b-day", "match": {"key": "b"}, "usd": world.Number("0.02"), "window": "day",
            "kind": "soft"}]
PROMPTS = ["What is 2+2?", "Prove that there are infinitely many primes, in full.",
           "Write a quick sort in C++ with tests.", "Übersetze: Guten Morgen",
           "Summarise: " + "blah " * 300, "x" * 20_000, "🎉" * 50, "",
           "Which of these?\nA) one\nB) two\nC) three\nD) four"]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {
    "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": {
    "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}}}
LOOP = [{"role": "assistant", "content": None, "tool_calls": [
    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":"b"}'}}]}]
BEHAVIOURS = [
    {"status": 429, "headers": {"retry-after": "1"}}, {"status": 500}, {"status": 503},
    {"status": 400, "error_message": "bad"}, {"status": 401}, {"drop": "reused"},
    {"drop": "always"}, {"drop": "rst"}, {"fault": "rst", "after_chunks": 3},
    {"fault": "fin", "after_chunks": 2}, {"fault": "truncate"}, {"fault": "no_done"},
    {"fault": "no_finish"}, {"fault": "stall", "after_chunks": 1}, {"usage_mode": "absent"},
    {"usage_mode": "twice"}, {"usage_mode": "zero"}, {"usage_mode": "every_chunk"},
    {"error_event": "overloaded"}, {"text": "I'm sorry, but I can't help with that."},
    {"finish_reason": "length"}, {"text": '{"n": 1}'}, {"text": '{"n": "x"}'},
    {"delay_ms": 400}, {"first_chunk_ms": 600}, {"chunk_ms": 30}, {"tokens": 300},
    {"raw_body": "<html>"}, {"content_type": "text/plain"}, {"huge_line_bytes": 300_000},
    {"nul": True}, {"invalid_utf8": True}, {"slice": 1}, {"bom": True}, {"framing": "close"},
    {"logprob_thousandths": -1_500}, {"reasoning_tokens": 40}, {"cached_tokens": 30},
    {"service_tier": "flex"}, {"ignore_max_tokens": True}]
GARBAGE = [b"GET / HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
           b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n"
           b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00"]


def body(chance):
    messages = [{"role": "user", "content": chance.choice(PROMPTS)}]
    if chance.random() < 0.3:
        messages += [{"role": "assistant", "content": "I think so."},
                     {"role": "user", "content": chance.choice(PROMPTS)}]
    if chance.random() < 0.1:
        messages += LOOP + [{"role": "tool", "tool_call_id": "c1",
                             "content": chance.choice(["done", "Error: it failed"])}]
    one = {"model": chance.choice(["auto"] * 6 + ["gpt", "sonnet", "small", "flash-lite",
                                                  "local-moe", "careful", "nope"]),
           "messages": messages}
    for share, fields in ((0.3, {"tools": TOOLS}), (0.15, {"response_format": SCHEMA}),
                          (0.3, {"max_tokens": chance.choice([1, 5, 100, 4_000])}),
                          (0.1, {"n": 2}), (0.1, {"logprobs": True}),
                          (0.1, {"temperature": chance.choice([0, 1, 3, "x"])})):
        if chance.random() < share:
            one.update(fields)
    return one


def headers(chance, keys):
    fields = {"content-type": "application/json",
              "authorization": "Bearer " + chance.choice(keys)}
    for share, name, values in (
            (0.3, "x-jevons-session", [f"s{i}" for i in range(6)]),
            (0.3, "x-jevons-tags", ["team=x", "team=y,env=prod", "bad"]),
            (0.1, "x-jevons-quality", ["0.9", "0", "2"]),
            (0.1, "idempotency-key", [f"i{i}" for i in range(30)]),
            (0.05, "x-jevons-max-cost-usd", ["0.0001"]),
            (0.05, "x-stainless-read-timeout", ["1"])):
        if chance.random() < share:
            fields[name] = chance.choice(values)
    return fields


class Clients:
    """What a client may do; each answers a word for the count."""

    def __init__(self, keys):
        self.keys = keys
        self.ids = collections.deque(["r-x"], maxlen=500)

    def __call__(self, soak, chance):
        acts = {self.whole: 35, self.streamed: 25, self.leave: 12, self.pipeline: 2,
                self.garbage: 2, self.small: 24}
        (act,) = chance.choices(list(acts), acts.values())
        return act(soak, chance)

    def post(self, soak, chance, path, document):
        status, fields, text = processes.get(soak.gateway.port, path, "POST", json.dumps(document),
                                             headers(chance, self.keys), 60)
        if "x-request-id" not in fields:
            soak.problem(f"{path} answered {status} without a request id")
        return status, fields, text

    def whole(self, soak, chance):
        status, fields, _ = self.post(soak, chance, "/v1/chat/completions", body(chance))
        self.ids.append(fields.get("x-request-id", "r-x"))
        return f"whole {status}"

    def streamed(self, soak, chance):
        status, _, text = self.post(soak, chance, "/v1/chat/completions",
                                    {**body(chance), "stream": True})
        if status != 200:
            return f"stream {status}"
        return "stream " + ("done" if "data: [DONE]" in text else "cut")

    def leave(self, soak, chance):
        document = {**body(chance), "stream": chance.random() < 0.7}
        return harness.send_and_leave(soak, document, headers(chance, self.keys), chance)

    def pipeline(self, soak, chance):
        data = json.dumps({"model": "small",
                           "messages": [{"role": "user", "content": "hi"}]}).encode()
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: "
                f"application/json\r\nauthorization: Bearer {self.keys[2]}\r\ncontent-length: "
                f"{len(data)}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", soak.gateway.port), 10) as one:
            one.settimeout(60)
            one.sendall((head + data) * 3)
            got = b""
            while got.count(b"HTTP/1.1 ") < 3:
                piece = one.recv(65_536)
                if not piece:
                    break
                got += piece
        return "pipeline"

    def garbage(self, soak, chance):
        with socket.create_connection(("127.0.0.1", soak.gateway.port), 10) as one:
            one.settimeout(0.2)
            one.sendall(chance.choice(GARBAGE))
            try:
                one.recv(1_000)
            except OSError:
                pass
        return "garbage"

    def small(self, soak, chance):
        what = chance.choice(["embeddings", "completions", "route", "feedback", "feedback",
                              "admin"])
        if what == "admin":
            path = chance.choice(["/metrics", "/readyz", "/admin/v1/spend?by=model", "/livez",
                                  "/admin/v1/targets", "/admin/v1/budgets"])
            return f"admin {processes.get(soak.gateway.admin_port, path)[0]}"
        document = {
            "embeddings": {"model": "embed", "input": chance.choice(["a", ["a", "b"], []])},
            "completions": {"model": "auto", "prompt": chance.choice(PROMPTS), "max_tokens": 20,
                            "stream": chance.random() < 0.4},
            "route": body(chance),
            "feedback": {"request_id": chance.choice(list(self.ids)), "score": chance.random(),
                         "source": "soak"}}[what]
        return f"{what} {self.post(soak, chance, '/v1/' + what, document)[0]}"


def misbehave(upstream, seed, stop):
    chance = random.Random(seed)
    models = ["*"] + [model.model for model in world.ALL]
    while not stop.wait(0.02):
        behaviour = dict(chance.choice(BEHAVIOURS))
        if chance.random() < 0.2:
            behaviour.update(chance.choice(BEHAVIOURS))
        upstream.queue(chance.choice(models), chance.choice([1, 1, 3]), **behaviour)


def check_bill(soak, attempts, calls):
    if len(attempts) < len(calls):
        soak.problem(f"{len(calls)} POSTs upstream, {len(attempts)} rows")
    bill = {call["id"]: call for call in calls if call["state"] == "done"}
    for row in attempts:
        both_measured = row["input_source"] == row["output_source"] == "measured"
        call = bill.get((row["upstream_id"] or "").removeprefix("msg_"))
        if not call or not both_measured or row["suspicion"] or row["cost_nanodollars"] is None:
            continue
        if call["nanodollars"] != row["cost_nanodollars"]:
            soak.problem(f"billed {call}, in the ledger {row}")
    limit = round(float(HARD_USD) * 1e9)
    mine = [row for row in attempts if row["key"] == "a" and row["cost_nanodollars"] is not None]
    spent = sum(row["cost_nanodollars"] for row in mine)
    beyond = sum(max(0, row["cost_nanodollars"] - row["reserved_nanodollars"]) for row in mine)
    if spent > limit + beyond:
        soak.problem(f"the hard budget of {limit} has spent {spent}, {beyond} beyond reserves")


def soak(folder, seconds, seed):
    script = {"defaults": {"tokens": 12, "chunk_ms": 1, "prompt_tokens": 50}}
    bill = folder / "bill.jsonl"
    upstream = processes.Upstream(script, world.upstream_prices(), folder / "upstream",
                                  options=["--bill", bill])

    def configure(models, policies):
        return world.write(folder / "gateway", upstream.url, models, policies,
                           {"budgets": BUDGETS})

    def reconfigure(chance):
        others = [model for model in world.ALL if model is not world.SONNET]  # the baseline
        configure([world.SONNET] + chance.sample(others, chance.randrange(2, len(others) + 1)),
                  [POLICY, STRICT][:chance.choice([1, 2, 2])])

    config = configure(world.ALL, [POLICY, STRICT])
    keys = [json.loads(processes.cli(config, "keys", "create", name, "--json",
                                     env={"UPSTREAM_KEY": "x"}).stdout)["key"] for name in "abc"]
    one = harness.Soak(config, Clients(keys), seed, clients=10, reconfigure=reconfigure)
    stop = threading.Event()
    chaos = threading.Thread(target=misbehave, args=(upstream, seed, stop))
    chaos.start()
    one.run(seconds)
    stop.set()
    chaos.join()
    end = time.monotonic() + 5
    while upstream.bill()["open"] and time.monotonic() < end:
        time.sleep(0.05)
    upstream.stop()
    attempts = harness.check_ledger(one)
    check_bill(one, attempts, [json.loads(line) for line in bill.read_text().splitlines()])
    return one.problems, one.counts
