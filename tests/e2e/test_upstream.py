"""The judge is judged first: the scripted upstream's formats, bill and faults."""

import json
import socket

import pytest

from support import processes, raw_http, world


@pytest.fixture
def upstream(tmp_path):
    with processes.Upstream({}, world.upstream_prices(), tmp_path) as one:
        yield one


def ask(upstream, body, path="/v1/chat/completions", headers=None):
    status, fields, text = processes.get(upstream.port, path, "POST", json.dumps(body),
                                         {"anthropic-version": "2023-06-01", **(headers or {})})
    return status, fields, text


CHAT = {"model": "gpt-5.4", "messages": [{"role": "user", "content": "hello"}]}


def test_bill_rounds_up_once_a_call(upstream):
    # 1 token at 2.5 $/M is 2,500,000 picodollars = 2,500 nanodollars; gpt-oss at 0.03 is 30.
    upstream.script(models={"gpt-5.4": {"prompt_tokens": 7, "tokens": 3, "cached_tokens": 2}})
    ask(upstream, CHAT)
    bill = upstream.bill()
    assert bill["total"]["nanodollars"] == 5 * 2500 + 2 * 250 + 3 * 15000
    assert bill["calls"][0]["tokens"] == {"uncached": 5, "cached": 2, "cache_write_5m": 0,
                                          "cache_write_1h": 0, "completion": 3, "reasoning": 0}


def test_fraction_of_a_nanodollar_is_rounded_up(tmp_path):
    with processes.Upstream({}, {"m": {"input": 1, "output": 333}}, tmp_path) as upstream:
        upstream.script(defaults={"prompt_tokens": 1, "tokens": 3})
        ask(upstream, {**CHAT, "model": "m"})
        ask(upstream, {**CHAT, "model": "m"})
        assert [c["nanodollars"] for c in upstream.bill()["calls"]] == [1, 1]


def test_errors_are_free_and_cut_streams_cost_what_was_sent(upstream):
    upstream.queue(status=500)
    upstream.queue(fault="fin", after_chunks=4, prompt_tokens=10, tokens=50)
    assert ask(upstream, CHAT)[0] == 500
    cut = ask(upstream, {**CHAT, "stream": True})[2]
    assert cut.count("data: ") == 4 and "[DONE]" not in cut and "finish_reason\":\"" not in cut
    calls = upstream.bill()["calls"]
    assert [(c["state"], c["nanodollars"]) for c in calls] == [
        ("refused", 0), ("cut", 10 * 2500 + 3 * 15000)]


def test_anthropic_stream_has_the_order_of_events(upstream):
    body = {"model": "claude-sonnet-4-6", "max_tokens": 50, "stream": True,
            "messages": CHAT["messages"]}
    upstream.script(models={body["model"]: {"tokens": 2, "reasoning_tokens": 1}})
    text = ask(upstream, body, "/v1/messages")[2]
    names = [line[7:] for line in text.split("\n") if line.startswith("event: ")]
    assert names == ["message_start", "ping", "content_block_start", "content_block_delta",
                     "content_block_delta", "content_block_stop", "content_block_start",
                     "content_block_delta", "content_block_delta", "content_block_stop",
                     "message_delta", "message_stop"]


def test_gemini_counts_thoughts_beside_candidates(upstream):
    upstream.script(defaults={"prompt_tokens": 9, "cached_tokens": 4, "tokens": 3,
                              "reasoning_tokens": 5})
    text = ask(upstream, {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
               "/v1beta/models/gemini-2.5-flash-lite:generateContent")[2]
    usage = json.loads(text)["usageMetadata"]
    assert (usage["promptTokenCount"], usage["cachedContentTokenCount"],
            usage["candidatesTokenCount"], usage["thoughtsTokenCount"],
            usage["totalTokenCount"]) == (9, 4, 3, 5, 17)
    # 5 x 100 + 4 x 10 + 8 x 400 nanodollars
    assert upstream.bill()["total"]["nanodollars"] == 5 * 100 + 4 * 10 + 8 * 400


def test_recorded_length_follows_the_prompt(upstream):
    from support import money
    upstream.script(lengths={money.fnv1a_hex("hello"): {"prompt": 77, "completion": 12}})
    usage = json.loads(ask(upstream, CHAT)[2])["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (77, 12)


def test_drop_on_a_reused_connection_only(upstream):
    upstream.queue(drop="reused")
    upstream.queue(drop="reused")
    body = json.dumps(CHAT).encode()
    post = b"POST /v1/chat/completions HTTP/1.1\r\nHost: u\r\nContent-Length: %d\r\n\r\n" % len(
        body) + body
    with socket.create_connection(("127.0.0.1", upstream.port), timeout=5) as s:
        s.sendall(post)
        assert raw_http.receive(s, until=b'"usage"')[0].startswith(b"HTTP/1.1 200")
        s.sendall(post)
        assert raw_http.receive(s) == (b"", True)
    assert [c["state"] for c in upstream.bill()["calls"]] == ["done", "dropped"]


def test_requests_are_kept_verbatim(upstream):
    ask(upstream, CHAT, headers={"X-Odd-Case": "1"})
    kept = upstream.requests()[0]
    assert ["X-Odd-Case", "1"] in kept["headers"]
    assert json.loads(kept["body"]) == CHAT


def test_a_typo_in_a_script_is_refused(upstream):
    with pytest.raises(ValueError, match="unknown behaviour field 'token'"):
        upstream.queue(token=3)


QUIRKS = [
    ("deepseek", {"cached_tokens": 3}, lambda u: (u["prompt_cache_hit_tokens"],
                                                  u["prompt_cache_miss_tokens"]) == (3, 7)),
    ("xai", {"reasoning_tokens": 6}, lambda u: (u["completion_tokens"], u["total_tokens"])
     == (4, 20)),
    ("mistral", {"cached_tokens": 3}, lambda u: u["num_cached_tokens"] == 3),
    ("moonshot", {"cached_tokens": 3}, lambda u: u["cached_tokens"] == 3),
    ("ollama", {}, lambda u: sorted(u) == ["completion_tokens", "prompt_tokens", "total_tokens"]),
    ("openrouter", {}, lambda u: u["cost"] == 0.000085),
]


@pytest.mark.parametrize("quirk,extra,holds", QUIRKS, ids=[q[0] for q in QUIRKS])
def test_usage_quirks(upstream, quirk, extra, holds):
    upstream.queue(quirk=quirk, prompt_tokens=10, tokens=4, **extra)
    assert holds(json.loads(ask(upstream, CHAT)[2])["usage"])


def test_groq_puts_stream_usage_elsewhere(upstream):
    upstream.queue(quirk="groq", prompt_tokens=10, tokens=2)
    text = ask(upstream, {**CHAT, "stream": True})[2]
    chunks = [json.loads(line[6:]) for line in text.split("\n")
              if line.startswith("data: {")]
    assert [c["x_groq"]["usage"]["total_tokens"] for c in chunks if "x_groq" in c] == [12]


def test_tool_call_follows_the_schema(upstream):
    tool = {"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}}
    text = ask(upstream, {**CHAT, "tools": [tool], "tool_choice": "required"})[2]
    call = json.loads(text)["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "weather"
    assert json.loads(call["arguments"]) == {"city": "Paris", "days": 7}
