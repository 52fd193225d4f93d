"""Faults: the same on a port, where they are real, and in process, where they are played."""

from __future__ import annotations

import json
from itertools import islice

import httpx
import pytest

from wandb_inference.testing import Emulator, Fault

from .asking import ask, choice, chunks, content, events, http, request

CUT_BODY = "peer closed connection without sending complete message body"
DISCONNECTED = "Server disconnected without sending a response"


def received(emulator, *, stream=True, timeout=5.0):
    """The body's text as far as it came, and the exception that ended it."""
    text = ""
    with http(emulator, timeout=timeout) as client:
        try:
            with client.stream("POST", "/chat/completions", json=request(stream=stream)) as response:
                for piece in response.iter_text():
                    text += piece
        except httpx.TransportError as error:
            return text, error
    return text, None


@pytest.mark.parametrize("after_chunks", [0, 1, 3, 1000])
@pytest.mark.parametrize(
    ("fault", "error"),
    [(Fault.cut, httpx.RemoteProtocolError), (Fault.reset, httpx.ReadError)],
    ids=["cut", "reset"],
)
def test_a_stream_breaks(either, fault, error, after_chunks):
    """The chunks before the break arrive, then comes the exception of a real connection."""
    either.fault(fault(after_chunks=after_chunks))
    text, raised = received(either)
    everything = events(ask(either, stream=True).text)

    assert type(raised) is error
    if error is httpx.RemoteProtocolError:  # a reset may throw away what is still on the way
        assert len(events(text)) == min(after_chunks, len(everything))
        assert CUT_BODY in str(raised)
    assert [request.outcome for request in either.requests] == ["sent", "sent"]


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault.cut(None), httpx.RemoteProtocolError, DISCONNECTED),
        (Fault.reset(), httpx.ReadError, "reset"),
    ],
    ids=["cut", "reset"],
)
def test_no_answer_at_all(either, fault, error, words):
    """A connection can end before the answer begins."""
    either.fault(fault)
    _, raised = received(either)

    assert type(raised) is error
    assert words in str(raised)


def test_refused(emulator):
    """In process a connection can be refused."""
    emulator.fault(Fault.refuse())

    with pytest.raises(httpx.ConnectError, match="Connection refused"):
        ask(emulator)


def test_refused_on_a_port():
    """On a port it is too late to refuse, so that the connection is reset."""
    with Emulator() as emulator:
        emulator.fault(Fault.refuse())
        with pytest.raises(httpx.ReadError):
            ask(emulator)


@pytest.mark.parametrize(("after_chunks", "some"), [(0, False), (1, True)])
def test_a_body_breaks(either, after_chunks, some):
    """Of an answer in one piece half arrives, or nothing."""
    either.fault(Fault.cut(after_chunks))
    text, raised = received(either, stream=False)

    assert isinstance(raised, httpx.RemoteProtocolError)
    assert bool(text) is some
    assert CUT_BODY in str(raised)


def test_stall_until_the_client_gives_up(either):
    """A stall lasts until the read timeout; what came before it has arrived."""
    either.fault(Fault.stall(after_chunks=2))
    text, raised = received(either, timeout=0.05)

    assert isinstance(raised, httpx.ReadTimeout)
    assert len(events(text)) == 2
    assert either.requests[0].headers
    _wait_for(lambda: either.requests[0].outcome == "left")


def test_stall_before_the_headers(either):
    """Not even the headers come."""
    either.fault(Fault.stall(after_chunks=None))
    text, raised = received(either, timeout=0.05)

    assert (text, type(raised)) == ("", httpx.ReadTimeout)
    _wait_for(lambda: either.in_flight == 0)
    assert either.requests[0].outcome == "left"


@pytest.mark.parametrize("after_chunks", [0, 1, None])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stall_that_ends(either, after_chunks, stream):
    """After a short stall the rest comes."""
    either.fault(Fault.stall(after_chunks, seconds=0.01))
    text, raised = received(either, stream=stream)

    assert raised is None
    assert text.endswith("data: [DONE]\n\n" if stream else "}")


