"""The files of recordings: what stands in them, what does not, and what is read from them."""

from __future__ import annotations

import base64
import json
import random
import re
import string
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wandb_inference import ConfigurationError
from wandb_inference.testing import Cassette, CassetteMissError
from wandb_inference.testing._differences import differences
from wandb_inference.testing._pieces import Piece, Span, recut, replaced
from wandb_inference.testing._scrubbing import Scrubber
from wandb_inference.testing._tape import Raw, Recording, answered, asked, file_of, pieces, read, rendered

KEY = "wandb_v1_0123456789abcdefABCDEF"
PROJECT = "hill-and-sons/secret-plans"
URL = "https://api.inference.wandb.ai/v1/chat/completions"
HEADERS = {"authorization": f"Bearer {KEY}", "openai-project": PROJECT}
EVENT = {"content-type": "text/event-stream"}


class Scripted(httpx.BaseTransport):
    """A network that answers with what it is given."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def handle_request(self, request):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Pieces(httpx.SyncByteStream):
    """A body in pieces, which may break."""

    def __init__(self, *pieces):
        self.pieces = pieces

    def __iter__(self):
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece


def stream(*pieces, **headers):
    """An answer that comes in pieces."""
    return httpx.Response(200, headers={**EVENT, **headers}, stream=Pieces(*pieces))


def record(path, answer, *, url=URL, headers=HEADERS, mode="record", **options):
    """Records one exchange; what was received of it."""
    request = {key: options.pop(key) for key in ("json", "content", "method") if key in options}
    cassette = Cassette(path, mode, transport=Scripted(answer), **options)
    with httpx.Client(transport=cassette) as client:
        return client.request(request.pop("method", "POST"), url, headers=headers, **request).content


def replay(path, *, url=URL, headers=None, method="POST", speed=0, **request):
    """What is received from a recording."""
    options = {key: request.pop(key) for key in ("match_on", "filter") if key in request}
    with httpx.Client(transport=Cassette(path, "replay", speed, **options)) as client:
        return client.request(method, url, headers=headers or {}, **request)


def only(path):
    """The one exchange of a file."""
    [exchange] = json.loads(path.read_text())["exchanges"]
    return exchange


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cassette.json"


# --- Byte for byte ----------------------------------------------------------------------------------------------------

SSE = [
    b": keep-alive\n\n",
    b'data: {"a": 1}\n\n',
    b'data: {"a":1,"b":"\xc3\xa4"}\n\n',
    b'data: {"a":1.50}\n\ndata:{"a":1}\n\n',
    b"data: [DONE]\r\n\r\n",
    b'event: x\nid: 7\ndata: {"base64":"x"}\n\n',
    b'data: {"n":NaN}\n\n',
    b'data: {"s":"\\ud800"}\n\n',
    b"data: [1]\n\n\n\ndata: 7\n\n",
    b"\xff\xfe",
    b'data: {"emoji":"\xf0\x9f\x98\x80"}\n\n',
    b'data: {"a":1,"a":2}\n\n',
    b"\n",
    b"\xe2\x80\xa8",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(SSE), max_size=8), st.randoms(use_true_random=False))
def test_streams_are_played_byte_for_byte(parts, cut):
    """Whatever a stream held and wherever it was cut, the same pieces come out of the file."""
    whole = b"".join(parts)
    places = sorted(cut.sample(range(len(whole) + 1), min(5, len(whole) + 1)))
    cuts = [0, *places, len(whole)]
    given_ = [Piece(number / 8, whole[a:b]) for number, (a, b) in enumerate(zip(cuts, cuts[1:], strict=False)) if a < b]

    recording = Recording(request=asked("POST", URL, {}, b""), response=answered(Raw(200, 0.0, EVENT, given_, 9.0)))
    [again] = read(file_of([rendered(recording)]), "x")

    assert again.response is not None
    assert pieces(again.response) == given_
    assert rendered(again) == rendered(recording)


BODIES = [
    b"",
    b"{}",
    b'{"a":1}',
    b'{"a": 1}',
    b"[1e5]",
    b"null",
    b'"\\u00e4"',
    "ä\n".encode(),
    b"\xff",
    b"<html>",
    b"NaN",
]


@pytest.mark.parametrize("body", BODIES, ids=repr)
def test_bodies_are_played_byte_for_byte(path, body):
    """A whole body comes out as it came in, JSON or not."""
    assert record(path, httpx.Response(200, content=body)) == body
    assert replay(path).content == body


@pytest.mark.parametrize("depth", [150, 500, 5000])
def test_deep_values(path, depth):
    """What is nested beyond reason is text, and nothing breaks on it."""
    deep = b"[" * depth + b"]" * depth
    event = b'data: {"a":' + deep + b"}\n\n"
    received = record(path, stream(event), content=deep)

    assert received == event
    assert replay(path, content=deep).content == event
    assert ("body" in only(path)["request"]) is (depth == 150)


def test_a_stream_in_the_file(path):
    """An event has a line of its own; what is no plain event is text."""
    record(path, stream(b": hi\n\n", b'data: {"a":1}\n\ndata: {"a":2}\n\n', b"data: [DONE]\n\n"), json={"b": [1, 2]})
    text = re.sub(r"\d\.\d+", "0.5", path.read_text())

    assert (
        text
        == """{
 "format": "wandb_inference.cassette",
 "version": 1,
 "exchanges": [
  {
   "request": {
    "method": "POST",
    "url": "https://api.inference.wandb.ai/v1/chat/completions",
    "headers": {"openai-project": "team/project"},
    "body": {"b": [1, 2]}
   },
   "response": {
    "status": 200,
    "seconds": 0.5,
    "headers": {"content-type": "text/event-stream"},
    "ended": 0.5,
    "events": [
     [0.5, ": hi\\n\\n"],
     [0.5,
      {"a": 1},
      {"a": 2}],
     [0.5, "data: [DONE]\\n\\n"]
    ]
   }
  }
 ]
}
"""
    )


def test_compressed(path):
    """What came compressed is written and played as what it is."""
    import gzip

    body = gzip.compress(b'{"a":1}')
    answer = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces(body))

    assert record(path, answer) == b'{"a":1}'
    assert only(path)["response"]["body"] == {"a": 1}
    assert replay(path).json() == {"a": 1}


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("[Errno 111] Connection refused"),
        httpx.ReadTimeout("The read operation timed out"),
        httpx.RemoteProtocolError("peer closed connection"),
        httpx.PoolTimeout(f"no turn for {KEY} of {PROJECT}"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("late", [False, True], ids=["early", "late"])
def test_failures(path, error, late):
    """An error of httpx comes again as the same, where it came, and without what is secret in it."""
    with pytest.raises(type(error)):
        record(path, stream(b"data: 1\n\n", error) if late else error)
    with pytest.raises(type(error), match=re.escape(str(error).replace(KEY, "***").replace(PROJECT, "team/project"))):
        replay(path)


def test_failures_of_newer_versions_of_httpx(path):
    """An error that this httpx does not have is the nearest it has."""
    with pytest.raises(httpx.ConnectError):
        record(path, httpx.ConnectError("x"))
    path.write_text(path.read_text().replace('"ConnectError"', '"NewError"'))

    with pytest.raises(httpx.TransportError, match="x"):
        replay(path)


def test_an_error_of_the_callers_own(path):
    """What is no error of the connection is passed on, and not recorded."""
    with pytest.raises(KeyError):
        record(path, KeyError("x"))
    assert not path.exists()


# --- Secrets ----------------------------------------------------------------------------------------------------------

_LETTERS = string.ascii_letters + string.digits
# With a sign that no other word of a recording has: a key that is the type of the body, say, would be taken out of it.
_KEYS = st.text(_LETTERS + "_-./+=%\"\\&'~!", min_size=15, max_size=60).map("~".__add__)
_NAMES = (
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-_. ", min_size=9, max_size=20)
    .map(str.strip)
    .filter(lambda t: len(t) > 8)
)
WRITE = [str, quote, quote_plus, lambda t: json.dumps(t)[1:-1], lambda t: "".join(f"\\u{ord(c):04x}" for c in t)]


@settings(max_examples=60, deadline=None)
@given(_KEYS, st.tuples(_NAMES, _NAMES).map("/".join), st.randoms(use_true_random=False))
@example("k" * 16, PROJECT, random.Random(0))
def test_no_secret_reaches_the_file(tmp_path_factory, key, project, dice):
    """A key and a project are nowhere in the file: not in headers, address, bodies, events or errors, nor in pieces."""
    path = tmp_path_factory.mktemp("secret") / "c.json"
    secret = f"<{key}> of {project} in wandb-artifact:///{project}/x:v1"
    inside = dice.choice(WRITE[3:])(secret)
    delta = dice.choice(["content", "reasoning"])
    cuts = sorted(dice.sample(range(len(secret)), 3))
    parts = [secret[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True)]
    events = [f'data: {{"choices":[{{"index":0,"delta":{{"{delta}":{json.dumps(part)}}}}}]}}\n\n' for part in parts]
    whole = "".join([f": {secret}\n\n", *events, f'data: {{"id": "{inside}"}}\n\n', f"data: {secret}\n\n"]).encode()
    places = sorted(dice.sample(range(len(whole)), 6))
    body = [whole[a:b] for a, b in zip([0, *places], [*places, None], strict=True)]
    answer = stream(
        *body, httpx.ReadError(secret), **{"x-echo": dice.choice(WRITE[:4])(secret), "set-cookie": f"a={key}"}
    )

    with pytest.raises(httpx.ReadError):
        record(
            path,
            answer,
            url=f"{URL}?k={dice.choice(WRITE[1:3])(key)}&p={quote(project, safe='')}&token=short",
            headers={
                "authorization": f"Bearer {key}",
                "openai-project": project,
                "x-other": f"{key} {project}",
                "x-api-key": "short",
                "cookie": "a=b",
            },
            json={"messages": [{"content": secret, key: project}], "cache_salt": "short"},
        )

    text = path.read_text()
    exchange = only(path)
    said = "".join(
        choice["delta"].get(delta, "")
        for row in exchange["response"]["events"]
        for event in row[1:]
        if isinstance(event, dict)
        for choice in event.get("choices", [])
    )
    for told in (text, json.dumps(exchange), said, *strings(exchange)):
        for form in WRITE:
            assert form(key) not in told
            assert form(project) not in told
        assert "short" not in told
    assert "cookie" not in text


def strings(value):
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.items() if isinstance(value, dict) else value:
            yield from strings(list(item) if isinstance(item, tuple) else item)


def test_a_key_that_is_known_later(path):
    """A key that a later request shows to be one is taken out of what was recorded before."""
    other = "another-key-0123456789"
    cassette = Cassette(path, "record", transport=Scripted(httpx.Response(200, json={"k": other}), KeyError("stop")))
    with httpx.Client(transport=cassette) as client:
        client.post(URL, headers=HEADERS, json={"say": other})
        assert other in path.read_text()
        with pytest.raises(KeyError):
            client.post(URL, headers={"x-api-key": other}, json={})

    assert other not in path.read_text()


def test_the_environments_key(path, monkeypatch):
    """The key of the environment is one, whoever sends the request."""
    monkeypatch.setenv("WANDB_API_KEY", "a-key-of-the-environment")
    record(path, httpx.Response(200, text="a-key-of-the-environment, wandb_v1_abcdefghijklmnopqrst"), headers={})

    assert only(path)["response"]["text"] == "***, ***"


def test_cookies(path):
    """Cookies are left out both ways, and their values wherever they stand."""
    value = "cookie-value-0123456789"
    record(path, httpx.Response(200, text=value, headers={"set-cookie": "a=b"}), headers={"cookie": f"a=b; c={value}"})

    assert "cookie" not in path.read_text()
    assert only(path)["response"]["text"] == "***"


def test_headers(path):
    """What every client sends is left out, and what tells who recorded it; what is needed to play it stays."""
    answer = {
        "cf-ray": "8a-FRA",
        "via": "proxy.hill.example",
        "x-ratelimit-remaining-tokens": "7",
        "x-session-token": "short",
        "x-request-id": "req_1",
        "retry-after": "3",
    }
    sent = {**HEADERS, "x-mine": "1", "x-stainless-os": "Linux", "x-secret": "short", "x-tenant": "Hill"}
    record(path, httpx.Response(429, headers=answer), headers=sent)
    exchange = only(path)
    assert exchange["request"]["headers"] == {
        "openai-project": "team/project",
        "x-mine": "1",
        "x-secret": "***",
        "x-tenant": "Hill",
    }
    assert (
        exchange["response"]["headers"]
        == {
            "content-type": "text/plain; charset=utf-8",
            "retry-after": "3",
            "x-ratelimit-remaining-tokens": "7",
            "x-request-id": "req_1",
            "x-session-token": "***",
        }
        or exchange["response"]["headers"].pop("content-type", None) is None
    )

    keep, drop = ["CF-Ray", "authorization", "x-stainless-os"], ["X-Tenant", "x-request-id"]
    record(path, httpx.Response(429, headers=answer), headers=sent, keep_headers=keep, drop_headers=drop)
    exchange = only(path)
    assert exchange["request"]["headers"] == {
        "authorization": "***",
        "openai-project": "team/project",
        "x-mine": "1",
        "x-secret": "***",
        "x-stainless-os": "Linux",
    }
    assert exchange["response"]["headers"]["cf-ray"] == "8a-FRA"
    assert "x-request-id" not in exchange["response"]["headers"]


def test_adapters_and_prompts(path):
    """An adapter keeps its name and loses its owner; a prompt that names the project is found again without it."""
    body = {"model": "wandb-artifact:///hill-and-sons/other/tone:v3", "messages": f"About {PROJECT}"}
    record(path, httpx.Response(200), json=body)

    assert only(path)["request"]["body"] == {
        "model": "wandb-artifact:///team/project/tone:v3",
        "messages": "About team/project",
    }
    assert replay(path, json=body).status_code == 200
    with pytest.raises(CassetteMissError, match="messages:"):
        replay(path, json={**body, "messages": "About it"})


def test_short_projects():
    """A short project is left where it is a part of other words."""
    scrubber = Scrubber()
    scrubber.learn(URL, {"openai-project": "a/b"})

    assert scrubber.text("a/b, (a/b), aa/b and a/bc") == "team/project, (team/project), aa/b and a/bc"


def test_filters(path):
    """A filter sees every text, that of a stream as a whole, both when it is recorded and when it is looked up."""

    def filter(text):
        return text.replace("Ms. Hill", "NAME")

    deltas = [
        b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % part for part in (b"Dear Ms", b". Hi", b"ll!")
    ]
    body = {"messages": [{"content": "Ask Ms. Hill"}]}
    assert b"Ms" in record(path, stream(*deltas, **{"x-for": "Ms. Hill"}), json=body, filter=filter)

    text = path.read_text()
    assert "Hill" not in text
    assert [row[1]["choices"][0]["delta"]["content"] for row in only(path)["response"]["events"]] == [
        "Dear NAME",
        "",
        "!",
    ]
    assert replay(path, json=body, filter=filter).status_code == 200


@pytest.mark.parametrize("mode", ["auto", "record"])
def test_a_filter_that_fails(path, mode):
    """A filter that gives nothing back is told of before anything is sent."""
    with pytest.raises(TypeError, match="filter gave back NoneType, not the text"):
        record(path, AssertionError("sent"), mode=mode, filter=print)


def test_pictures(path):
    """Of a picture there is a hash, by which it is known again."""
    data = base64.b64encode(bytes(range(256)) * 4).decode()
    body = {"content": [{"image_url": f"data:image/png;base64,{data}"}, {"image_url": "data:image/png;base64,aGk="}]}
    record(path, httpx.Response(200), json=body)

    recorded = only(path)["request"]["body"]["content"]
    assert re.fullmatch(r"data:image/png;base64,sha256-[0-9a-f]{64}", recorded[0]["image_url"])
    assert recorded[1] == body["content"][1]
    assert replay(path, json=body).status_code == 200
    with pytest.raises(CassetteMissError):
        replay(path, json=json.loads(json.dumps(body).replace("AAEC", "AAED")))


def test_fields_that_are_secret(path):
    """A field whose name says that it is secret is hidden, also where it comes in a stream; others keep their value."""
    record(
        path,
        stream(b'data: {"delta":{"password":"x y","tokens":"z"}}\n\n'),
        json={"api_key": "short", "schema": {"password": {"type": "string"}}, "password": None},
    )
    exchange = only(path)

    assert exchange["request"]["body"] == {
        "api_key": "***",
        "schema": {"password": {"type": "string"}},
        "password": None,
    }
    assert exchange["response"]["events"][0][1] == {"delta": {"password": "***", "tokens": "z"}}


def test_names_that_become_one():
    """Two names that were secret are one afterwards, and nothing is made of whose text was whose."""
    keys = [f"{letter * 20}" for letter in "ab"]
    scrubber = Scrubber(secrets=keys)
    event = b'data: {"delta":{"%s":"x","%s":"y"}}\n\n' % tuple(key.encode() for key in keys)

    assert scrubber.events([Piece(0.0, event)]) == [Piece(0.0, b'data: {"delta":{"***":"y"}}\n\n')]


def test_changes_keep_the_cuts():
    """A change within a piece leaves the others; one over a cut comes with the first of its pieces."""
    given_ = [Piece(1.0, b"abc"), Piece(2.0, b"def"), Piece(3.0, b"ghi")]

    assert replaced(given_, [Span(1, 2, b"X"), Span(7, 8, b"")]) == [
        Piece(1.0, b"aXc"),
        Piece(2.0, b"def"),
        Piece(3.0, b"gi"),
    ]
    assert replaced(given_, [Span(2, 7, b"XY")]) == [Piece(1.0, b"abXY"), Piece(3.0, b"hi")]
    assert replaced([], []) == []


@settings(deadline=None)
@given(st.lists(st.text("ab", max_size=4), min_size=1, max_size=5), st.text("abc", max_size=12))
def test_recut(texts, changed):
    """Whatever a text is changed to, it comes in as many parts, and the parts make the whole."""
    parts = recut(texts, changed)

    assert len(parts) == len(texts)
    assert "".join(parts) == changed
    assert recut(texts, "".join(texts)) == texts


# --- Matching ---------------------------------------------------------------------------------------------------------

BODY = {"model": "m", "messages": [{"role": "user", "content": "a"}], "n": 1}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"json": {"n": 1, "messages": [{"content": "a", "role": "user"}], "model": "m"}}, None),
        ({"url": "http://127.0.0.1:8000/v1/chat/completions?a=1&b=2"}, None),
        ({"url": f"{URL}?b=2&a=1", "headers": {"x-mine": "2"}}, None),
        ({"method": "PUT"}, 'method: "PUT" is "POST" in the cassette'),
        ({"url": f"{URL}/x?a=1&b=2"}, 'path: "/v1/chat/completions/x" is "/v1/chat/completions" in the cassette'),
        ({"url": f"{URL}?a=1&a=2&b="}, 'query.a: ["1", "2"] is "1" in the cassette'),
        ({"json": {**BODY, "n": True}}, "n: true is 1 in the cassette"),
        ({"json": {**BODY, "n": 1.0}}, None),
        ({"json": {**BODY, "n": None}}, "n: null is 1 in the cassette"),
        ({"json": {**BODY, "x y": 1}}, '["x y"]: 1 is not in the cassette'),
        ({"json": {**BODY, "messages": []}}, 'messages[0]: {"role": "user", "content": "a"} is in the cassette alone'),
        ({"json": {"messages": BODY["messages"], "n": 1}}, 'model: "m" is in the cassette alone'),
        (
            {"json": [1]},
            'body: [1] is {"model": "m", "messages": [{"role": "user", "content": "a"}...',
        ),
        ({"json": None, "content": b"\xff"}, 'body: "/w==" is {"model": "m"'),
        ({"json": None, "content": b"hello"}, 'body: "hello" is {"model": "m"'),
        ({"json": None}, 'body: null is {"model": "m"'),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:20],
)
def test_matching(path, change, says):
    """Requests match by method, path, query and JSON, in whatever order; what differs is said in a line each."""
    record(path, httpx.Response(200), url=f"{URL}?a=1&b=2", json=BODY)
    given_ = {"url": f"{URL}?a=1&b=2", "json": BODY, **change}
    if says is None:
        assert replay(path, **given_).status_code == 200
        return
    with pytest.raises(CassetteMissError) as caught:
        replay(path, **given_)
    assert caught.value.differences[0].startswith(says)


@pytest.mark.parametrize(
    ("match_on", "change", "says"),
    [
        (("host",), {"url": "https://other.test/"}, 'host: "other.test" is "api.inference.wandb.ai" in the cassette'),
        (
            ("scheme", "port"),
            {"url": URL.replace("https", "http") + ":80"},
            'scheme: "http" is "https" in the cassette',
        ),
        (("port",), {"url": "https://other.test:8443/"}, "port: 8443 is null in the cassette"),
        (("headers",), {"headers": {"x-mine": "2"}}, "headers.openai-project:"),
        (("method", "path"), {"json": {"other": 1}}, None),
    ],
)
def test_match_on(path, match_on, change, says):
    """What requests are compared by can be chosen."""
    record(path, httpx.Response(200), json=BODY)
    given_ = {"url": URL, "json": BODY, **change, "match_on": match_on}
    if says is None:
        assert replay(path, **given_).status_code == 200
        return
    with pytest.raises(CassetteMissError) as caught:
        replay(path, **given_)
    assert any(line.startswith(says) for line in caught.value.differences)


def test_long_texts():
    """Of long texts the part is shown where they begin to differ."""
    one, other = (
        asked("POST", URL, {}, json.dumps({"t": f"{'a' * 200}{letter}{'c' * 200}"}).encode()) for letter in "xy"
    )
    [line] = differences(one, other, ("body",))

    assert line == f't: ..."{"a" * 20}x{"c" * 39}"... is ..."{"a" * 20}y{"c" * 39}"... in the cassette'
    [line] = differences(asked("POST", URL, {}, json.dumps({"t": "a" * 61}).encode()), other, ("body",))
    assert line.startswith(f't: ..."{"a" * 60}" is ..."')


def test_the_nearest(path):
    """Of several recordings the nearest is shown, one of the same place first, and of many differences five."""
    answers = [httpx.Response(200) for _ in range(3)]
    cassette = Cassette(path, "record", transport=Scripted(*answers))
    with httpx.Client(transport=cassette) as client:
        client.get(URL.replace("chat/completions", "models"))
        client.post(URL, json={"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6, "g": 7})
        client.post(URL, json={"a": 1})

    with pytest.raises(CassetteMissError, match=r"The nearest is number 3 of 3, where\n  a: 2 is 1 in the cassette\n"):
        replay(path, json={"a": 2})
    with pytest.raises(CassetteMissError, match=r"number 2 of 3, where(\n  .*){5}\n  and 2 more\n"):
        replay(path, json=dict.fromkeys("abcdefg", 0))


def test_the_base_url(path):
    """In replay a client has the address of the recordings, as far as one can be told from them."""
    answers = [httpx.Response(200) for _ in range(3)]
    cassette = Cassette(path, "record", transport=Scripted(*answers))
    assert str(cassette.client().base_url) == "https://api.inference.wandb.ai/v1"
    with httpx.Client(transport=cassette) as client:
        client.get("https://other.test/health")
        client.get("http://127.0.0.1:8000/base/v1/models/a/b?c=d")

    for mode in ("replay", "auto"):
        assert str(Cassette(path, mode).client().base_url) == "http://127.0.0.1:8000/base/v1"
        given_ = Cassette(path, mode).client(base_url="http://127.0.0.1:9/v1", api_key=KEY, project="a/b")
        assert (str(given_.base_url), given_.project) == ("http://127.0.0.1:9/v1", "a/b")
    assert str(Cassette(path).client(api_key=KEY).base_url) == "https://api.inference.wandb.ai/v1"


# --- Files that are none ----------------------------------------------------------------------------------------------

GOOD = {
    "format": "wandb_inference.cassette",
    "version": 1,
    "exchanges": [{"request": {"method": "POST", "url": URL}, "response": {"status": 200, "events": [[0, "x"]]}}],
}


def changed(*path, to):
    """The good document with one thing changed."""
    document = json.loads(json.dumps(GOOD))
    place = document
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    return json.dumps(document)


ANSWER = ("exchanges", 0, "response")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("<<<<<<< HEAD\n{}", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it is no cassette of this package"),
        ('{"interactions": []}', "it is no cassette of this package. Cassette writes such files"),
        (changed("version", to=2), "its version is 2, and this package reads 1. Update wandb-inference"),
        (changed("version", to="1"), "its version is '1'"),
        (changed("exchanges", to={}), "exchanges: Input should be a valid list"),
        (changed("exchanges", 0, "request", to={"method": "POST"}), "exchanges[0].request.url: Field required"),
        (changed("exchanges", 0, "extra", to=1), "exchanges[0].extra: Extra inputs are not permitted"),
        (
            changed(*ANSWER, "seconds", to=-1),
            "[0].response.seconds: Input should be greater than or equal to 0",
        ),
        (changed(*ANSWER, "base64", to="?"), "exchanges[0].response.base64: Value error"),
        (changed(*ANSWER, "events", to=[[]]), "a row begins with its seconds"),
        (changed(*ANSWER, "events", to=[["x"]]), "a row begins with its seconds"),
        (changed(*ANSWER, "events", to=[[-1, "x"]]), "a row begins with its seconds"),
        (changed(*ANSWER, "events", to=[[0, 7]]), "a part of a row is an object, a text or a list"),
        (changed(*ANSWER, "events", to=[[0, ["base64"]]]), 'a list in a row is ["base64", "..."]'),
        (changed(*ANSWER, "events", to=[[0, ["base64", 7]]]), 'a list in a row is ["base64", "..."]'),
        (changed(*ANSWER, "events", to=[[0, ["base64", "?"]]]), "events[0]: Value error"),
        (
            changed("exchanges", 0, "response", to=None),
            "exchanges[0]: Value error, there is neither response nor error",
        ),
    ],
    ids=lambda text: str(text)[-20:],
)
def test_files_that_cannot_be_read(path, text, says):
    """A file that is no cassette is an error at once, with what is wrong and where."""
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Cassette(path)

    assert f"The cassette {str(path)!r} can't be read: " in str(caught.value)
    assert says in str(caught.value)


def test_a_good_file(path):
    """A file written by hand is read, with a BOM too, and mode record looks at none."""
    path.write_text("﻿" + json.dumps(GOOD))
    assert replay(path).content == b"x"
    path.write_text("{")
    Cassette(path, "record")


def test_a_folder(tmp_path):
    """A folder is no file."""
    with pytest.raises(ConfigurationError, match="can't be read: Is a directory"):
        Cassette(tmp_path)


def test_nowhere_to_write(tmp_path):
    """Where nothing can be written, nothing is sent."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="can't be written"):
        record(tmp_path / "file" / "x.json", AssertionError("sent"))


