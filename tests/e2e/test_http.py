"""Raw bytes on the data listener: framing that must be refused, limits, and what must work."""

import json
import re

import pytest

from support import processes, raw_http

BODY = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}).encode()


def post(stack, extra=b"", body=BODY, length=None, host=b"Host: 127.0.0.1\r\n", line=None):
    line = line or b"POST /v1/chat/completions HTTP/1.1\r\n"
    size = len(body) if length is None else length
    return (line + host + b"Authorization: Bearer " + stack.key.encode() +
            b"\r\nContent-Type: application/json\r\n" + extra +
            (b"Content-Length: %d\r\n" % size if size >= 0 else b"") + b"\r\n" + body)


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
TE = b"Transfer-Encoding: chunked\r\n"

# name, request (callable of the stack), the statuses that are right
REFUSED = [
    ("content-length and chunked", lambda s: post(s, TE), {400}),
    ("two equal content-lengths", lambda s: post(s, b"Content-Length: %d\r\n" % len(BODY)), {400}),
    ("two different content-lengths", lambda s: post(s, b"Content-Length: 3\r\n"), {400}),
    ("content-length list", lambda s: post(s, b"Content-Length: 5, 5\r\n", length=-1), {400}),
    ("content-length with a sign", lambda s: post(s, b"Content-Length: +5\r\n", length=-1), {400}),
    ("content-length in hex", lambda s: post(s, b"Content-Length: 0x5\r\n", length=-1), {400}),
    ("content-length with a leading zero", lambda s: post(
        s, b"Content-Length: 0%d\r\n" % len(BODY), length=-1), {400}),
    ("negative content-length", lambda s: post(s, b"Content-Length: -1\r\n", length=-1), {400}),
    ("transfer-encoding list", lambda s: post(
        s, b"Transfer-Encoding: gzip, chunked\r\n", CHUNKED, -1), {400, 501}),
    ("transfer-encoding identity", lambda s: post(
        s, b"Transfer-Encoding: identity\r\n", CHUNKED, -1), {400, 501}),
    ("transfer-encoding twice", lambda s: post(s, TE + TE, CHUNKED, -1), {400}),
    ("transfer-encoding with a tab", lambda s: post(
        s, b"Transfer-Encoding:\tchunked, identity\r\n", CHUNKED, -1), {400, 501}),
    ("transfer-encoding on 1.0", lambda s: post(
        s, TE, CHUNKED, -1, line=b"POST /v1/chat/completions HTTP/1.0\r\n"), {400}),
    ("no host", lambda s: post(s, host=b""), {400}),
    ("two hosts", lambda s: post(s, host=b"Host: a\r\nHost: b\r\n"), {400}),
    ("host with a space", lambda s: post(s, host=b"Host: a b\r\n"), {400}),
    ("folded header", lambda s: post(s, b"X-A: b\r\n c\r\n"), {400}),
    ("bare line feed in a header", lambda s: post(s, b"X-A: b\nX-B: c\r\n"), {400}),
    ("NUL in a header", lambda s: post(s, b"X-A: b\0c\r\n"), {400}),
    ("control byte in a header", lambda s: post(s, b"X-A: b\x01c\r\n"), {400}),
    ("space before the colon", lambda s: post(s, b"X-A : b\r\n"), {400}),
    ("empty header name", lambda s: post(s, b": b\r\n"), {400}),
    ("bad method", lambda s: post(s, line=b"PO ST /v1/models HTTP/1.1\r\n"), {400}),
    ("method with a control byte", lambda s: post(s, line=b"PO\x01ST /v1 HTTP/1.1\r\n"), {400}),
    ("non-ASCII target", lambda s: post(s, line=b"POST /v1/\xc3\xa9 HTTP/1.1\r\n"), {400}),
    ("HTTP/2 preface", lambda s: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}),
    ("HTTP/3.0", lambda s: post(s, line=b"POST /v1/chat/completions HTTP/3.0\r\n"), {400, 505}),
    ("CONNECT", lambda s: b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", {400, 405, 501}),
    ("TRACE", lambda s: b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", {400, 405, 501}),
    ("upgrade", lambda s: post(s, b"Connection: upgrade\r\nUpgrade: websocket\r\n"),
     {400, 501}),
    ("compressed body", lambda s: post(s, b"Content-Encoding: gzip\r\n"), {415}),
    ("no length", lambda s: post(s, body=b"", length=-1), {411}),
    ("body of 9 MiB", lambda s: post(s, length=9 << 20), {413}),
    ("target of 9 KiB", lambda s: post(s, line=b"POST /" + b"a" * 9000 + b" HTTP/1.1\r\n"), {414}),
    ("headers of 20 KiB", lambda s: post(s, b"X-A: " + b"a" * 20000 + b"\r\n"), {431}),
    ("101 fields", lambda s: post(s, b"".join(b"X-%d: 1\r\n" % i for i in range(101))), {431}),
    ("chunk extension of 300 bytes", lambda s: post(
        s, TE, b"%x;%s\r\n%s\r\n0\r\n\r\n" % (len(BODY), b"a" * 300, BODY), -1), {400}),
    ("trailers", lambda s: post(s, TE, CHUNKED[:-2] + b"Authorization: x\r\n\r\n", -1), {400}),
    ("chunk size that is no number", lambda s: post(s, TE, b"zz\r\n\r\n", -1), {400}),
    ("chunk size of 2^64", lambda s: post(s, TE, b"10000000000000000\r\n\r\n", -1), {400, 413}),
    ("GET on chat", lambda s: post(s, body=b"", length=-1, line=b"GET /v1/chat/completions "
                                   b"HTTP/1.1\r\n"), {405}),
    ("unknown path", lambda s: post(s, line=b"POST /v1/nothing HTTP/1.1\r\n"), {404}),
]


@pytest.mark.parametrize("name,request_of,statuses", REFUSED, ids=[r[0] for r in REFUSED])
def test_refused(started, name, request_of, statuses):
    data, closed = raw_http.exchange(started.gateway.port, request_of(started), timeout=3)
    assert raw_http.status_of(data) in statuses, data[:300]
    assert len(re.findall(rb"HTTP/1\.1 \d\d\d ", data)) == 1, "one answer only"
    assert started.upstream.bill()["total"]["calls"] == 0
    if raw_http.status_of(data) not in (404, 405, 415) and name != "no length":
        assert closed, "doubt about framing ends the connection"
    head, _, body = data.partition(b"\r\n\r\n")
    error = json.loads(body)["error"]
    assert error["message"] and error["code"] and "type" in error and "param" in error
    assert b"x-should-retry: false" in head.lower()


def test_chunked_request_in_odd_packets(started):
    """The packets that abort Debian's Beast: empty chunked body, CRLF torn apart."""
    head = post(started, TE, b"", -1)
    data, _ = raw_http.exchange(started.gateway.port, head, b"0\r\n", b"\r", b"\n", pause=0.05,
                                timeout=2)
    assert raw_http.status_of(data) == 400  # an empty body is no JSON
    data, _ = raw_http.exchange(started.gateway.port, head, b"%x\r" % len(BODY), b"\n", BODY[:9],
                                BODY[9:], b"\r\n0", b"\r\n\r", b"\n", pause=0.03, timeout=2)
    assert raw_http.status_of(data) == 200
    assert started.gateway.alive()


def test_one_byte_at_a_time(started):
    request = post(started, b"Connection: close\r\n")
    data, closed = raw_http.exchange(started.gateway.port,
                                     *[request[i:i + 1] for i in range(len(request))])
    assert raw_http.status_of(data) == 200 and closed


def test_pipelined_requests_are_answered_in_order(started):
    first = post(started, b"x-client: 1\r\n")
    second = b"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + started.key.encode(
    ) + b"\r\nConnection: close\r\n\r\n"
    data, closed = raw_http.exchange(started.gateway.port, first + first + second)
    assert data.count(b"HTTP/1.1 200") == 3 and closed
    assert data.index(b"chat.completion") < data.index(b'"list"')


