from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wandb_inference._core.chunks import ChunkParser, unexpected_body
from wandb_inference._core.sse import SSEDecoder
from wandb_inference._core.wire import Context, Failure, Reply, Request, Timeouts
from wandb_inference.exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConcurrencyLimitError,
    InternalServerError,
    QuotaExceededError,
    RateLimitError,
    StreamInterruptedError,
)

BASE_URL = "https://api.inference.wandb.ai/v1"
SSE = "text/event-stream; charset=utf-8"


def request(base_url=BASE_URL):
    return Request("POST", f"{base_url}/chat/completions", {}, b"{}", Timeouts(), Context(base_url, "m"), stream=True)


def reply(kind: str | None = SSE, body=b""):
    headers = {"x-request-id": "r"} if kind is None else {"content-type": kind, "x-request-id": "r"}
    return Reply(200, headers, body, None, seconds=0.5, to_headers=0.5, elapsed=0.6, now=0.0)


def parser(kind: str | None = SSE, base_url=BASE_URL, **options):
    return ChunkParser(reply(kind), request(base_url), **options)


def sse(*events):
    return b"".join(b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n" for e in events)


def said(text, finish=None, index=0):
    return {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": finish}]}


def whole(data, kind: str | None = SSE, **options):
    """The parser after all of the bytes, and what it handed over."""
    found = parser(kind, **options)
    chunks = list(found.feed(data))
    return found, [*chunks, *found.feed(b"")]


USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
GOOD = sse(said("hel"), said("lo"), said("", "stop"), USAGE, b"[DONE]")


class TestGoodEnds:
    """Streams that end well."""

    def test_usual(self):
        """Chunks are handed over in order; the usage is kept, its chunk kept back."""
        found, chunks = whole(GOOD)

        assert [chunk.text for chunk in chunks] == ["hel", "lo", ""]
        assert found.done
        assert found.error is None
        assert found.accumulator.text == "hello"
        assert found.accumulator.usage is not None
        assert found.accumulator.usage.total_tokens == 3

    def test_usage_wanted(self):
        """The usage chunk is handed over where the caller asked for it."""
        _, chunks = whole(GOOD, keep_usage=True)

        assert chunks[-1].choices == []
        assert chunks[-1].usage is not None

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(sse(said("a", "stop")), id="no [DONE]"),
            pytest.param(sse(said("a", "stop"))[:-1], id="no blank line at the end"),
            pytest.param(sse(said("a", "stop")) + b"data: [DONE]", id="[DONE] without a line end"),
            pytest.param(sse(said("a"), b"[DONE]"), id="no finish_reason"),
            pytest.param(sse(said("a", "stop")) + b": bye\n", id="comment at the end"),
            pytest.param(sse(said("a", "stop")) + b'data: {"usage"', id="cut after the end"),
            pytest.param(sse(said("a")) + b"data:[DONE]\n\n", id="[DONE] without a space"),
            pytest.param(sse(said("a")) + b"data:  [DONE] \n\n", id="[DONE] within spaces"),
            pytest.param(sse(said("a", "stop")).replace(b"data: ", b"data:"), id="no space"),
            pytest.param(sse(said("a", "stop")).replace(b"\n", b"\r\n"), id="CRLF"),
            pytest.param(b": keep-alive\n\n" + sse(said("a", "stop")), id="comment"),
            pytest.param(b"data:\n\ndata: \n\n" + sse(said("a", "stop")), id="empty data"),
            pytest.param(b"event: ping\ndata:  \n\n" + sse(said("a", "stop")), id="ping"),
            pytest.param(b"\xef\xbb\xbf" + sse(said("a", "stop")), id="BOM"),
            pytest.param(sse({"choices": []}, said("a", "stop")), id="a chunk that says nothing"),
            pytest.param(sse({"choices": None}, said("a", "stop")), id="null choices"),
            pytest.param(sse({}, said("a", "stop")), id="an empty object"),
            pytest.param(sse({"error": None, **said("a", "stop")}), id="no error"),
            pytest.param(sse({"error": {}, **said("a", "stop")}), id="an empty error beside choices"),
            pytest.param(sse({"message": "hi", **said("a", "stop")}), id="a message beside choices"),
            pytest.param(sse({"usage": USAGE["usage"], "message": "", "choices": []}, said("a", "stop")), id="extras"),
            pytest.param(sse({"id": 7, "created": 1.5, "object": None, **said("a", "stop")}), id="odd types"),
            pytest.param(sse(said("a", "stop"), said("b")), id="words after the end"),
            pytest.param(
                sse({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}), id="a message for a delta"
            ),
        ],
    )
    def test_odd(self, data):
        """What servers add or leave out keeps no stream from ending well."""
        found, chunks = whole(data)

        assert found.error is None
        assert found.done
        assert chunks[0].text == "a"

    def test_nothing_after_the_end(self):
        """What comes after [DONE] is not read."""
        found = parser()
        list(found.feed(GOOD))

        assert list(found.feed(sse(said("more")))) == []
        assert list(found.feed(b"")) == []
        assert found.accumulator.text == "hello"

    def test_invalid_utf8(self):
        """Broken UTF-8 becomes U+FFFD."""
        _, chunks = whole(b'data: {"choices":[{"delta":{"content":"caf\xe9"}}]}\n\n' + sse(b"[DONE]"))

        assert chunks[0].text == "caf\ufffd"

    def test_separators_within_text(self):
        """U+2028, U+2029 and U+0085 end no line."""
        text = "a\u2028b\u2029c\u0085d"

        _, chunks = whole(b"data: " + json.dumps(said(text), ensure_ascii=False).encode() + b"\n\n" + sse(b"[DONE]"))

        assert chunks[0].text == text

    def test_several_answers(self):
        """A stream of two answers has ended when both have."""
        assert whole(sse(said("a", "stop"), said("b", "stop", 1)), answers=2)[0].done
        found, _ = whole(sse(said("a", "stop")), answers=2)

        assert isinstance(found.error, StreamInterruptedError)

    def test_reasoning_and_tools(self):
        """Thinking and tool calls without index reach the caller as they came."""
        first = {"choices": [{"delta": {"reasoning_content": "hm"}}]}
        second = {"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}}]}

        _, chunks = whole(sse(first, second, said("", "tool_calls")))

        assert chunks[0].reasoning == "hm"
        called = chunks[1].choices[0].delta.tool_calls
        assert called is not None
        assert called[0].function is not None
        assert called[0].function.arguments == '{"a": 1}'

    def test_events_are_counted(self):
        """Data events count, comments and empty ones don't."""
        found = parser()

        list(found.feed(b": one\n\n: two\n\ndata:\n\n"))
        assert found.events == 0
        list(found.feed(sse(said("a"), USAGE)))
        assert found.events == 2


@settings(deadline=None)
@given(st.lists(st.integers(0, len(GOOD)), max_size=6))
def test_cut_anywhere(cuts):
    """However the bytes are cut, the chunks are the same."""
    edges = [0, *sorted(cuts), len(GOOD)]
    found = parser()

    chunks = [chunk for start, end in pairwise(edges) if start < end for chunk in found.feed(GOOD[start:end])]

    assert chunks == whole(GOOD)[1]
    assert found.done


def test_one_byte_at_a_time():
    """A chunk is handed over with the last byte of its event."""
    found = parser()
    data = sse(said("a"), said("b"))

    arrived = [at for at in range(len(data)) for _ in found.feed(data[at : at + 1])]

    assert arrived == [len(sse(said("a"))) - 1, len(data) - 1]


ERRORS = [
    ({"error": {"message": "m", "code": 429}}, RateLimitError),
    ({"error": {"message": "m", "type": "overloaded_error"}}, InternalServerError),
    ({"error": {"message": "Concurrency limit reached", "code": "rate_limit_exceeded"}}, ConcurrencyLimitError),
    ({"error": {"message": "m", "code": "insufficient_quota"}}, QuotaExceededError),
    ({"error": "m"}, InternalServerError),
    ({"error": {"message": "m"}, "choices": []}, InternalServerError),
    ({"error": {"message": "m"}, "choices": None}, InternalServerError),
    ({"error": {"message": "m", "code": "invalid_api_key"}, "id": 7}, AuthenticationError),
    ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400}, BadRequestError),
    ({"object": "error", "code": 400}, BadRequestError),
    ({"message": "m", "code": 400}, BadRequestError),
    ({"detail": "m"}, InternalServerError),
    ({"detail": [{"loc": ["body"], "msg": "m"}], "status": 400}, BadRequestError),
    ({"detail": {"message": "m"}}, InternalServerError),
    ([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}], BadRequestError),
]