def test_a_folder_that_is_protected(path, monkeypatch):
    """Where a folder takes no file, nothing is sent either."""
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(ConfigurationError, match="its folder is write-protected"):
        record(path, AssertionError("sent"))


def test_a_disk_that_fails(path, monkeypatch):
    """An answer is not lost with the file; the file is written when that works again."""

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    cassette = Cassette(path, transport=Scripted(httpx.Response(200, text="a"), httpx.Response(200, text="b")))
    with httpx.Client(transport=cassette) as client:
        with monkeypatch.context() as patch, pytest.warns(UserWarning, match="can't be written: No space left"):
            patch.setattr("wandb_inference.testing._deck.replace_file", fail)
            assert client.get(URL).text == "a"
        assert not path.exists()
        cassette.close()
        assert only(path)["response"]["text"] == "a"


def test_it_is_written_whole(path, monkeypatch):
    """Other folders on the way, and a crash while it is written, leave the file that was there."""
    record(path, httpx.Response(200, text="a"))
    before = path.read_bytes()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("os.fsync", lambda number: (_ for _ in ()).throw(KeyboardInterrupt))
        record(path, httpx.Response(200, text="b"))

    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["cassette.json"]


def test_another_folder(tmp_path, monkeypatch):
    """A relative path is that of the folder where the cassette was made."""
    monkeypatch.chdir(tmp_path)
    cassette = Cassette(Path("a") / "b.json", transport=Scripted(httpx.Response(200)))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with httpx.Client(transport=cassette) as client:
        client.get(URL)

    assert cassette.path == tmp_path / "a" / "b.json"
    assert cassette.mode == "auto"
    assert cassette.path.exists()


