"""Idempotency-Key over HTTP: one bill a key, whatever the client does."""

import http.client
import json
import threading
import time

BODY = {"model": "gpt", "messages": [{"role": "user", "content": "What is the capital of France?"}]}


def key(name):
    return {"idempotency-key": name}


def test_the_same_request_is_answered_once_and_repeated(started):
    first = started.post(BODY, headers=key("k1"))
    again = started.post(BODY, headers=key("k1"))
    assert first[0] == again[0] == 200
    assert again[2] == first[2]
    assert again[1]["x-request-id"] == first[1]["x-request-id"]
    assert again[1]["x-jevons-cost-usd"] == first[1]["x-jevons-cost-usd"]
    assert again[1]["x-jevons-replayed"] == "true" and "x-jevons-replayed" not in first[1]
    status, fields, answer = started.post({**BODY, "temperature": 0.5}, headers=key("k1"))
    assert (status, answer["error"]["code"]) == (422, "idempotency_conflict"), answer
    assert fields["x-should-retry"] == "false"
    assert started.upstream.bill()["total"]["calls"] == 1


def test_the_same_key_of_another_tenant_is_its_own(started):
    started.post(BODY, headers=key("k1"))
    other = started.create_key("other")
    _, fields, _ = started.post(BODY, headers={**key("k1"), "authorization": f"Bearer {other}"})
    assert "x-jevons-replayed" not in fields
    assert started.settled_bill()["total"]["calls"] == 2


def test_while_the_first_runs_the_second_is_told_to_come_back(stack):
    stack.start(script={"defaults": {"delay_ms": 600}})
    answers = []
    first = threading.Thread(target=lambda: answers.append(stack.post(BODY, headers=key("k1"))))
    first.start()
    while stack.upstream.stats()["open"] == 0:
        time.sleep(0.01)
    status, fields, answer = stack.post(BODY, headers=key("k1"))
    assert (status, answer["error"]["code"]) == (409, "idempotency_in_flight"), answer
    assert fields["x-should-retry"] == "true" and fields["retry-after"] == "1"
    first.join()
    assert stack.post(BODY, headers=key("k1"))[2] == answers[0][2]
    assert stack.settled_bill()["total"]["calls"] == 1


def test_a_client_that_left_gets_the_answer_that_it_did_not_wait_for(stack):
    stack.start(script={"defaults": {"delay_ms": 300}})
    connection = http.client.HTTPConnection("127.0.0.1", stack.gateway.port)
    connection.request("POST", "/v1/chat/completions", json.dumps(BODY),
                       {"content-type": "application/json", **stack.headers, **key("k1")})
    while stack.upstream.stats()["open"] == 0:
        time.sleep(0.01)
    connection.close()
    end = time.monotonic() + 10
    status = 409
    while status == 409 and time.monotonic() < end:
        status, fields, answer = stack.post(BODY, headers=key("k1"))
        time.sleep(0.02)
    assert status == 200 and fields["x-jevons-replayed"] == "true", answer
    assert stack.settled_bill()["total"]["calls"] == 1


def test_a_stream_is_repeated_byte_for_byte(started):
    first = started.stream(model="gpt", headers=key("s"), stream_options={"include_usage": True})
    again = started.stream(model="gpt", headers=key("s"), stream_options={"include_usage": True})
    assert again[0] == 200 and again[3] == first[3] and first[2][-1] == "[DONE]"
    assert again[1]["content-type"] == "text/event-stream; charset=utf-8"
    assert started.settled_bill()["total"]["calls"] == 1


def test_a_failure_that_cost_nothing_leaves_the_key_free(started):
    started.upstream.queue("gpt-5.4", times=3, status=503)
    assert started.post(BODY, headers=key("k"))[0] == 503
    status, fields, _ = started.post(BODY, headers=key("k"))
    assert status == 200 and "x-jevons-replayed" not in fields
