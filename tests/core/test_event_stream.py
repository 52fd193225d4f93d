from __future__ import annotations

import pytest
from test_stream import CUT, DONE, RECORD, REQUEST, USAGE, event, reply, take

from wandb_inference._core.call import ChatCall
from wandb_inference._core.event_stream import EventState
from wandb_inference._core.flow import Journal, Quirks
from wandb_inference._core.retry import RetryPolicy
from wandb_inference._core.stream import StreamState
from wandb_inference._core.wire import Failure, Reply
from wandb_inference.exceptions import (
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    ServiceUnavailableError,
    StreamInterruptedError,
)


def made(kind, retries=2, final_only=False):
    journal = Journal(RetryPolicy(retries), jitter=lambda: 0.0)
    journal.records.append(RECORD)
    call = ChatCall(REQUEST, journal, "key", None, Quirks(), True, answers=1, final_only=final_only)
    return kind(call, reply())


def types(events):
    return [event.type for event in events]


class TestEvents:
    """Events in the place of chunks."""

    def test_a_good_stream(self):
        """What a read brings is handed over as events; the end tells what is left."""
        state = made(EventState)

        assert types(take(state, event(content="a") + event(content="b"), 1.0)) == ["content.delta", "content.delta"]
        assert types(take(state, DONE, 2.0)) == ["content.done"]
        assert state.done
        assert state.completion().text == "ab"
        assert state.completion().meta == state.meta

    def test_parsed(self):
        """Where a type was asked for, its parser makes the values of the events, and reads the whole answer."""

        class Lengths:
            value = 7

            def partial(self):
                return self

            def feed(self, delta):
                pass

            def validate(self, text):
                return len(text)

            def read(self, completion):
                return completion.model_copy(update={"id": "read"})

        state = made(lambda call, reply: EventState(call, reply, Lengths()))
        events = take(state, event(content="abc", finish="stop") + DONE, 1.0)

        assert [event.parsed for event in events if hasattr(event, "parsed")] == [7, 3]
        assert state.completion().id == "read"

    def test_read_when_taken(self):
        """A chunk is read when its first event is taken."""
        state = made(EventState)
        state.take(event(content="a") + event(content="b"), 1.0)

        assert next(state.arrived).delta == "a"
        assert state.text == "a"

    def test_cut_after_the_answer(self):
        """A cut when only the terminator is missing is a good end, and brings nothing twice."""
        state = made(EventState)

        assert types(take(state, event(content="a", finish="stop"), 1.0))[-1] == "finish"
        assert take(state, CUT, 2.0) == []
        assert state.done

    def test_broken(self):
        """A stream that breaks tells nothing as done."""
        state = made(EventState)
        take(state, event(content="a"), 1.0)

        assert take(state, CUT, 2.0) == []
        with pytest.raises(StreamInterruptedError) as caught:
            state.retry(2.0)
        assert caught.value.text == "a"

    def test_silence(self):
        """Once only the sum is wanted no event is made, of what has come and of what comes."""
        state = made(EventState)
        state.take(event(content="a") + event(content="b"), 1.0)
        next(state.arrived)

        state.silence()

        assert list(state.arrived) == []
        assert take(state, event(content="c", finish="stop", usage=USAGE) + DONE, 2.0) == []
        assert state.completion().text == "abc"

    def test_begins_anew(self):
        """A stream that is tried again begins its events anew."""
        state = made(EventState)
        take(state, CUT, 1.0)
        assert state.retry(1.0) is not None
        state.restart(reply("second"))

        assert types(take(state, event(content="a") + DONE, 2.0)) == ["content.delta", "content.done"]

    @pytest.mark.parametrize("data", [DONE, b'data: {"choices": []}\n\n' + DONE])
    def test_no_completion(self, data):
        """A stream that ends well without an answer adds up to none."""
        state = made(EventState)
        take(state, data, 1.0)

        with pytest.raises(APIResponseValidationError, match="instead of a completion") as caught:
            state.completion()
        assert len(caught.value.attempts) == 1


UNAVAILABLE = Reply(503, {}, b'{"error": {"message": "busy"}}', None, 0.5, 0.5, 3.0, now=0.0)
REFUSED = Failure(OSError("no"), "connection refused", "not_sent", None, permanent=False, seconds=1.0, elapsed=4.0)