# --- Wrong inputs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "none"}, 'mode is "none", as vcrpy calls it. Write mode="replay".'),
        ({"mode": "once"}, 'mode is "once", as vcrpy calls it. Write mode="auto".'),
        ({"mode": "new_episodes"}, 'Write mode="auto".'),
        ({"mode": "all"}, 'Write mode="record".'),
        ({"mode": "rec"}, "mode is 'rec'. auto plays what is there"),
        ({"mode": 1}, "mode is 1. auto plays what is there"),
        ({"speed": -1}, "speed is -1. It is how many times the original speed"),
        ({"speed": float("nan")}, "speed is nan"),
        ({"speed": float("inf")}, "speed is inf"),
        ({"speed": "1"}, "speed is '1'"),
        ({"speed": True}, "speed is True"),
        ({"match_on": "body"}, "match_on is 'body'. Give a list of names: match_on=[\"body\"]."),
        (
            {"match_on": ["uri"]},
            'match_on names "uri", which there is not. Did you mean scheme, host, port, path and query?',
        ),
        ({"match_on": ["bodi"]}, "Did you mean body?"),
        ({"match_on": ["xyz"]}, "There are method, scheme, host"),
        ({"match_on": []}, "match_on is empty"),
        ({"match_on": [1]}, "match_on is [1]. Give a list of names."),
        ({"match_on": 7}, "match_on is 7"),
        ({"keep_headers": "x-a"}, "keep_headers is 'x-a'"),
        ({"drop_headers": b"x-a"}, "drop_headers is b'x-a'"),
        ({"filter": "Hill"}, "filter is 'Hill'. Give a function"),
        ({"transport": "x"}, "transport is of type str. Give a transport of httpx"),
        ({"transport": httpx.Client()}, "transport is of type Client"),
        ({"transport": httpx.HTTPTransport}, "transport is the class HTTPTransport"),
        ({"path": ""}, "path is ''. Give the path of a file"),
        ({"path": None}, "path is None"),
        ({"path": b"x"}, "path is b'x'"),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:30],
)
def test_mistakes(tmp_path, options, says):
    """What makes no sense is told before anything is read or sent."""
    with pytest.raises(ConfigurationError) as caught:
        Cassette(**{"path": tmp_path / "x.json", **options})
    assert says in str(caught.value)