def test_a_stall_with_comments(either):
    """Comments keep a read timeout from ending a stall, whether or not it ends itself."""
    either.fault(Fault.stall(1, seconds=0.04, comment_every=0.01))
    text, raised = received(either, timeout=0.5)

    assert raised is None
    assert text.count(": keep-alive") == 1 + 4
    assert text.endswith("data: [DONE]\n\n")


def test_a_stall_with_comments_for_ever(either):
    """Comments can go on until the client leaves."""
    either.fault(Fault.stall(1, comment_every=0.001))

    with http(either) as client, client.stream("POST", "/chat/completions", json=request(stream=True)) as response:
        lines = list(islice(response.iter_lines(), 40))
    assert lines.count(": keep-alive") > 15
    _wait_for(lambda: either.requests[0].outcome == "left")


def test_comments_need_a_body():
    """Comments can't come before the headers."""
    with pytest.raises(ValueError, match="after_chunks=0 or more"):
        Fault.stall(None, comment_every=1.0)


@pytest.mark.parametrize("stream", [False, True])
def test_drip(either, stream):
    """A dripping body is complete in the end, and came in small pieces."""
    either.reply("Hi.", times=2)
    whole = ask(either, stream=stream).text.replace("1767225602", "1767225601")
    either.fault(Fault.drip(bytes=100, seconds=0.0001))
    dripped = ask(either, stream=stream).text

    assert len(dripped) == len(whole)
    assert content(either)


def test_a_drip_keeps_the_pace():
    """What paused already goes on pausing."""
    emulator = Emulator(tokens_per_second=100_000)
    emulator.fault(Fault.drip(bytes=1000, seconds=0.0))

    assert ask(emulator, stream=True).text.endswith("data: [DONE]\n\n")


def test_bad_json(either):
    """One event is no JSON, the rest is as before."""
    either.fault(Fault.bad_json(after_chunks=2))
    *before, last = events(ask(either, stream=True).text)

    assert last == "[DONE]"
    broken = [item for item in before if not _is_json(item)]
    assert broken == [before[2]]


def test_bad_json_in_one_piece(either):
    """Half of a body, complete as HTTP goes."""
    either.fault(Fault.bad_json())
    answer = ask(either)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.text.startswith('{"id":')
    assert not _is_json(answer.text)


@pytest.mark.parametrize("named_event", [False, True])
def test_error_event(either, named_event):
    """A stream ends in an error object, with or without the event's name."""
    either.fault(Fault.error_event(429, "slow down", after_chunks=2, named_event=named_event))
    text = ask(either, stream=True).text

    error = {"error": {"code": 429, "message": "slow down", "type": "rate_limit_error"}}
    assert json.loads(events(text)[-1]) == error
    assert len(events(text)) == 3
    assert ("event: error\ndata: " in text) is named_event


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        (Fault.error_event(json={"message": "gone"}), {"message": "gone"}),
        (
            Fault.error_event("overloaded"),
            {
                "error": {
                    "code": "overloaded",
                    "message": "The server had an error while processing your request",
                    "type": "server_error",
                }
            },
        ),
    ],
    ids=["json", "word"],
)
def test_error_objects_of_other_shapes(either, fault, data):
    """The error object can have any shape; in one piece it comes with status 200."""
    either.fault(fault, times=2)

    assert json.loads(events(ask(either, stream=True).text)[-1]) == data
    answer = ask(either)
    assert (answer.status_code, answer.json()) == (200, data)


@pytest.mark.parametrize("stream", [False, True])
def test_html(either, stream):
    """A login page comes with status 200."""
    either.fault(Fault.html())
    answer = ask(either, stream=stream)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<html>" in answer.text


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 500, 503])
def test_status(emulator, status):
    """Each status has the service's documented body."""
    emulator.fault(Fault.status(status, headers={"x-extra": "1"}))
    answer = ask(emulator)

    assert (answer.status_code, answer.headers["x-extra"]) == (status, "1")
    assert answer.json()["error"]["message"]


