"""A real model inside the gateway: SmolLM2-135M-Instruct, fetched by tests/run into build/."""

import hashlib
import http.server
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import jsonschema
import openai
import pytest

from support import ledger, local_model, processes
from support.local_model import MODEL

NODE = pathlib.Path(__file__).resolve().parent / "node"
SKY = [{"role": "user", "content": "Explain in two sentences why the sky is blue."}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    one = processes.Gateway(local_model.configure(folder))
    yield one
    assert one.stop() == 0, one.stderr()
    assert_books(folder)


def assert_books(folder):
    """Every attempt is settled, and each that answered has a price."""
    rows = ledger.rows(folder)
    assert rows
    assert {row["state"] for row in rows} <= {"settled", "voided"}
    assert all(row["cost_nanodollars"] > 0 for row in rows if row["outcome"] == "ok")


@pytest.fixture
def client(gateway):
    return openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0, timeout=60)


def metrics(gateway):
    text = gateway.admin("/metrics")[2]
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if line.startswith("jevons_engine_")}


def wait_idle(gateway):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        seen = metrics(gateway)
        if seen['jevons_engine_running_requests{model="smollm2"}'] + seen[
                'jevons_engine_waiting_requests{model="smollm2"}'] == 0:
            return seen
        time.sleep(0.05)
    raise AssertionError("the engine did not become idle")


def spent(gateway):
    return json.loads(gateway.cli("spend", "--json", "--since", "7d").stdout)["total"]


def test_stream_through_the_python_sdk_with_its_price(gateway, client):
    before = spent(gateway)["cost_nanodollars"]
    began = time.monotonic()
    chunks = list(client.chat.completions.create(
        model="auto", messages=SKY, temperature=0, max_tokens=80, stream=True,
        stream_options={"include_usage": True}))
    took_ms = (time.monotonic() - began) * 1e3
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert "scatter" in text
    assert len(chunks) > 20, "token by token, not in one piece"
    last = chunks[-1]
    assert last.model == "smollm2"
    assert last.usage.completion_tokens >= 40
    cost = last.model_extra["x_jevons"]
    assert cost["target"] == "smollm2"
    # A microdollar a millisecond of engine time: never more than the wall clock saw.
    assert 0 < cost["cost_usd"] * 1e6 <= took_ms
    end = time.monotonic() + 3
    while spent(gateway)["cost_nanodollars"] == before and time.monotonic() < end:
        time.sleep(0.05)
    assert spent(gateway)["cost_nanodollars"] - before == round(cost["cost_usd"] * 1e9)


def test_stream_through_the_node_sdk(gateway):
    done = subprocess.run(["node", "local.mjs"], cwd=NODE, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "OPENAI_API_KEY": "none",
                                            "OPENAI_BASE_URL": gateway.url + "/v1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["x_jevons"]["target"] == "smollm2"


def test_json_schema_holds(client):
    schema = {"type": "object", "properties": {
        "city": {"type": "string", "maxLength": 40}, "people": {"type": "integer"},
        "kind": {"enum": ["town", "city"]}}, "required": ["city", "people", "kind"],
        "additionalProperties": False}
    for seed in range(4):
        answer = client.chat.completions.create(
            model="auto", seed=seed, max_tokens=150,
            messages=[{"role": "user", "content": "Describe Paris in JSON."}],
            response_format={"type": "json_schema", "json_schema": {
                "name": "place", "schema": schema, "strict": True}})
        assert answer.choices[0].finish_reason == "stop"
        jsonschema.validate(json.loads(answer.choices[0].message.content), schema)


def test_a_tool_that_must_be_called_is_called(client):
    tool = {"type": "function", "function": {
        "name": "get_weather", "description": "Weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string",
                                                                 "maxLength": 30}},
                       "required": ["city"], "additionalProperties": False}}}
    answer = client.chat.completions.create(
        model="smollm2", temperature=0, max_tokens=100, tools=[tool], tool_choice="required",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}])
    assert answer.choices[0].finish_reason == "tool_calls"
    call = answer.choices[0].message.tool_calls[0]
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments)["city"]


