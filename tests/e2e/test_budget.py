"""Budgets under concurrency (F7), their edges, rate limits and keys."""

import concurrent.futures
import http.server
import json
import threading
import time

import pytest

from support import processes, world

# One call: 1,000 prompt tokens and at most 100 completion tokens of gpt: exactly 4,000,000
# nanodollars, so a budget of K calls is a whole number of dollars.
CALL = {"prompt_tokens": 1000, "tokens": 100}
CALL_NANODOLLARS = 1000 * 2500 + 100 * 15000
PROMPT = "word " * 800  # 4,000 bytes: the reserve's upper bound stays near


def hard(usd, **extra):
    return {"name": "cap", "match": {"key": "ci"}, "usd": world.Number(usd), "window": "month",
            "kind": "hard", **extra}


def race(stack, count, workers=32, **kwargs):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda i: stack.chat(PROMPT, model="gpt", max_tokens=100, **kwargs),
                             range(count)))


@pytest.mark.parametrize("calls", [1, 5, 20])
def test_race_never_overshoots(stack, calls):
    budget = calls * CALL_NANODOLLARS
    stack.start(config={"budgets": [hard(f"{budget / 1e9:.9f}")]}, script={"defaults": CALL})
    answers = race(stack, 60)
    admitted = [a for a in answers if a[0] == 200]
    refused = [a for a in answers if a[0] != 200]
    spent = stack.settled_bill()["total"]["nanodollars"]
    assert spent <= budget, "overshoot"
    assert {a[0] for a in refused} <= {402, 503}, [a[2] for a in refused][:3]
    assert all(a[1]["x-should-retry"] == ("true" if a[0] == 503 else "false") for a in refused)
    codes = {a[2]["error"]["code"] for a in refused}
    assert codes <= {"budget_exceeded", "budget_busy"}
    assert len(admitted) <= calls
    # No false refusals for ever: what is left can be spent one after another.
    for _ in range(calls - len(admitted)):
        status = stack.chat("x", model="gpt", max_tokens=20)[0]
        if status != 200:
            break
    assert stack.settled_bill()["total"]["nanodollars"] <= budget


def test_settled_spend_alone_is_402(stack):
    stack.start(config={"budgets": [hard("0.004")]}, script={"defaults": CALL})
    assert stack.chat("short", model="gpt", max_tokens=100)[0] == 200
    status, fields, answer = stack.chat("short", model="gpt", max_tokens=100)
    assert (status, answer["error"]["code"]) == (402, "budget_exceeded")
    assert answer["error"]["type"] == "insufficient_quota"
    message = answer["error"]["message"]
    assert message.startswith("key 'ci' has spent $0.00"), message
    assert "of its $0.004 monthly budget; it resets on" in message, message
    assert fields["x-should-retry"] == "false"


def test_open_reservations_alone_never_say_402(stack):
    """While calls are under way they hold the budget: others wait 2 s, then 503, and are served
    once it is free."""
    stack.start(config={"budgets": [hard("0.012")]},
                script={"defaults": {**CALL, "delay_ms": 6000}})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first = pool.submit(stack.chat, PROMPT, model="gpt", max_tokens=100)
        end = time.monotonic() + 5
        while stack.upstream.stats()["open"] < 1 and time.monotonic() < end:
            time.sleep(0.01)
        begin = time.monotonic()
        status, fields, answer = stack.chat(PROMPT, model="gpt", max_tokens=100)
        assert (status, answer["error"]["code"]) == (503, "budget_busy"), answer
        assert time.monotonic() - begin > 1.9, "it waits before it refuses"
        assert fields["x-should-retry"] == "true" and int(fields["retry-after"]) >= 1
        waited = pool.submit(stack.chat, "short", model="gpt", max_tokens=100)
        assert first.result()[0] == 200
        assert waited.result()[0] == 200


def test_budget_survives_a_restart(stack):
    stack.start(config={"budgets": [hard("0.008")]}, script={"defaults": CALL})
    statuses = [stack.chat(PROMPT, model="gpt", max_tokens=100)[0] for _ in range(3)]
    before = stack.settled_bill()["total"]["nanodollars"]
    assert stack.gateway.stop() == 0
    stack.start()
    statuses += [stack.chat(PROMPT, model="gpt", max_tokens=100)[0] for _ in range(3)]
    after = stack.settled_bill()["total"]["nanodollars"]
    assert before <= after <= 8_000_000 and statuses[-1] == 402