class TestErrorsInside:
    """Errors that come as an event."""

    @pytest.mark.parametrize(("value", "cls"), ERRORS)
    @pytest.mark.parametrize("before", [b"", sse(said("a"))], ids=["first", "later"])
    @pytest.mark.parametrize("event", [b"", b"event: error\n"], ids=["data", "event: error"])
    def test_shapes(self, value, cls, before, event):
        """An error object of any shape has its class, after the chunks before it."""
        found = parser()

        chunks = list(found.feed(before + event + sse(value) + sse(said("never"))))

        assert [chunk.text for chunk in chunks] == (["a"] if before else [])
        assert type(found.error) is cls
        assert not found.done
        assert found.error.request_id == "r"
        assert list(found.feed(sse(said("more")))) == []

    @pytest.mark.parametrize(
        ("event", "message"),
        [
            (b"event: error\ndata: out of memory\n\n", "out of memory"),
            (b"event: error\ndata:\n\n", "an error event without a message"),
            (b'event: error\ndata: {"why": "m"}\n\n', '{"why": "m"}'),
            (b'event: error\ndata: {"error\n\n', '{"error'),
            (b'event: error\ndata: "m"\n\n', "m"),
            (b"event: error\ndata: 7\n\n", "7"),
        ],
    )
    def test_error_events(self, event, message):
        """An event of the type `error` is one, whatever its data."""
        found, _ = whole(sse(said("a")) + event)

        assert isinstance(found.error, InternalServerError)
        assert found.error.message == message

    def test_beside_choices(self):
        """Text that comes with an error is among what had arrived."""
        found, chunks = whole(sse(said("first, "), {"error": {"message": "m", "code": 503}, **said("last words")}))

        assert [chunk.text for chunk in chunks] == ["first, "]
        assert found.accumulator.text == "first, last words"
        assert isinstance(found.error, InternalServerError)