def test_a_schema_we_cannot_hold_is_an_error_that_names_it(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="smollm2", messages=SKY, response_format={"type": "json_schema", "json_schema": {
                "name": "x", "schema": {"type": "object", "patternProperties": {"^a": {}}}}})
    assert "patternProperties" in str(refused.value)


def test_a_prompt_beyond_the_context(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="smollm2", messages=[{"role": "user", "content": "word " * 4000}])
    assert refused.value.code == "context_length_exceeded"


def test_cancelling_frees_the_engine(gateway, client):
    stream = client.chat.completions.create(
        model="smollm2", messages=[{"role": "user", "content": "Write a very long story."}],
        max_tokens=1000, stream=True)
    next(iter(stream))
    stream.close()
    seen = wait_idle(gateway)
    assert seen['jevons_engine_kv_cache_usage_ratio{model="smollm2"}'] == 0
    assert seen['jevons_engine_generated_tokens_total{model="smollm2"}'] > 0


def test_time_spent_on_a_whole_answer_that_came_too_late_is_paid_for(gateway):
    before = spent(gateway)["cost_nanodollars"]
    status, _, answer = gateway.post(
        {"model": "smollm2", "max_tokens": 1000,
         "messages": [{"role": "user", "content": "Write a very long story about a ship."}]},
        headers={"x-stainless-read-timeout": "1"})
    assert (status, answer["error"]["code"]) == (504, "deadline_exceeded"), answer
    wait_idle(gateway)
    # A microdollar a millisecond, of nearly a second that the engine had to itself.
    assert spent(gateway)["cost_nanodollars"] - before > 300_000


def test_what_a_crash_interrupted_is_estimated_at_what_was_expected(tmp_path):
    config = local_model.configure(tmp_path)
    first = processes.Gateway(config)
    body = {"model": "smollm2", "max_tokens": 1000,
            "messages": [{"role": "user", "content": "Write a very long story about a ship."}]}
    stream = first.begin_stream(body)
    first.stop(signal.SIGKILL)
    second = processes.Gateway(config)
    assert second.stop() == 0
    stream.close()
    (row,) = ledger.rows(tmp_path)
    assert row["state"] == "orphaned"
    assert 0 < row["cost_nanodollars"] == row["estimated_nanodollars"]
    assert row["estimated_nanodollars"] <= row["reserved_nanodollars"]