def test_expect_continue(started):
    request = post(started, b"Expect: 100-continue\r\nConnection: close\r\n", b"", len(BODY))
    data, _ = raw_http.exchange(started.gateway.port, request, BODY, pause=0.2)
    assert data.startswith(b"HTTP/1.1 100") or data.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 200" in data


def test_head_probe_and_http_1_0(started):
    data, _ = raw_http.exchange(started.gateway.port, b"HEAD / HTTP/1.1\r\nHost: a\r\n"
                                b"Connection: close\r\n\r\n", timeout=2)
    assert raw_http.status_of(data) in (200, 404, 405) and data.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions"])
def test_with_and_without_v1(started, path):
    status, _, _ = started.post(json.loads(BODY), path)
    assert status == 200


BAD_BODIES = [
    ("not JSON", b"{", 400, "invalid_json", None),
    ("two values", BODY + b"{}", 400, "invalid_json", None),
    ("an array", b"[]", 400, None, None),
    ("NaN", b'{"model":"auto","messages":[],"temperature":NaN}', 400, "invalid_json", None),
    ("infinity", b'{"model":"auto","messages":[],"temperature":1e999}', 400, None, None),
    ("lone surrogate", b'{"model":"auto\\ud800","messages":[]}', 400, None, None),
    ("invalid UTF-8", b'{"model":"auto\xff","messages":[]}', 400, "invalid_json", None),
    ("duplicate key", b'{"model":"auto","model":"gpt","messages":[]}', 400, "duplicate_key",
     "model"),
    ("depth 100", b'{"model":"auto","messages":' + b"[" * 100 + b"]" * 100 + b"}", 400, None, None),
    ("depth a million", b"[" * 1_000_000, 400, "invalid_json", None),
    ("no model", b'{"messages":[{"role":"user","content":"x"}]}', 400, "missing_field", "model"),
    ("no messages", b'{"model":"auto"}', 400, "missing_field", "messages"),
    ("empty messages", b'{"model":"auto","messages":[]}', 400, None, "messages"),
    ("messages of the wrong type", b'{"model":"auto","messages":7}', 400, "invalid_value",
     "messages"),
    ("unknown role", b'{"model":"auto","messages":[{"role":"king","content":"x"}]}', 400,
     "invalid_value", "messages[0].role"),
    ("temperature as text", b'{"model":"auto","temperature":"hot","messages":[{"role":"user",'
     b'"content":"x"}]}', 400, "invalid_value", "temperature"),
    ("negative max_tokens", b'{"model":"auto","max_tokens":-1,"messages":[{"role":"user",'
     b'"content":"x"}]}', 400, "invalid_value", "max_tokens"),
    ("an image that is no base64", b'{"model":"gpt","messages":[{"role":"user","content":[{"type":'
     b'"image_url","image_url":{"url":"data:image/png;base64,!"}}]}]}', 400, "invalid_value",
     "messages[0].content[0].image_url"),
    ("an image on the gateway's disk", b'{"model":"gpt","messages":[{"role":"user","content":[{'
     b'"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]}', 400, "invalid_value",
     "messages[0].content[0].image_url"),
]