class TestBadEnds:
    """Ends that are not ends."""

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (sse(said("a")), "ended early"),
            (sse(said("a")) + b'data: {"ch', "ended early"),
            (sse(said("a"), b'{"choices": ['), "can't be read"),
            (sse(said("a"), b"<html>"), "can't be read"),
            (sse(said("a"), b"7"), "can't be read"),
            (sse(said("a"), b"[" * 100_000), "can't be read"),
            (sse(said("a"), [said("b")]), "can't be read"),
            (sse(said("a", "stop"), said("b", None, 1)), "ended early"),
        ],
    )
    def test_after_a_chunk(self, data, words):
        """What was said before is handed over, then there is one error."""
        found, chunks = whole(data)

        assert chunks[0].text == "a"
        assert type(found.error) is StreamInterruptedError
        assert words in found.error.message

    def test_bad_json_shows_its_beginning(self):
        """The error about an event shows how it begins, and not all of it."""
        found, _ = whole(sse(b"{" + b"x" * 10_000))

        assert found.error is not None
        assert "{xxx" in found.error.message
        assert len(found.error.message) < 500

    @pytest.mark.parametrize(
        "data", [b"", b": keep-alive\n\n", b"\n\n\n", b"data:\n\n", b"event: ping\n\n", b"\xef\xbb\xbf"]
    )
    def test_empty(self, data):
        """A stream in which nothing came can be tried again."""
        found, chunks = whole(data)

        assert chunks == []
        assert type(found.error) is StreamInterruptedError
        assert found.error.message == "api.inference.wandb.ai:443: the stream ended before anything came"

    def test_html(self):
        """A page is no stream."""
        found, _ = whole(b"<html><body>Sign in</body></html>", "text/html", base_url="https://proxy.example")

        assert isinstance(found.error, APIResponseValidationError)
        assert found.error.body == "<html><body>Sign in</body></html>"
        assert "an HTML page instead of a stream" in found.error.message
        assert "does not end in /v1" in (found.error.hint or "")

    @pytest.mark.parametrize("kind", [SSE, "application/json", None])
    @pytest.mark.parametrize(("value", "cls"), ERRORS)
    def test_json_error_as_body(self, value, cls, kind):
        """An error object in place of a stream has its class."""
        found, _ = whole(json.dumps(value, indent=1).encode(), kind)

        assert type(found.error) is cls

    def test_completion_as_body(self):
        """A complete answer in place of a stream is not what was asked for."""
        found, _ = whole(b'{"choices": [{"message": {"content": "a"}}]}', "application/json")

        assert isinstance(found.error, APIResponseValidationError)
        assert "with application/json instead of a stream" in found.error.message

    @pytest.mark.parametrize("kind", ["text/plain", SSE])
    def test_plain_text(self, kind):
        """Neither is plain text, though with the right content type it may be a stream that was cut."""
        found, _ = whole(b"upstream is down", kind)

        assert type(found.error) is (APIResponseValidationError if kind == "text/plain" else StreamInterruptedError)

    def test_only_the_beginning_is_kept(self):
        """Of a body without events at most its first part is kept."""
        found = parser("text/plain")
        for _ in range(100):
            list(found.feed(b"x" * 1024))
        list(found.feed(b""))

        assert isinstance(found.error, APIResponseValidationError)
        assert len(found.error.body) == 2048


