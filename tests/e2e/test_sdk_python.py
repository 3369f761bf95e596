"""The official OpenAI SDK for Python, unchanged but for base URL and key."""

import json

import openai
import pytest

from support import money

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "Weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}},
                   "required": ["city"], "additionalProperties": False}}}


def client_of(stack, **kwargs):
    return openai.OpenAI(base_url=stack.gateway.url + "/v1", api_key=stack.key or "none",
                         **{"max_retries": 0, "timeout": 20, **kwargs})


@pytest.fixture
def client(started):
    return client_of(started)


def test_chat(started, client):
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=QUESTION)
    answer = raw.parse()
    assert answer.choices[0].message.content.startswith("the cost of each")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == 16
    bill = started.settled_bill()
    assert money.nanodollars_of_header(raw.headers["x-jevons-cost-usd"]) == bill["total"][
        "nanodollars"]
    assert raw.headers["x-jevons-target"] == "local-moe"
    assert raw.headers["x-jevons-attempts"] == "1"
    assert raw.headers["x-request-id"] == raw.headers["request-id"] == answer._request_id
    assert answer.model == "local-moe", "a local target goes by its own name"
    named = client.chat.completions.create(model="gpt", messages=QUESTION)
    assert named.model == started.settled_bill()["calls"][1]["model"] == "gpt-5.4"


def test_stream_with_usage(started, client):
    chunks = list(client.chat.completions.create(
        model="auto", messages=QUESTION, stream=True, stream_options={"include_usage": True}))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices).startswith(
        "the cost")
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    last = chunks[-1]
    assert last.choices == [] and last.usage.completion_tokens == 16
    cost = last.model_extra["x_jevons"]
    assert cost["target"] == "local-moe" and cost["attempts"] == 1
    assert round(cost["cost_usd"] * 1e9) == started.settled_bill()["total"]["nanodollars"]
    assert all(c.usage is None for c in chunks[:-1])
    assert len({(c.id, c.created, c.model) for c in chunks}) == 1