def test_a_full_queue_is_an_honest_503(gateway):
    """2 run, 64 wait; the rest are told when to come back, and may be retried."""
    body = {"model": "smollm2", "max_tokens": 400,
            "messages": [{"role": "user", "content": "Write a very long story about a ship."}]}
    answers = []

    def attempt():
        try:
            answers.append(gateway.post(body, timeout=4))
        except OSError:
            pass  # still waiting for its turn when the test had seen enough

    threads = [threading.Thread(target=attempt) for _ in range(90)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [a for a in answers if a[0] == 503]
    full = [a for a in refused if "queue is full" in a[2]["error"]["message"]]
    assert full, sorted({(a[0], a[2]["error"]["message"]) for a in answers if a[0] != 200})
    for _, headers, answer in full:
        assert 1 <= int(headers["retry-after"]) <= 60, answer
    # However many are refused, the target is not taken for a broken one.
    for _, headers, answer in refused:
        assert answer["error"]["code"] == "overloaded", answer
        assert headers["x-should-retry"] == "true"
    wait_idle(gateway)


class Files(http.server.BaseHTTPRequestHandler):
    """One file with an ETag and ranges; `cut` bytes into the first answer the connection ends."""

    def do_GET(self):
        content, server = self.server.content, self.server
        begin = 0
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == server.etag:
            begin = int(wanted[len("bytes="):-1])
        server.ranges.append(begin)
        self.send_response(206 if begin else 200)
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        body = content[begin:]
        if server.cut:
            body, server.cut = body[:server.cut], 0
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def files():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    server.content, server.etag, server.cut, server.ranges = MODEL.read_bytes(), '"one"', 0, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def model_command(*arguments):
    return subprocess.run([str(processes.BUILD / "jevons"), "model", *map(str, arguments)],
                          capture_output=True, text=True, timeout=120)


def test_pull_goes_on_where_it_stopped_and_checks_the_digest(files, tmp_path):
    digest = hashlib.sha256(files.content).hexdigest()
    url = f"http://127.0.0.1:{files.server_port}/some/model.gguf?x=1"
    files.cut = 5_000_000
    first = model_command("pull", url, "--to", tmp_path, "--sha256", digest)
    assert first.returncode == 1
    assert "the same command goes on from there" in first.stderr
    assert not (tmp_path / "model.gguf").exists()
    kept = (tmp_path / "model.gguf.part").stat().st_size
    assert 0 < kept <= 5_000_000
    second = model_command("pull", url, "--to", tmp_path, "--sha256", digest, "--json")
    assert second.returncode == 0, second.stderr
    assert files.ranges == [0, kept]
    assert json.loads(second.stdout) == {"path": str(tmp_path / "model.gguf"),
                                         "bytes": len(files.content), "sha256": digest}
    assert (tmp_path / "model.gguf").read_bytes() == files.content
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.gguf"]
    again = model_command("pull", url, "--to", tmp_path)
    assert again.returncode == 1 and "exists; --force replaces it" in again.stderr


def test_pull_starts_again_when_the_file_has_changed(files, tmp_path):
    url = f"http://127.0.0.1:{files.server_port}/model.gguf"
    files.cut = 1_000_000
    assert model_command("pull", url, "--to", tmp_path).returncode == 1
    files.etag = '"two"'
    assert model_command("pull", url, "--to", tmp_path).returncode == 0
    assert files.ranges == [0, 0]
    assert (tmp_path / "model.gguf").read_bytes() == files.content


@pytest.mark.parametrize("arguments, message", [
    (("http://example.com/m.gguf",), "plain http can be changed on its way"),
    (("ftp://example.com/m.gguf",), "neither http, https nor a file"),
    (("/nonexistent.gguf",), "cannot read /nonexistent.gguf"),
    (("https://example.com/m.gguf", "--sha256", "abc"), "--sha256 takes 64 hexadecimal digits"),
])
def test_pull_refuses(arguments, message, tmp_path):
    done = model_command("pull", *arguments, "--to", tmp_path)
    assert done.returncode == 1 and message in done.stderr, done.stderr


def test_pull_keeps_nothing_that_is_not_a_model_or_has_another_digest(tmp_path):
    text = tmp_path / "text.gguf"
    text.write_text("no model")
    done = model_command("pull", text, "--to", tmp_path / "models")
    assert done.returncode == 1 and "it was removed" in done.stderr
    done = model_command("pull", MODEL, "--to", tmp_path / "models", "--sha256", "0" * 64)
    assert done.returncode == 1 and "not the one asked for" in done.stderr
    assert list((tmp_path / "models").iterdir()) == []


def test_info_and_bench():
    info = json.loads(model_command("info", MODEL, "--json").stdout)
    assert info["architecture"] == "llama" and info["layers"] == 30
    assert info["quantisation"] == "Q4_1" and info["parameters"] == 134_515_008
    assert "chat template" in model_command("info", MODEL).stdout
    bench = json.loads(model_command("bench", MODEL, "--prompt", "64", "--generate", "16",
                                     "--together", "2", "--runs", "1", "--usd-per-hour", "0.1",
                                     "--json").stdout)
    assert bench["decode_tokens_per_second"] > 1 and bench["prefill_tokens_per_second"] > 1
    assert bench["usd_per_million_tokens_alone"] > 0
    done = model_command("info", "/nonexistent.gguf")
    assert done.returncode == 1 and "/nonexistent.gguf" in done.stderr