class TestTooLarge:
    """An event that never ends."""

    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch):
        monkeypatch.setattr("wandb_inference._core.chunks.SSEDecoder", lambda: SSEDecoder(max_event_bytes=200))

    def test_alone(self):
        """It is an interrupted stream, after the chunks before it."""
        found = parser()

        chunks = list(found.feed(sse(said("a")) + b"data: " + b"x" * 300))

        assert [chunk.text for chunk in chunks] == ["a"]
        assert type(found.error) is StreamInterruptedError
        assert "larger than 200 bytes" in found.error.message

    def test_after_an_end(self):
        """After [DONE] or an error it does not matter."""
        good, bad = parser(), parser()

        list(good.feed(sse(said("a"), b"[DONE]") + b"x" * 300))
        list(bad.feed(sse({"error": {"message": "m", "code": 429}}) + b"x" * 300))

        assert good.done
        assert good.error is None
        assert isinstance(bad.error, RateLimitError)


class TestBroken:
    """The connection broke off."""

    CUT = Failure(OSError("cut"), "connection reset", "unknown", None, permanent=False, seconds=1.0, elapsed=1.0)

    def test_in_the_middle(self):
        """That is an interrupted stream, whose cause is the transport's."""
        found = parser()
        list(found.feed(sse(said("a"))))

        found.fail(self.CUT)

        assert type(found.error) is StreamInterruptedError
        assert found.error.message == "api.inference.wandb.ai:443: the stream broke off: connection reset"
        assert found.error.__cause__ is self.CUT.cause

    def test_after_every_answer(self):
        """If only [DONE] is missing, the stream has ended well."""
        found = parser()
        list(found.feed(sse(said("a", "stop"))))

        found.fail(self.CUT)

        assert found.done
        assert found.error is None

    def test_by_a_clock(self):
        """A clock that ran out is a timeout."""
        found = parser()
        list(found.feed(sse(said("a"))))

        found.fail(self.CUT._replace(clock="stall"))

        assert isinstance(found.error, APITimeoutError)
        assert isinstance(found.error, APIConnectionError)
        assert found.error.clock == "stall"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes(pieces):
    """Whatever comes, the stream has either ended well or has an error of ours."""
    found = parser()
    for piece in pieces:
        list(found.feed(piece))
    list(found.feed(b""))

    assert found.done != isinstance(found.error, APIError)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "error", "message", "detail", "usage", "object", "index", "id", "content"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.lists(JSON, max_size=4), st.sampled_from([b"", b"event: error\n"]), st.sampled_from([SSE, "text/html", None]))
def test_any_events(values, event, kind):
    """The same for events of any JSON, and what has arrived can be read in any case."""
    found, chunks = whole(b"".join(event + sse(value) for value in values), kind)

    assert found.done != isinstance(found.error, APIError)
    assert all(isinstance(chunk.text, str) for chunk in chunks)
    found.accumulator.snapshot().model_dump()


class TestUnexpectedBody:
    """A success that is no answer."""

    def error(self, body, kind: str | None = "application/json", base_url=BASE_URL, reason=""):
        return unexpected_body(reply(kind, body), request(base_url), body, "a completion", reason)

    @pytest.mark.parametrize(
        "value",
        [
            {"error": {"message": "no such luck", "code": 500}},
            {"error": "no such luck"},
            {"detail": "no such luck"},
            {"detail": [{"msg": "no such luck"}]},
            {"message": "no such luck"},
            {"error": {"message": "no such luck"}, "choices": None},
            {"message": "no such luck", "choices": []},
            {"object": "error", "message": "no such luck"},
            [{"error": {"message": "no such luck"}}],
        ],
    )
    def test_error_object(self, value):
        """The server's own words are in the message."""
        error = self.error(json.dumps(value).encode())

        assert error.message == (
            "api.inference.wandb.ai:443 answered 200, but with an error (no such luck) instead of a completion"
        )
        assert error.hint == "The body's beginning is on `.body`."

    @pytest.mark.parametrize("body", [b"", b" \n "])
    def test_nothing(self, body):
        """An empty body is called nothing."""
        assert "with nothing instead of a completion" in self.error(body).message

    def test_html(self):
        """A page below /v1 may be a proxy's."""
        error = self.error(b"Sign in", "text/html")

        assert "an HTML page" in error.message
        assert "proxy" in (error.hint or "")

    def test_reason(self):
        """For anything else the message has the content type and the reason."""
        assert "with application/json: no choices instead of" in self.error(b'{"id": "x"}', reason="no choices").message
        assert "with no content type instead of" in self.error(b"7", None).message

    def test_what_it_carries(self):
        """Status, request id, headers and the body's first 2 KiB are plain attributes."""
        error = self.error(b"x" * 5000, "text/plain")

        assert (error.status_code, error.request_id, error.body) == (200, "r", "x" * 2048)
        assert error.headers["content-type"] == "text/plain"