def test_a_transport_for_async_clients(path):
    """A transport that does not fit a blocking client is told of, and nothing is recorded."""
    with (
        httpx.Client(transport=Cassette(path, transport=httpx.AsyncHTTPTransport())) as client,
        pytest.raises(ConfigurationError, match=r"AsyncHTTPTransport, has no handle_request\. A blocking client"),
    ):
        client.get(URL)


async def test_a_transport_for_blocking_clients(path):
    """A transport that does not fit an async client is told of, and nothing is recorded."""
    async with httpx.AsyncClient(transport=Cassette(path, transport=httpx.HTTPTransport())) as client:
        with pytest.raises(ConfigurationError, match="HTTPTransport, has no handle_async_request"):
            await client.get(URL)


def test_other_libraries_requests(path):
    """A request of another library is a clear error."""
    with pytest.raises(TypeError, match="make the client with httpx"):
        Cassette(path).handle_request("GET")
    with pytest.raises(httpx.UnsupportedProtocol):
        Cassette(path).handle_request(httpx.Request("GET", "ftp://x.test/"))


# --- Stand-ins and spellings ------------------------------------------------------------------------------------------


def test_stars_of_a_prompt_are_no_stand_in(path):
    """What looks like a stand-in and was in the prompt matches itself alone."""
    record(path, httpx.Response(200, json={}), json={"text": "*** and team/project"})

    assert "hidden" not in only(path)["request"]
    assert replay(path, json={"text": "*** and team/project"}).status_code == 200
    for other in ("one and team/project", "*** and my/own"):
        with pytest.raises(CassetteMissError, match="text: "):
            replay(path, json={"text": other})