def test_status_in_ones_own_words(emulator):
    """Message and code can be given, and how often."""
    emulator.fault(Fault.status(429, "no personal accounts", code="personal", times=2))

    for _ in range(2):
        assert ask(emulator).json()["error"] == {
            "code": "personal",
            "message": "no personal accounts",
            "type": "rate_limit_error",
        }
    assert ask(emulator).status_code == 200


def test_storm(either):
    """A storm passes after so many answers."""
    either.fault(Fault.storm(429, times=2, retry_after=0.5))
    answers = [ask(either) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert [answer.headers.get("retry-after") for answer in answers] == ["0.5", "0.5", None]


def test_storms_on_end(emulator):
    """A storm can come several times, or never end."""
    emulator.fault(Fault.storm(503, times=2), times=2)
    assert [ask(emulator).status_code for _ in range(5)] == [503, 503, 503, 503, 200]

    emulator.fault(Fault.storm(503, times=2), times=None)
    assert {ask(emulator).status_code for _ in range(5)} == {503}


@pytest.mark.parametrize("stream", [False, True])
def test_empty(either, stream):
    """Nothing comes, in good order."""
    either.fault(Fault.empty())
    answer = ask(either, stream=stream)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")


def test_no_done(either):
    """Only `[DONE]` is missing."""
    either.fault(Fault.no_done())
    *_, last = events(ask(either, stream=True).text)

    assert json.loads(last)["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("done", [False, True])
def test_no_finish(either, done):
    """No chunk has a finish reason; `[DONE]` is a matter of choice."""
    either.fault(Fault.no_finish(done=done))
    data = events(ask(either, stream=True).text)

    assert (data[-1] == "[DONE]") is done
    assert len(data) == len(chunks(either)) - 1 + done
    assert all(json.loads(item)["choices"][0]["finish_reason"] is None for item in data if item != "[DONE]")


def test_end(either):
    """A stream ends too early, in good order."""
    either.fault(Fault.end(after_chunks=3))

    assert len(events(ask(either, stream=True).text)) == 3


@pytest.mark.parametrize("fault", [Fault.no_done(), Fault.no_finish(), Fault.end()], ids=lambda fault: fault.name)
def test_faults_of_streams_alone(emulator, fault):
    """What can only happen to a stream leaves other answers as they are."""
    emulator.fault(fault)

    assert choice(emulator) == choice(Emulator())


def test_faults_strike_scripted_answers(either):
    """A fault breaks what was scripted too, raw events included."""
    either.reply("One two three.")
    either.fault(Fault.cut(after_chunks=2))
    text, _ = received(either)
    assert len(events(text)) == 2

    either.reply(sse=b"data: 1\n\ndata: 2\n\ndata: 3\n\n")
    either.fault(Fault.cut(after_chunks=2))
    text, _ = received(either)
    assert text == "data: 1\n\ndata: 2\n\n"


def test_faults_in_order(emulator):
    """Faults strike one after the other, each the requests it is meant for."""
    emulator.fault(Fault.status(500), when=lambda request: request.path == "/v1/models")
    emulator.fault(Fault.status(503))

    assert ask(emulator).status_code == 503
    assert ask(emulator).status_code == 200
    with http(emulator) as client:
        assert client.get("/models").status_code == 500


def test_latency_and_faults(emulator):
    """A fault that replaces the answer comes as late as the answer would have."""
    emulator.reply("Late.", delay=0.2)
    emulator.fault(Fault.status(500))

    with http(emulator, timeout=0.05) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/chat/completions", json=request())


def test_printed():
    """A fault says what it is."""
    assert repr(Fault.storm()) == "Fault(name='storm(429, times=3)', times=3)"
    assert Fault.cut(2).name == "cut(after_chunks=2)"


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _wait_for(condition):
    """A server learns a little later than its client that the client has left."""
    import time

    for _ in range(500):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("waited in vain")
