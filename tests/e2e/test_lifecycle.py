"""Start, kill -9, drain, reload, TLS: the life of the process."""

import concurrent.futures
import http.client
import json
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from support import processes, world


def hammer(stack, stop, results, stream_share=0.5, seed=1):
    chance = random.Random(seed)
    while not stop.is_set():
        try:
            if chance.random() < stream_share:
                status, _, events, _ = stack.stream(f"q {chance.random()}", model="gpt")
                ok = status == 200 and events[-1:] == ["[DONE]"]
            else:
                status, _, _ = stack.chat(f"q {chance.random()}", model="gpt")
                ok = status == 200
            results.append((status, ok))
        except OSError:
            results.append((0, False))


@pytest.mark.no_books
def test_kill_9_under_load_loses_nothing(stack):
    """Short form of F1: every POST the upstream saw is one row, and a restart resolves the rest."""
    stack.start(script={"defaults": {"tokens": 20, "chunk_ms": 1, "prompt_tokens": 50}})
    chance = random.Random(7)
    for round_ in range(8):
        stop, results = threading.Event(), []
        threads = [threading.Thread(target=hammer, args=(stack, stop, results, 0.5, i))
                   for i in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(chance.uniform(0.05, 0.5))
        stack.gateway.stop(signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join()
        begin = time.monotonic()
        stack.start()
        assert time.monotonic() - begin < 2, "orphans are resolved at start, quickly"
    assert stack.gateway.stop() == 0
    bill = stack.settled_bill()
    rows = stack.rows()
    assert [r for r in rows if r["state"] == "open"] == []
    # An intent may be durable and its POST never sent; a POST without a row must not exist.
    assert len(rows) >= bill["total"]["calls"]
    orphans = [r for r in rows if r["state"] == "orphaned"]
    assert len(rows) - bill["total"]["calls"] <= len(orphans)
    assert all(r["cost_nanodollars"] >= 0 for r in rows)
    settled = sorted(r["cost_nanodollars"] for r in rows
                     if r["state"] == "settled" and r["outcome"] == "ok")
    done = sorted(c["nanodollars"] for c in bill["calls"] if c["state"] == "done")
    assert len(settled) <= len(done) and set(settled) <= set(done)


def test_sigterm_finishes_open_streams(stack):
    stack.start(script={"defaults": {"tokens": 60, "chunk_ms": 10}})
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(stack.stream, f"q{i}", "gpt") for i in range(8)]
        end = time.monotonic() + 5
        while stack.upstream.stats()["open"] < 8 and time.monotonic() < end:
            time.sleep(0.01)
        assert stack.gateway.stop(signal.SIGTERM) == 0
        for stream in streams:
            status, _, events, text = stream.result()
            assert status == 200 and events[-1] == "[DONE]", text[-300:]


@pytest.mark.estimated
@pytest.mark.parametrize("how", ["limit", "second signal"])
def test_what_outlives_the_drain_is_told_and_settled(stack, how):
    """A stream longer than the wait for it ends with an error that says why, not as a crash would."""
    stack.configure(script={"defaults": {"tokens": 2_000, "chunk_ms": 25},
                            "models": {world.SMALL.model: {"delay_ms": 60_000}}})
    wait_ms = 300 if how == "limit" else 60_000
    stack.gateway = processes.Gateway(stack.config, arguments=["--drain-ms", str(wait_ms)])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        whole = pool.submit(stack.chat, model="small")
        messages = [{"role": "user", "content": "q"}]
        streams = [stack.gateway.begin_stream({"model": model, "messages": messages}, stack.headers)
                   for model in ("gpt", "sonnet")]
        while stack.upstream.stats()["open"] < 3:
            time.sleep(0.01)
        stack.gateway.child.send_signal(signal.SIGTERM)
        if how == "second signal":
            while stack.gateway.admin("/readyz")[0] == 200:
                time.sleep(0.01)
            stack.gateway.child.send_signal(signal.SIGTERM)
        for stream in streams:
            with pytest.raises(http.client.IncompleteRead) as cut:
                stream.read()
            last = cut.value.partial.decode().strip().split("\n\n")[-1].split("\n")[-1]
            assert json.loads(last[6:])["error"]["message"] == "the gateway is shutting down"
        status, headers, answer = whole.result()
        assert (status, headers["x-should-retry"]) == (503, "false"), answer
        assert answer["error"]["code"] == "overloaded"
        assert stack.gateway.child.wait(5) == 0
    rows = stack.rows()
    assert {row["state"] for row in rows} == {"settled"}
    assert {row["ended_by"] for row in rows} == {"gateway"}
    assert sorted(row["outcome"] for row in rows) == ["cut", "cut", "gateway_error"]


def test_a_drain_leaves_the_admin_listener_open(stack):
    """Whoever watches sees the drain: the probe fails, metrics and reports are still there."""
    stack.start(script={"defaults": {"tokens": 40, "chunk_ms": 25}})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        stream = pool.submit(stack.stream, "q", "gpt")
        end = time.monotonic() + 5
        while stack.upstream.stats()["open"] < 1 and time.monotonic() < end:
            time.sleep(0.01)
        stack.gateway.child.send_signal(signal.SIGTERM)
        end = time.monotonic() + 5
        while stack.gateway.admin("/readyz")[0] == 200 and time.monotonic() < end:
            time.sleep(0.01)
        assert stack.gateway.admin("/readyz")[::2] == (503, "draining\n")
        assert "jevons_inflight_requests 1" in stack.gateway.admin("/metrics")[2]
        assert "attempts" in stack.spend("--by", "model")["total"]
        assert stream.result()[2][-1] == "[DONE]"
    assert stack.gateway.child.wait(10) == 0


def test_the_audit_has_every_change_of_configuration(stack):
    """Those made by a reload, and those made while no gateway ran."""
    stack.start()
    policy = {**world.POLICY, "objective": "best"}
    world.save(stack.folder / "gateway" / "default.yaml", policy)
    assert stack.gateway.admin("/admin/v1/reload", method="POST")[0] == 200
    assert stack.gateway.stop() == 0
    world.save(stack.folder / "gateway" / "default.yaml", world.POLICY)
    for _ in range(2):
        stack.start()
        rows = json.loads(stack.gateway.cli("audit", "--json").stdout)["rows"]
        stack.gateway.stop()
    assert [row["what"] for row in rows] == ["keys.create", "start", "reload", "start"], rows
    first, reload, second = rows[1:]
    assert (first["before"], reload["who"], second["who"]) == ("", "admin", "start")
    assert reload["before"] == first["after"] == second["after"] != reload["after"]
    assert second["before"] == reload["after"]


def test_reload_drops_no_request(stack):
    stack.start(script={"defaults": {"tokens": 10, "chunk_ms": 2}})
    stop, results = threading.Event(), []
    threads = [threading.Thread(target=hammer, args=(stack, stop, results, 0.5, i))
               for i in range(6)]
    for thread in threads:
        thread.start()
    for number in range(20):
        if number % 4 == 3:
            (stack.folder / "gateway" / "default.yaml").write_text("policy: [broken\n")
        else:
            world.save(stack.folder / "gateway" / "default.yaml", world.POLICY)
        stack.gateway.child.send_signal(signal.SIGHUP)
        time.sleep(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert len(results) > 20
    assert [r for r in results if not r[1]] == []
    # The last reload left a broken file behind; the gateway and the reports go on.
    done = stack.gateway.cli("spend", "--since", "7d")
    assert "default.yaml:2:1: ']' is missing" in done.stderr
    assert "warning: this configuration has errors; only its ledger" in done.stderr


def test_reload_takes_a_new_policy(stack):
    stack.start()
    assert stack.chat()[1]["x-jevons-target"] == "local-moe"
    policy = {**world.POLICY, "rules": [{"name": "home", "when": {"endpoint": "chat"},
                                         "only": {"target": "small"}}]}
    world.save(stack.folder / "gateway" / "default.yaml", policy)
    status, _, text = stack.gateway.admin("/admin/v1/reload", method="POST", body="{}",
                                          headers={"content-type": "application/json"})
    assert status == 200, text
    assert stack.chat()[1]["x-jevons-target"] == "small"
    (stack.folder / "gateway" / "default.yaml").write_text("policy: default\nserves: 7\n")
    status, _, text = stack.gateway.admin("/admin/v1/reload", method="POST", body="{}",
                                          headers={"content-type": "application/json"})
    assert status >= 400 and "default.yaml:2" in text
    assert stack.chat()[1]["x-jevons-target"] == "small", "a bad file keeps the old policy"


def test_addresses_stay_until_a_restart_and_the_rest_is_reloaded(stack):
    stack.start()
    text = stack.config.read_text()
    assert "127.0.0.1:0" in text
    stack.config.write_text(text.replace("127.0.0.1:0", "127.0.0.1:1", 1))
    status, _, text = stack.gateway.admin("/admin/v1/reload", method="POST", body="{}",
                                          headers={"content-type": "application/json"})
    assert status == 200, text
    assert stack.chat()[0] == 200
    assert "`listen.data` stays 127.0.0.1:0 until a restart, not 127.0.0.1:1" in \
        stack.gateway.stderr()


def test_probes_and_run_file(stack):
    stack.start()
    assert stack.gateway.admin("/livez")[0] == 200
    assert stack.gateway.admin("/readyz")[0] == 200
    run = stack.folder / "gateway" / "jevons.db.run"
    assert run.stat().st_mode & 0o777 == 0o600
    assert str(stack.gateway.pid) in run.read_text()
    stack.gateway.stop()
    assert not run.exists()


def test_second_gateway_on_one_ledger_is_refused(stack):
    stack.start()
    done = subprocess.run([str(processes.BUILD / "jevons"), "serve", "--config",
                           str(stack.config)], capture_output=True, text=True, timeout=20,
                          env={**__import__("os").environ, **stack.env()})
    assert done.returncode != 0 and "jevons.db" in done.stderr


def test_other_address_without_keys_is_a_config_error(stack):
    stack.configure(with_key=False, config={"listen": {"data": "0.0.0.0:0",
                                                       "admin": "127.0.0.1:0"}})
    with pytest.raises(RuntimeError, match=r"exit 4"):
        stack.start()


def test_keys_taken_out_of_the_file_open_no_door(stack):
    hash_ = "hmac-sha256:" + "0" * 64
    stack.start(with_key=False, config={"keys": [{"name": "ci", "hash": hash_}]})
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
    assert stack.gateway.post(body)[0] == 401
    assert stack.gateway.stop() == 0
    world.write(stack.folder / "gateway", stack.upstream.url)
    stack.gateway = processes.Gateway(stack.config)
    status, _, answer = stack.gateway.post(body)
    assert (status, answer["error"]["code"]) == (401, "invalid_api_key")


def test_anonymous_only_from_loopback_names(stack):
    stack.start(with_key=False)
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}]}
    assert stack.gateway.post(body)[0] == 200
    for headers in ({"host": "example.com"}, {"x-forwarded-for": "1.2.3.4"},
                    {"forwarded": "for=1.2.3.4"}, {"origin": "http://evil.example"},
                    {"content-type": "text/plain"}):
        status, _, _ = stack.gateway.post(body, headers=headers)
        assert status in (401, 403, 415), headers