def test_places_of_stand_ins(path):
    """Places where something was taken out are told, and anything matches there: who replays has another project."""
    body = {"messages": [{"content": f"We are {PROJECT}."}, {"content": "***"}], "user": KEY}
    record(path, httpx.Response(200, json={}), json=body, headers={**HEADERS, "x-note": f"for {PROJECT}"})

    assert only(path)["request"]["hidden"] == ["headers.x-note", "messages[0].content", "user"]
    played = {"messages": [{"content": "We are my/own."}, {"content": "***"}], "user": "me"}
    assert replay(path, json=played).status_code == 200
    with pytest.raises(CassetteMissError):
        replay(path, json={**played, "user": 7})


def test_a_text_without_json_has_a_place(path):
    """A body that is no JSON is compared by its stand-ins as well."""
    record(path, httpx.Response(200), content=f"key={KEY}&a".encode())

    assert only(path)["request"]["hidden"] == ["body"]
    assert replay(path, content=b"key=other&a").status_code == 200


SPELT = [
    {"token": part, "bytes": [*part.encode()], "logprob": -0.1, "top_logprobs": []} for part in (KEY[:10], KEY[10:])
]


def test_tokens_spell_no_secret(path):
    """An answer in which something was taken out is kept without what would spell it token by token."""
    choice = {"index": 0, "message": {"content": KEY}, "logprobs": {"content": SPELT}, "token_ids": [1, 2]}
    record(path, httpx.Response(200, json={"choices": [choice]}), json={})

    [kept] = only(path)["response"]["body"]["choices"]
    assert kept == {"index": 0, "message": {"content": "***"}, "logprobs": None, "token_ids": None}