@pytest.mark.estimated
@pytest.mark.parametrize("then", ["reload", "restart"])
def test_an_answer_of_unknown_price_keeps_its_reserve(stack, then):
    """Served in a mode that no price row has: the budget counts the reserve, then and later."""
    stack.start(config={"budgets": [{"name": "ci-day", "match": {"key": "ci"},
                                     "usd": world.Number("0.01"), "window": "day",
                                     "kind": "hard"}]},
                script={"models": {world.GPT.model: {"service_tier": "flex"}}})
    status, headers, answer = stack.chat(model="gpt", max_tokens=500)
    assert status == 200 and "x-jevons-cost-usd" not in headers, answer

    def spent():
        (budget,) = json.loads(stack.gateway.admin("/admin/v1/budgets")[2])["budgets"]
        return budget["spent_nanodollars"]

    before = spent()
    assert before > 7_000_000, "500 tokens were reserved at 15 dollars a million"
    if then == "reload":
        assert stack.gateway.admin("/admin/v1/reload", method="POST")[0] == 200
    else:
        assert stack.gateway.stop() == 0
        stack.start()
    assert spent() == before
    assert stack.chat(model="gpt", max_tokens=500)[0] in (200, 402)


def test_soft_budget_only_alerts(stack):
    stack.start(config={"budgets": [hard("0.000001", kind="soft", alert_at=[0.5, 1.0])]},
                script={"defaults": CALL})
    assert [stack.chat(PROMPT, model="gpt", max_tokens=100)[0] for _ in range(3)] == [200] * 3