class TestFinalOnly:
    """Streams that are for us alone."""

    def test_a_good_stream(self):
        """Nothing is handed over; text, usage and timings are there at the end."""
        state = made(StreamState, final_only=True)

        assert take(state, event(role="assistant"), 1.0) == []
        assert take(state, event(content="a"), 2.0) == []
        assert take(state, event(content="b", finish="stop", usage=USAGE) + DONE, 4.0) == []
        state.close(4.0)

        completion = state.completion()
        assert completion.text == "ab"
        assert completion.usage.completion_tokens == 5
        assert (completion.meta.to_first_token, completion.meta.total) == (2.0, 4.0)

    def test_the_first_token_by_a_template(self):
        """A chunk that a template fits counts as the first token as any other does."""
        state = made(StreamState, final_only=True)

        take(state, event(role="assistant", content=""), 1.0)
        take(state, event(content=""), 2.0)
        take(state, event(content="a"), 3.0)
        take(state, event(content="b"), 4.0)

        assert (state.text, state.meta.to_first_token) == ("ab", 3.0)

    def test_tried_again_after_text(self):
        """A stream that breaks is tried again though text had arrived, and begins anew."""
        state = made(StreamState, final_only=True)
        take(state, event(content="lost"), 1.0)
        take(state, CUT, 2.0)

        assert next(state.retry(2.0)).wait == 0.5
        state.restart(reply("second"))
        take(state, event(content="kept", finish="stop") + DONE, 4.0)

        completion = state.completion()
        assert completion.text == "kept"
        assert completion.meta.request_id == "second"
        assert completion.meta.to_first_token == 4.0

    def test_no_attempts_left(self):
        """The last error carries what had arrived."""
        state = made(StreamState, retries=0, final_only=True)
        take(state, event(content="so far"), 1.0)
        take(state, CUT, 2.0)

        with pytest.raises(StreamInterruptedError) as caught:
            next(state.retry(2.0))

        error = caught.value
        assert (error.text, error.meta.total, error.meta.request_id) == ("so far", 2.0, "r")
        assert [(record.outcome, record.error is None) for record in error.attempts] == [("unknown", False)]

    @pytest.mark.parametrize(
        ("last", "expected"), [(UNAVAILABLE, ServiceUnavailableError), (REFUSED, Exception)], ids=["503", "refused"]
    )
    def test_another_error_last(self, last, expected):
        """What had arrived before is not lost where the next attempt does not even begin."""
        state = made(StreamState, retries=1, final_only=True)
        take(state, event(content="so far", usage=USAGE), 1.0)
        take(state, CUT, 2.0)
        flow = state.retry(2.0)
        next(flow)

        with pytest.raises(expected) as caught:
            flow.send(last)

        assert caught.value.text == "so far"
        assert caught.value.usage.completion_tokens == 5
        assert len(caught.value.attempts) == 2

    def test_nothing_in_the_last_attempt(self):
        """Nor where the next one breaks before anything comes."""
        state = made(StreamState, retries=1, final_only=True)
        take(state, event(content="so far"), 1.0)
        take(state, CUT, 2.0)
        flow = state.retry(2.0)
        next(flow)
        with pytest.raises(StopIteration):
            flow.send(reply("second"))
        state.restart(reply("second"))
        take(state, CUT, 4.0)

        with pytest.raises(StreamInterruptedError) as caught:
            next(state.retry(4.0))

        assert (caught.value.text, caught.value.meta.request_id) == ("so far", "second")

    def test_nothing_at_all(self):
        """Where nothing had ever arrived there is nothing partial."""
        state = made(StreamState, retries=0, final_only=True)
        take(state, CUT, 2.0)

        with pytest.raises(StreamInterruptedError) as caught:
            next(state.retry(2.0))

        assert caught.value.partial is None

    def test_not_to_be_mended(self):
        """An error that no attempt can mend is raised at once, with what had arrived."""
        state = made(StreamState, final_only=True)
        take(state, event(content="a"), 1.0)
        take(state, b'data: {"error": {"message": "bad key", "code": 401}}\n\n', 2.0)

        with pytest.raises(AuthenticationError) as caught:
            next(state.retry(2.0))
        assert caught.value.text == "a"

    def test_past_the_deadline(self):
        """The deadline is the call's, and is not tried again."""
        state = made(StreamState, final_only=True)
        take(state, event(content="a"), 1.0)
        take(state, CUT._replace(clock="deadline"), 2.0)

        with pytest.raises(APITimeoutError) as caught:
            next(state.retry(2.0))
        assert (caught.value.clock, caught.value.text) == ("deadline", "a")