def test_tokens_of_a_prompt_spell_no_secret(path):
    """Nor does an answer that tells the prompt's tokens, where something was taken out of the prompt."""
    record(path, httpx.Response(200, json={"prompt_token_ids": [1, 2], "a": 1}), json={"text": PROJECT})

    assert only(path)["response"]["body"] == {"prompt_token_ids": None, "a": 1}


def test_tokens_of_others_are_kept(path):
    """Where nothing was taken out, all of it is there."""
    choice = {"logprobs": {"content": [{"token": "Hi", "bytes": [72], "logprob": -0.1}]}}
    record(path, httpx.Response(200, json={"choices": [choice]}), json={})

    assert only(path)["response"]["body"]["choices"] == [choice]


@pytest.mark.parametrize("field", ["text", "delta"])
def test_pieces_spell_no_secret(path, field):
    """Pieces of a stream of either kind are looked at together, and their tokens are left out."""

    def piece(text, entry):
        inside = {"text": text} if field == "text" else {"delta": {"content": text}}
        return b"data: " + json.dumps({"choices": [{"index": 0, **inside, "logprobs": {"content": [entry]}}]}).encode()

    record(path, stream(*(piece(each["token"], each) + b"\n\n" for each in SPELT)), json={})

    text = path.read_text()
    assert KEY[:10] not in text
    assert KEY[10:] not in text
    assert 'logprob"' not in text


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("accessToken", "abc", "***"),
        ("token", "abc", "***"),
        ("private_key", "abc", "***"),
        ("X-Api-Key", ["a", "b"], ["***", "***"]),
        ("PASSWORD", "abc", "***"),
        ("clientSecret", "", ""),
        ("password", {"type": "string"}, {"type": "string"}),
        ("max_tokens", 5, 5),
        ("tokens", "abc", "abc"),
        ("eos_token", "</s>", "</s>"),
        ("key", "abc", "abc"),
        ("foreign_key", "abc", "abc"),
        ("", "abc", "abc"),
    ],
)
def test_names_of_secrets(path, name, value, kept):
    """Fields whose names say that they hold a secret, however they are written; schemas and tokens of texts stay."""
    record(path, httpx.Response(200, json={name: value}), json={"inner": [{name: value}]})

    assert only(path)["response"]["body"] == {name: kept}
    assert only(path)["request"]["body"] == {"inner": [{name: kept}]}