def test_stream_without_usage(started, client):
    chunks = list(client.chat.completions.create(model="auto", messages=QUESTION, stream=True))
    assert all(c.choices for c in chunks), "a client that did not ask gets no choices:[] chunk"
    assert all(c.usage is None for c in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert chunks[-1].model_extra["x_jevons"]["target"] == "local-moe"


@pytest.mark.parametrize("model", ["gpt", "small", "flash-lite", "sonnet", "local-moe"])
def test_tool_call_and_its_result(started, client, model):
    first = client.chat.completions.create(model=model, messages=QUESTION, tools=[WEATHER],
                                           tool_choice="required")
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    history = QUESTION + [first.choices[0].message.model_dump(exclude_none=True),
                          {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}]
    second = client.chat.completions.create(model=model, messages=history, tools=[WEATHER])
    assert second.choices[0].finish_reason == "stop"
    sent = json.loads(started.upstream.requests()[-1]["body"])
    assert "18 degrees" in json.dumps(sent)


@pytest.mark.parametrize("model", ["gpt", "small", "flash-lite", "sonnet", "local-moe"])
def test_streamed_tool_call(started, client, model):
    with client.chat.completions.stream(model=model, messages=QUESTION, tools=[WEATHER],
                                        tool_choice="required") as stream:
        final = stream.get_final_completion()
    call = final.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather", {"city": "Paris"})
    assert final.choices[0].finish_reason == "tool_calls"


def test_two_tool_calls_keep_their_order(started, client):
    started.upstream.queue(tool_calls=[{"name": "weather", "arguments": {"city": "Rome"}},
                                       {"name": "weather", "arguments": {"city": "Oslo"}}])
    with client.chat.completions.stream(model="gpt", messages=QUESTION, tools=[WEATHER]) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    assert [json.loads(c.function.arguments)["city"] for c in calls] == ["Rome", "Oslo"]
    assert len({c.id for c in calls}) == 2


@pytest.mark.parametrize("model", ["gpt", "flash-lite", "sonnet"])
def test_json_schema(started, client, model):
    schema = {"type": "object", "properties": {"name": {"type": "string"},
                                               "parts": {"type": "array",
                                                         "items": {"type": "integer"}}},
              "required": ["name", "parts"], "additionalProperties": False}
    answer = client.chat.completions.create(
        model=model, messages=QUESTION, response_format={
            "type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}})
    assert json.loads(answer.choices[0].message.content) == {"name": "Paris", "parts": [7]}


def test_pydantic_parse(started, client):
    from pydantic import BaseModel

    class City(BaseModel):
        name: str
        people: int

    answer = client.chat.completions.parse(model="gpt", messages=QUESTION, response_format=City)
    assert answer.choices[0].message.parsed == City(name="Paris", people=7)


def test_embeddings_in_both_encodings(started, client):
    by_default = client.embeddings.create(model="embed", input=["a", "b"], dimensions=4)
    plain = client.embeddings.create(model="embed", input=["a", "b"], dimensions=4,
                                     encoding_format="float")
    assert len(by_default.data) == 2
    assert [d.embedding for d in by_default.data] == [d.embedding for d in plain.data]
    assert by_default.data[0].embedding[0] == -0.5
    assert by_default.usage.prompt_tokens == by_default.usage.total_tokens > 0


def test_legacy_completions(started, client):
    answer = client.completions.create(model="gpt", prompt="Once upon a time", max_tokens=5)
    assert answer.choices[0].text == "the cost of each word"
    assert answer.choices[0].finish_reason == "length"
    text = "".join(c.choices[0].text for c in client.completions.create(
        model="gpt", prompt="Once upon a time", max_tokens=5, stream=True) if c.choices)
    assert text == "the cost of each word"


def test_models(started, client):
    ids = {m.id for m in client.models.list()}
    assert {"local-moe", "flash-lite", "small", "sonnet", "gpt", "embed", "auto"} <= ids
    assert client.models.retrieve("sonnet").id == "sonnet"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nothing")
    assert caught.value.code == "model_not_found"


def test_logprobs_and_n(started, client):
    answer = client.chat.completions.create(model="gpt", messages=QUESTION, n=2, logprobs=True,
                                            reasoning_effort="none")
    assert [c.index for c in answer.choices] == [0, 1]
    assert len(answer.choices[0].logprobs.content) == 16
    assert answer.usage.completion_tokens == 32


def test_parameters_a_model_refuses_are_dropped_and_named(started, client):
    raw = client.chat.completions.with_raw_response.create(model="gpt", messages=QUESTION,
                                                           temperature=0.2, logprobs=True)
    dropped = raw.headers["x-jevons-dropped-params"]
    assert "temperature" in dropped and "logprobs" in dropped
    sent = json.loads(started.upstream.requests()[-1]["body"])
    assert "temperature" not in sent and "logprobs" not in sent


def test_logprobs_of_a_pinned_model_that_has_none_are_dropped(started, client):
    raw = client.chat.completions.with_raw_response.create(
        model="sonnet", messages=QUESTION, logprobs=True, top_logprobs=2)
    assert raw.headers["x-jevons-target"] == "sonnet"
    assert "logprobs" in raw.headers["x-jevons-dropped-params"]
    assert raw.parse().choices[0].logprobs is None


def test_safety_identifier_keeps_its_name(started, client):
    def sent_to(model, **fields):
        raw = client.chat.completions.with_raw_response.create(model=model, messages=QUESTION,
                                                               **fields)
        return (json.loads(started.upstream.requests()[-1]["body"]),
                raw.headers.get("x-jevons-dropped-params", ""))
    sent, _ = sent_to("gpt", safety_identifier="s", user="u")
    assert (sent["safety_identifier"], sent["user"]) == ("s", "u")
    sent, dropped = sent_to("sonnet", safety_identifier="s")
    assert (sent["metadata"], dropped) == ({"user_id": "s"}, "")
    assert sent_to("flash-lite", safety_identifier="s")[1] == "safety_identifier"
    assert sent_to("small", safety_identifier="s")[1] == "safety_identifier"


def test_unknown_body_fields_pass_within_a_dialect(started, client):
    client.chat.completions.create(model="gpt", messages=QUESTION, seed=5, verbosity="low",
                                   extra_body={"brand_new_field": {"a": [1, 2]}})
    sent = json.loads(started.upstream.requests()[-1]["body"])
    assert sent["seed"] == 5 and sent["brand_new_field"] == {"a": [1, 2]}
    assert sent["model"] == "gpt-5.4"


ERRORS = [
    (400, openai.BadRequestError, "upstream_rejected", 400),
    (401, openai.APIStatusError, "upstream_auth", 502),
    (403, openai.APIStatusError, "upstream_auth", 502),
    (404, openai.APIStatusError, "upstream_auth", 502),
    (413, openai.APIStatusError, "upstream_rejected", 413),
    (422, openai.UnprocessableEntityError, "upstream_rejected", 422),
    (429, openai.InternalServerError, None, 503),
    (500, openai.InternalServerError, None, 503),
    (503, openai.InternalServerError, None, 503),
]


@pytest.mark.parametrize("status,kind,code,seen", ERRORS, ids=[str(e[0]) for e in ERRORS])
def test_error_classes(started, client, status, kind, code, seen):
    started.upstream.script(defaults={"status": status, "error_message": "word for word: 17"})
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="gpt", messages=QUESTION)
    error = caught.value
    assert error.status_code == seen
    if code:
        assert error.code == code
    if status in (400, 413, 422):
        assert "word for word: 17" in error.message
    assert error.body["message"] and "type" in error.body and "param" in error.body
    assert error.response.headers["x-should-retry"] in ("true", "false")
    assert error.response.json()["request_id"] == error.response.headers["x-request-id"]


def test_wrong_key(started):
    with pytest.raises(openai.AuthenticationError) as caught:
        client_of(started).with_options(api_key="jv-nobody-" + "x" * 43).models.list()
    assert caught.value.code == "invalid_api_key"


def test_unknown_model(started, client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nothing", messages=QUESTION)
    assert caught.value.code == "model_not_found"


def test_gateway_retries_a_free_failure(started, client):
    started.upstream.queue(status=503)
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=QUESTION)
    assert raw.parse().choices[0].finish_reason == "stop"
    assert raw.headers["x-jevons-attempts"] == "2"
    assert [c["state"] for c in started.settled_bill()["calls"]] == ["refused", "done"]


def test_sdk_retries_on_our_advice(started):
    started.upstream.script(defaults={"status": 503, "headers": {"retry-after": "0"}})
    with pytest.raises(openai.InternalServerError) as caught:
        client_of(started, max_retries=1).chat.completions.create(model="gpt", messages=QUESTION)
    assert caught.value.response.headers["x-should-retry"] == "true"
    assert caught.value.request.headers["x-stainless-retry-count"] == "1"


@pytest.mark.estimated
def test_cancelled_stream(started, client):
    started.upstream.script(defaults={"tokens": 400, "chunk_ms": 10})
    stream = client.chat.completions.create(model="gpt", messages=QUESTION, stream=True)
    for number, _ in enumerate(stream):
        if number == 5:
            break
    stream.close()
    assert started.settled_bill(seconds=3)["open"] == 0, "the upstream call is cancelled too"
    assert [c["state"] for c in started.upstream.bill()["calls"]] == ["cancelled"]


@pytest.mark.estimated
def test_error_event_after_the_commit(started, client):
    started.upstream.script(defaults={"tokens": 50, "fault": "rst", "after_chunks": 10})
    with pytest.raises(openai.APIError) as caught:
        for _ in client.chat.completions.create(model="gpt", messages=QUESTION, stream=True):
            pass
    assert "connection" not in type(caught.value).__name__.lower(), "an error event, not a cut"


def test_async_client(started):
    import asyncio

    async def many():
        async with openai.AsyncOpenAI(base_url=started.gateway.url + "/v1", api_key=started.key,
                                      max_retries=0) as client:
            return await asyncio.gather(*[client.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": f"question {i}"}])
                for i in range(20)])
    answers = asyncio.run(many())
    assert len({a.id for a in answers}) == 20