@pytest.mark.parametrize("name,body,status,code,param", BAD_BODIES, ids=[b[0] for b in BAD_BODIES])
def test_bad_bodies(started, name, body, status, code, param):
    found, fields, answer = started.gateway.post(body, headers=started.headers)
    assert found == status, answer
    error = answer["error"]
    if code:
        assert error["code"] == code, error
    if param:
        assert error["param"] == param, error
    assert fields["x-should-retry"] == "false"
    assert answer["request_id"] == fields["x-request-id"]
    assert started.upstream.bill()["total"]["calls"] == 0


BAD_HEADERS = [
    ("x-jevons-quality", "1.5"), ("x-jevons-quality", "high"), ("x-jevons-max-cost-usd", "-1"),
    ("x-jevons-max-cost-usd", "NaN"), ("x-jevons-tags", "no-equals-sign"),
]


@pytest.mark.parametrize("name,value", BAD_HEADERS)
def test_bad_jevons_headers(started, name, value):
    status, _, answer = started.chat(headers={name: value})
    assert (status, answer["error"]["code"]) == (400, "invalid_value"), answer


def test_unknown_policy(started):
    status, _, answer = started.chat(headers={"x-jevons-policy": "nothing"})
    assert (status, answer["error"]["code"]) == (403, "policy_not_allowed"), answer


def test_client_request_id_is_echoed(started):
    _, fields, _ = started.chat(headers={"x-request-id": "mine-1"})
    assert fields["x-client-request-id"] == "mine-1"
    assert fields["x-request-id"] != "mine-1"


def test_what_the_framing_refuses_has_a_request_id_as_well(started):
    text, _ = raw_http.exchange(started.gateway.port, b"GET / HTTP/1.1\r\n\r\n")
    head, _, body = text.decode().partition("\r\n\r\n")
    answer = json.loads(body)
    assert answer["error"]["code"] == "bad_request"
    assert f"x-request-id: {answer['request_id']}" in head
    assert "x-should-retry: false" in head


def test_admin_errors_have_the_shape_of_all_others(started):
    for path, status, code in (("/admin/v1/spend?by=nothing", 400, "invalid_value"),
                               ("/admin/v1/nothing", 404, "not_found")):
        found, fields, text = started.gateway.admin(path)
        error = json.loads(text)["error"]
        assert (found, error["code"], error["type"]) == (status, code, "invalid_request_error")
        assert fields["x-should-retry"] == "false"
        assert json.loads(text)["request_id"] == fields["x-request-id"]


@pytest.mark.parametrize("path,method,allow", [
    ("/admin/v1/keys", "DELETE", "GET, HEAD, POST"), ("/admin/v1/spend", "POST", "GET, HEAD"),
    ("/admin/v1/keys/rotate", "GET", "POST"), ("/admin/v1/reload", "GET", "POST"),
    ("/admin/v1/decisions", "PUT", "GET, HEAD"), ("/metrics", "POST", "GET, HEAD")])
def test_admin_says_which_methods_a_path_takes(started, path, method, allow):
    status, fields, text = started.gateway.admin(path, method=method)
    assert (status, fields["allow"]) == (405, allow), text
    assert json.loads(text)["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path,method,allow", [
    ("/v1/models", "POST", "GET, HEAD"), ("/v1/chat/completions", "GET", "POST")])
def test_data_paths_say_which_methods_they_take(started, path, method, allow):
    status, fields, text = processes.get(started.gateway.port, path, method)
    assert (status, fields["allow"]) == (405, allow), text


def test_head_on_admin_paths(started):
    for path in ("/admin/v1/spend", "/admin/v1/keys", "/admin/v1/targets", "/metrics"):
        status, _, text = started.gateway.admin(path, method="HEAD")
        assert (status, text) == (200, "")
