from __future__ import annotations

import json
import pickle

import pytest

from wandb_inference._core.accumulate import ChatAccumulator
from wandb_inference._core.call import ChatCall
from wandb_inference._core.flow import Journal, Quirks
from wandb_inference._core.retry import RetryPolicy
from wandb_inference._core.stream import StreamState
from wandb_inference._core.wire import Context, Failure, Reply, Request, Timeouts
from wandb_inference.exceptions import APITimeoutError, AttemptRecord, RateLimitError, StreamInterruptedError

BASE_URL = "https://api.inference.wandb.ai/v1"
REQUEST = Request("POST", f"{BASE_URL}/chat/completions", {}, b"{}", Timeouts(), Context(BASE_URL, "m"), stream=True)
RECORD = AttemptRecord(200, None, "answered", 0.0, 0.5, "r")
CUT = Failure(OSError("cut"), "connection reset", "unknown", None, permanent=False, seconds=1.0, elapsed=1.0)


def reply(request_id="r"):
    headers = {"content-type": "text/event-stream", "x-request-id": request_id}
    return Reply(200, headers, b"", None, seconds=0.5, to_headers=0.5, elapsed=0.5, now=0.0)


def stream(retries=2, keep_usage=False):
    journal = Journal(RetryPolicy(retries), jitter=lambda: 0.0)
    journal.records.append(RECORD)
    return StreamState(ChatCall(REQUEST, journal, "key", None, Quirks(), keep_usage, answers=1), reply())


def take(state, read, elapsed):
    """What a read hands over, as a loop over the stream takes it."""
    state.take(read, elapsed)
    return list(state.arrived)


def event(finish=None, usage=None, **delta):
    chunk = {"choices": [{"delta": delta, "finish_reason": finish}], "usage": usage}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}


def test_a_good_stream():
    """Chunks wait to be handed over; text, usage and timings are there at the end."""
    state = stream()

    take(state, event(role="assistant", content=""), 1.0)
    take(state, event(content="a"), 2.0)
    chunks = take(state, event(content="b") + event(content="c", finish="stop", usage=USAGE) + DONE, 4.0)
    state.close(4.0)

    assert [chunk.text for chunk in chunks] == ["b", "c"]
    assert state.done
    assert state.retry(4.0) is None
    assert state.text == "abc"
    assert state.usage is not None
    assert state.usage.completion_tokens == 5
    meta = state.meta
    assert (meta.to_headers, meta.to_first_token, meta.total) == (0.5, 2.0, 4.0)
    assert (meta.request_id, meta.attempts, meta.completion_tokens) == ("r", (RECORD,), 5)
    assert meta.tokens_per_second == 2.0


@pytest.mark.parametrize(
    "delta", [{"content": "a"}, {"reasoning": "a"}, {"reasoning_content": "a"}, {"tool_calls": [{"index": 0}]}]
)
def test_the_first_token(delta):
    """Text, thinking and tool calls count as the first token; a role does not."""
    state = stream()

    take(state, event(role="assistant"), 1.0)
    assert state.meta.to_first_token is None
    take(state, event(**delta), 2.0)
    take(state, event(**delta), 3.0)

    assert state.meta.to_first_token == 2.0


def test_while_it_runs():
    """Before the end there are no total and no usage, and the text so far."""
    state = stream()
    take(state, event(content="a"), 1.0)

    assert (state.meta.total, state.meta.completion_tokens, state.usage, state.text) == (None, None, None, "a")
    assert not state.done


def test_closed_early():
    """A stream that was left keeps what had arrived, taken or not, and the time of its first close."""
    state = stream()
    state.take(event(content="a") + event(content="b"), 1.0)
    assert next(state.arrived).text == "a"

    state.close(2.0)
    state.close(9.0)

    assert (state.text, state.meta.total) == ("ab", 2.0)
    assert not list(state.arrived)


def test_closed_while_a_chunk_is_read(monkeypatch):
    """A close from elsewhere, in the middle of a chunk, leaves that chunk to the loop that reads it."""
    state = stream()
    monkeypatch.setattr(ChatAccumulator, "add", lambda *_: state.close(2.0))
    state.take(event(content="a"), 1.0)

    assert [chunk.text for chunk in state.arrived] == ["a"]
    assert state.meta.total == 2.0


@pytest.mark.parametrize(
    ("data", "had_data"),
    [(b": keep-alive\n\n", False), (b"data: {", False), (b"data:\n\n", False), (event(content="a"), True)],
)
def test_what_feeds_the_stall_clock(data, had_data):
    """Only a data event does: no comment, and no piece of an event."""
    state = stream()
    assert state.had_data

    take(state, data, 1.0)

    assert state.had_data is had_data