@pytest.fixture
def certificate(tmp_path):
    def make(name):
        pair = (tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
                        str(pair[1]), "-out", str(pair[0]), "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True,
                       capture_output=True)
        return pair
    return make


def serial(port):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        with context.wrap_socket(s) as tls:
            assert tls.version() in ("TLSv1.2", "TLSv1.3")
            return tls.getpeercert(binary_form=True)


def test_tls_listener_and_renewal(stack, certificate):
    cert, key = certificate("first")
    folder = stack.folder / "gateway"
    folder.mkdir()
    shutil.copy(cert, folder / "server.crt")
    shutil.copy(key, folder / "server.key")
    stack.start(config={"tls": {"cert": "file:server.crt", "key": "file:server.key"}})
    body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "x"}]})
    done = subprocess.run(["curl", "-sS", "--cacert", str(cert), "-H", "content-type: "
                           "application/json", "-H", f"authorization: Bearer {stack.key}", "-d",
                           body, f"https://localhost:{stack.gateway.port}/v1/chat/completions",
                           "--resolve", f"localhost:{stack.gateway.port}:127.0.0.1"],
                          capture_output=True, text=True, timeout=20)
    assert json.loads(done.stdout)["choices"], done.stderr
    old = serial(stack.gateway.port)
    cert, key = certificate("second")
    shutil.copy(cert, folder / "server.crt")
    shutil.copy(key, folder / "server.key")
    stack.gateway.child.send_signal(signal.SIGHUP)
    end = time.monotonic() + 5
    while serial(stack.gateway.port) == old and time.monotonic() < end:
        time.sleep(0.05)
    assert serial(stack.gateway.port) != old
    (folder / "server.key").write_text("half a file")
    stack.gateway.child.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert serial(stack.gateway.port) != old, "a bad pair keeps the last good one"
    # The CLI speaks to the admin listener over TLS too; read the books from the stopped file.
    stack.gateway.stop()


def test_tls_upstream_is_verified(stack, certificate):
    cert, key = certificate("upstream")
    stack.upstream = processes.Upstream({}, world.upstream_prices(), stack.folder / "up",
                                        tls=(cert, key))
    policies = [{**world.POLICY, "baseline": "gpt"}]
    stack.config = world.write(stack.folder / "gateway", stack.upstream.url, (world.GPT,), policies)
    stack.key = stack.create_key("ci")
    stack.gateway = processes.Gateway(stack.config)
    status, _, answer = stack.chat(model="gpt")
    assert status == 502, answer
    stack.gateway.stop()
    world.write(stack.folder / "gateway", stack.upstream.url, (world.GPT,), policies,
                providers={"openai": {"ca": f"file:{cert}"}})
    stack.gateway = processes.Gateway(stack.config)
    status, _, answer = stack.chat(model="gpt")
    assert status == 200, answer
    stack.gateway.stop()
    stack.gateway = None