def test_the_end_in_pieces(path):
    """The last event is known in whatever pieces it comes."""
    end = b"data: [DONE]\n\n"
    cassette = Cassette(path, transport=Scripted(stream(*(end[at : at + 1] for at in range(len(end))))))
    with httpx.Client(transport=cassette) as client, client.stream("POST", URL) as response:
        got = b""
        for piece in response.iter_raw():
            got += piece
            if got.endswith(b"[DONE]\n"):
                break

    assert "left" not in only(path)


def test_two_that_record_one_file(path):
    """One goes on where the other has left off; both at once is refused, as one would write over the other."""
    first = Cassette(path, transport=Scripted(*(httpx.Response(200, json={}) for _ in range(2)), stream(b"x", b"y")))
    second = Cassette(path, transport=Scripted(httpx.Response(200, json={})))
    with httpx.Client(transport=first) as one, httpx.Client(transport=second) as two:
        one.post(URL, json={"n": 1})
        two.post(URL, json={"n": 2})
        one.post(URL, json={"n": 3})
        assert [each["request"]["body"]["n"] for each in json.loads(path.read_text())["exchanges"]] == [1, 2, 3]
        with one.stream("POST", URL, json={"n": 4}), pytest.raises(ConfigurationError, match="by another Cassette"):
            two.post(URL, json={"n": 5})