class TestBroken:
    """Streams that break."""

    def test_before_the_first_chunk(self):
        """It is tried again like any request, and the new reply takes its place."""
        state = stream()
        take(state, b": wait\n\n", 0.8)
        take(state, CUT, 1.0)

        flow = state.retry(1.0)

        assert flow is not None
        assert next(flow).wait == 0.5
        state.restart(reply("second"))
        assert not list(state.arrived)
        assert state.text == ""
        assert state.meta.request_id == "second"
        assert state.retry(2.0) is None

    def test_first_token_of_the_second(self):
        """The first token is the second stream's."""
        state = stream()
        take(state, CUT, 1.0)
        state.restart(reply())

        assert state.meta.to_first_token is None
        take(state, event(content="a"), 3.0)
        assert state.meta.to_first_token == 3.0

    def test_no_attempts_left(self):
        """Without retries the error is the caller's, with the attempts and nothing partial."""
        state = stream(retries=0)
        take(state, CUT, 1.0)
        flow = state.retry(1.0)
        assert flow is not None

        with pytest.raises(StreamInterruptedError) as caught:
            next(flow)

        assert caught.value.partial is None
        assert [(record.error, record.outcome) for record in caught.value.attempts] == [
            ("api.inference.wandb.ai:443: the stream broke off: connection reset", "unknown")
        ]

    def test_after_the_first_chunk(self):
        """It is never tried again: the error carries what had arrived, and pickles with it."""
        state = stream()
        take(state, event(content="so ", usage=USAGE) + event(content="far"), 1.0)
        take(state, CUT, 2.0)

        with pytest.raises(StreamInterruptedError) as caught:
            state.retry(2.0)

        for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
            assert error.text == "so far"
            assert error.partial.choices[0].finish_reason is None
            assert error.usage.completion_tokens == 5
            assert error.attempts == (RECORD._replace(error=error.message, outcome="unknown"),)
            assert error.meta.attempts == error.attempts
            assert error.meta.total == 2.0
            assert error.meta.request_id == "r"

    def test_error_event(self):
        """An error object inside has its class, and the same attributes."""
        state = stream()
        take(state, event(content="a"), 1.0)
        take(state, b'data: {"error": {"message": "slow down", "code": 429}}\n\n', 2.0)

        with pytest.raises(RateLimitError) as caught:
            state.retry(2.0)

        assert caught.value.text == "a"
        assert str(caught.value) == "429: slow down (r)"

    def test_by_a_clock(self):
        """A stall is a timeout with what had arrived."""
        state = stream()
        take(state, event(content="a"), 1.0)
        take(state, CUT._replace(clock="stall"), 121.0)

        with pytest.raises(APITimeoutError) as caught:
            state.retry(121.0)

        assert (caught.value.clock, caught.value.text) == ("stall", "a")

    def test_cut_after_the_answer(self):
        """A cut after every finish_reason is no error."""
        state = stream()
        take(state, event(content="a", finish="stop"), 1.0)
        take(state, CUT, 2.0)

        assert state.retry(2.0) is None
        assert state.done


class TestSecondLoop:
    """Loops over a stream after the first."""

    def test_goes_on(self):
        """Before its end a stream can be looped over, and after a good end once more: there is nothing left."""
        state = stream()
        state.check_open()
        take(state, event(content="a", finish="stop") + DONE, 1.0)
        state.close(1.0)

        state.check_open()

        assert state.done

    def test_after_an_early_close(self):
        """A stream that was left before its end says so, with what had arrived, instead of passing for an empty one."""
        state = stream()
        take(state, event(content="a"), 1.0)
        state.close(2.0)

        with pytest.raises(StreamInterruptedError, match="closed before its end") as caught:
            state.check_open()

        assert caught.value.text == "a"
        assert caught.value.attempts == (RECORD,)
        assert "in one loop" in (caught.value.hint or "")

    def test_closed_before_the_first_chunk(self):
        """Where no chunk was handed over there is nothing partial."""
        state = stream()
        state.close(1.0)

        with pytest.raises(StreamInterruptedError) as caught:
            state.check_open()

        assert caught.value.partial is None

    def test_after_an_error(self):
        """A stream that broke raises its error again."""
        state = stream()
        take(state, event(content="a"), 1.0)
        take(state, b'data: {"error": {"message": "slow down", "code": 429}}\n\n', 2.0)
        with pytest.raises(RateLimitError) as first:
            state.retry(2.0)

        with pytest.raises(RateLimitError) as second:
            state.check_open()

        assert second.value is first.value
        assert second.value.text == "a"