class Webhook(http.server.BaseHTTPRequestHandler):
    """Fails once, so that a second try is seen as well."""
    taken, failures = [], 1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        fails, Webhook.failures = Webhook.failures > 0, Webhook.failures - 1
        if not fails:
            Webhook.taken.append((self.path, self.headers["content-type"], json.loads(body)))
        self.send_response(500 if fails else 204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_budget_calls_its_webhook_and_logs_once_a_share(stack):
    server = http.server.HTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hook?token=secret"
    soft = {"name": "watch", "match": {"key": "ci"}, "usd": world.Number("0.00001"),
            "window": "day", "kind": "soft"}
    stack.start(config={"budgets": [{**soft, "alert_at": [world.Number("0.5"), world.Number("1")],
                                     "webhook": url}, {**soft, "name": "plain"}]},
                script={"defaults": CALL})
    for _ in range(3):
        assert stack.chat(PROMPT, model="gpt", max_tokens=100)[0] == 200
    end = time.monotonic() + 8
    while len(Webhook.taken) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert [(path, kind, body["share"]) for path, kind, body in Webhook.taken] == [
        ("/hook?token=secret", "application/json", 0.5),
        ("/hook?token=secret", "application/json", 1)]
    body = Webhook.taken[0][2]
    assert (body["event"], body["budget"], body["scope"], body["kind"], body["window"]) == (
        "budget_alert", "watch", "key ci", "soft", "day")
    assert body["limit_usd"] == 0.00001 and body["spent_usd"] >= 0.00001
    assert body["from"].endswith("T00:00:00Z") and body["until"] > body["from"]
    stack.gateway.stop()
    server.shutdown()
    alerts = [json.loads(line) for line in stack.gateway.stderr().splitlines()
              if '"budget_alert"' in line]
    assert [(a["budget"], a["share"]) for a in alerts] == [
        ("watch", "0.5"), ("watch", "1"), ("plain", "1")]
    assert "token=secret" not in stack.gateway.stderr()


def test_budget_per_tag_and_session(stack):
    stack.start(config={"budgets": [{"name": "runs", "match": {"key": "ci"}, "per": "session",
                                     "usd": world.Number("0.016"), "window": "day",
                                     "kind": "hard"}]}, script={"defaults": CALL})
    # The prompt's upper bound and 64 tokens of answer need $0.011: 16 and 12 are enough, 8 not.
    for session in ("a", "b"):
        codes = [stack.chat(PROMPT, model="gpt", max_tokens=100,
                            headers={"x-jevons-session": session})[0] for _ in range(3)]
        assert codes == [200, 200, 402]


def test_request_that_no_window_could_pay_says_so(stack):
    stack.start(config={"budgets": [hard("0.006")]}, script={"defaults": CALL})
    status, fields, answer = stack.chat(PROMPT, model="gpt", max_tokens=100)
    assert (status, fields["x-should-retry"]) == (402, "false")
    message = answer["error"]["message"]
    assert message.startswith("even a short answer to this request may cost $0.011"), message
    assert message.endswith("more than the whole $0.006 monthly budget of key 'ci'; send a shorter "
                            "prompt"), message


def test_auto_falls_to_what_the_budget_affords(stack):
    """A premium answer is no longer affordable, a cheap one is."""
    policy = {**world.POLICY, "objective": "best", "quality": {"floor": 0.0,
                                                              "relative_to": "best"}}
    stack.start(policies=[policy], config={"budgets": [hard("0.0045")]},
                script={"defaults": CALL})
    targets = []
    for _ in range(4):
        status, fields, answer = stack.chat(PROMPT, max_tokens=100)
        assert status == 200, answer
        targets.append(fields["x-jevons-target"])
    assert targets[-1] not in ("gpt", "sonnet")


def test_every_way_to_end_releases_its_reserve(stack):
    stack.start(config={"budgets": [hard("0.02")]}, script={"defaults": CALL})
    for behaviour in ({"status": 400}, {"status": 401}, {"status": 429}, {"status": 500}):
        for _ in range(8):
            stack.upstream.queue(times=3, model="gpt-5.4", **behaviour)
            stack.chat(PROMPT, model="gpt", max_tokens=100)
            stack.upstream.script(reset=True, defaults=CALL)
    wait_until_served(stack)


def wait_until_served(stack):
    import time
    end = time.monotonic() + 40  # a breaker may be open for a while
    while True:
        status, _, answer = stack.chat(PROMPT, model="gpt", max_tokens=100)
        if status == 200:
            return
        assert status != 402, answer
        assert time.monotonic() < end, answer
        time.sleep(0.5)


def test_rate_limit_names_itself(stack):
    stack.configure(with_key=False)
    stack.key = stack.create_key("ci")
    listed = processes.cli(stack.config, "keys", "list", "--json", env=stack.env())
    assert "ci" in listed.stdout and stack.key not in listed.stdout
    document = json.loads(processes.cli(stack.config, "keys", "create", "slow", "--json",
                                        env=stack.env()).stdout)
    import yaml
    text = yaml.safe_load(stack.config.read_text())
    text["keys"] = [{"name": "few", "hash": document["hash"], "requests_per_minute": 3}]
    assert processes.cli(stack.config, "keys", "revoke", "slow", check=False,
                         env=stack.env()).returncode == 0
    world.save(stack.config, text)
    stack.start()
    stack.key = document["key"]
    answers = [stack.chat() for _ in range(5)]
    limited = [a for a in answers if a[0] == 429]
    if [a[0] for a in answers][0] == 401:
        pytest.fail("a key in jevons.yaml must work though one of that id was revoked by name")
    assert len(limited) == 2
    status, fields, answer = limited[0]
    assert answer["error"]["code"] == "rate_limit_exceeded"
    assert answer["error"]["type"] == "requests"
    assert 0 < float(fields["retry-after"]) <= 60 and fields["x-should-retry"] == "true"
    assert fields["x-ratelimit-limit-requests"] == "3"
    assert fields["x-ratelimit-remaining-requests"] == "0"


def test_revoked_and_rotated_keys(started):
    old = started.key
    rotated = json.loads(started.gateway.cli("keys", "rotate", "ci", "--overlap", "24h",
                                             "--json").stdout)
    assert started.chat()[0] == 200
    started.key = rotated["key"]
    assert started.key != old and started.chat()[0] == 200
    started.gateway.cli("keys", "revoke", "ci")
    assert started.chat()[0] == 401


def test_require_tags_and_header_tags(stack):
    stack.configure(with_key=False)
    document = json.loads(processes.cli(stack.config, "keys", "create", "x", "--json",
                                        env=stack.env()).stdout)
    import yaml
    text = yaml.safe_load(stack.config.read_text())
    text["keys"] = [{"name": "tagged", "hash": document["hash"], "tags": {"team": "search"},
                     "require_tags": ["env"], "models": ["small", "local-*"]}]
    processes.cli(stack.config, "keys", "revoke", "x", env=stack.env())
    world.save(stack.config, text)
    stack.start()
    stack.key = document["key"]
    status, _, answer = stack.chat(model="small")
    assert (status, answer["error"]["code"]) == (403, "missing_tag")
    tags = {"x-jevons-tags": "env=prod,team=evil"}
    assert stack.chat(model="small", headers=tags)[0] == 200
    status, _, answer = stack.chat(model="gpt", headers=tags)
    assert (status, answer["error"]["code"]) == (403, "model_not_allowed")
    stack.gateway.stop()
    (row,) = stack.rows("v1_requests", "outcome = 'ok'")
    assert json.loads(row["tags"]) == {"team": "search", "env": "prod"}