def test_paths(tmp_path, monkeypatch):
    """A tilde is the home folder; what can be no path is told."""
    monkeypatch.setenv("HOME", str(tmp_path))
    record("~/cassette.json", httpx.Response(200, json={}), json={})

    assert (tmp_path / "cassette.json").exists()
    with pytest.raises(ConfigurationError, match="no character of code 0"):
        Cassette("a\0b")
    with pytest.raises(ConfigurationError, match="can't be read: Is a directory"):
        Cassette(tmp_path)


def test_changed_files(path):
    """Whatever a person makes of a file, it is read or refused by name: no other error comes of it."""
    record(path, stream(b'data: {"a":1}\n\n', b"x"), json={"text": PROJECT})
    whole = json.loads(path.read_text())
    dice = random.Random(7)
    odd = [None, True, -1, 1e400, "x", "***", [], [1], {}, {"x": 1}, [["base64", "="]]]

    def places(value, at=()):
        yield at
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in items:
            yield from places(item, (*at, key))

    for at in [at for at in places(whole) if at]:
        for value in (*dice.sample(odd, 4), "gone"):
            made = json.loads(json.dumps(whole))
            holder = made
            for key in at[:-1]:
                holder = holder[key]
            if value == "gone":
                del holder[at[-1]]
            else:
                holder[at[-1]] = value
            path.write_text(json.dumps(made))
            try:
                replay(path, json={"text": PROJECT})
            except (ConfigurationError, CassetteMissError, httpx.RequestError):
                continue
